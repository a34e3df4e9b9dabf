"""No entry, no reading: when the ledger cannot be written, a member of staff is shown nothing, by whichever way."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from chat import connection, opening
from chat.log import Span
from chat.models import Conversation
from core import clock, ledger
from core.database import Transaction
from core.identity import Role
from core.identity.permissions import Purpose
from core.refusals import Unavailable
from core.services import Core
from support.desk import web as desk
from support.review import finding, transcript
from support.review import web as review
from support.review.finding import By, Reading, Sought
from tests.support.desk.house import Member, app_of, browser, conversation, linked, member, shopper

P2 = Purpose.P2_CONTRACT_AFTERSALES
WORDS = "the quokka cup broke"


@dataclass(frozen=True)
class Scene:
    """A supervisor, and what she could read while the ledger can be written."""

    core: Core
    lee: Member
    made: Conversation
    client: httpx.AsyncClient


@pytest_asyncio.fixture
async def scene(core: Core) -> AsyncIterator[Scene]:
    lee, yiting = await member(core, "lee", Role.SUPERVISOR), await shopper(core)
    made = await conversation(core, yiting, WORDS)
    await linked(core, made, yiting)
    async with browser(app_of(core, [*desk.routes, *review.routes])) as client:
        yield Scene(core, lee, made, client)


def fill(tx: Transaction) -> None:
    """From now on the ledger takes no entry, as on a full disk."""
    tx.execute(
        text(
            "CREATE TRIGGER ledger_is_full BEFORE INSERT ON ledger_entry "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    )


async def asked(scene: Scene, way: str) -> httpx.Response:
    fields = {"csrf_token": scene.lee.csrf, "by": "order", "term": "10482", "purpose": P2, "reason": ""}
    page, mine = scene.client, scene.lee
    match way:
        case "transcript":
            return await page.post(f"/review/{scene.made.id}/open", data=fields, headers=mine.page)
        case "transcript by its address":
            return await page.get(f"/review/{scene.made.id}?purpose={P2}", headers=mine.page)
        case "search":
            return await page.post("/review", data=fields, headers=mine.page)
        case "order view":
            return await page.get(f"/desk/conversations/{scene.made.id}/side", headers=mine.headers)
        case _:
            return await page.get("/desk/inbox", headers=mine.headers)


@pytest.mark.clause("3(2)", "4(2)2")
@pytest.mark.parametrize(
    ("way", "shows"),
    [
        ("transcript", WORDS),
        ("transcript by its address", WORDS),
        ("search", "10482"),
        ("order view", "10482"),
        ("inbox", "quokka"),
    ],
)
async def test_a_page_is_refused_whose_reading_cannot_be_written_down(scene: Scene, way: str, shows: str) -> None:
    before = await asked(scene, way)
    await scene.core.database.write(fill)

    after = await asked(scene, way)

    assert before.status_code == 200
    assert shows in before.text
    assert after.status_code >= 500
    for secret in (WORDS, "quokka", "y***@e***.com", "台北市"):
        assert secret not in after.text


def read_history(scene: Scene, tx: Transaction) -> object:
    wish = opening.Wish(scene.lee.caller, scene.made.id, P2)
    return opening.read_for(tx, scene.core, wish, span=Span(limit=10))


def open_socket(scene: Scene, tx: Transaction) -> object:
    return opening.open_for(tx, opening.Wish(scene.lee.caller, scene.made.id, P2), now=clock.now())


def watch_inbox(scene: Scene, tx: Transaction) -> None:
    connection._note_inbox(tx, scene.lee.caller, now=clock.now())


def search(scene: Scene, tx: Transaction) -> object:
    return finding.find(tx, scene.core, scene.lee.caller, Sought(By.ORDER, "10482"), Reading(P2), now=clock.now())


def review_transcript(scene: Scene, tx: Transaction) -> object:
    return transcript.open_(tx, scene.core, scene.lee.caller, scene.made.id, Reading(P2), now=clock.now())


@pytest.mark.clause("3(2)", "4(2)2")
@pytest.mark.parametrize("read", [read_history, open_socket, watch_inbox, search, review_transcript])
async def test_a_reading_stands_or_falls_with_its_entry(
    scene: Scene, read: Callable[[Scene, Transaction], object]
) -> None:
    length = (await scene.core.database.read(ledger.end))[0]
    await scene.core.database.write(lambda tx: read(scene, tx))
    assert (await scene.core.database.read(ledger.end))[0] == length + 1
    await scene.core.database.write(fill)

    with pytest.raises(Unavailable):
        await scene.core.database.write(lambda tx: read(scene, tx))

    assert (await scene.core.database.read(ledger.end))[0] == length + 1
