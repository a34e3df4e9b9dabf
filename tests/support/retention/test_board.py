"""The board shows what goes and what stays, and each of its forms answers only to whose it is."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from core import clock
from core.clock import DAY
from core.identity import Role
from core.identity.callers import SYSTEM
from support.house import House
from support.privacy import holds
from support.privacy.models import Hold
from support.retention import web
from tests.support.desk.house import Member, app_of, browser, member
from tests.support.privacy.conftest import conversation_of, house, visitor
from tests.support.privacy.test_retention import conversations, count

__all__ = ["house"]  # pytest finds it by its name


@pytest_asyncio.fixture
async def board(house: House) -> AsyncIterator[httpx.AsyncClient]:
    app = app_of(house.core, web.routes)
    app.state.house = house
    async with browser(app) as client:
        yield client


async def officer(house: House, login: str = "iris") -> Member:
    return await member(house.core, login, Role.PRIVACY_OFFICER)


async def posted(board: httpx.AsyncClient, who: Member, path: str, **fields: str) -> httpx.Response:
    sent = {"csrf_token": who.csrf, **fields}
    return await board.post(f"/retention/{path}", data=sent, headers=who.page)


async def asked(board: httpx.AsyncClient, who: Member, object_id: str, **other: str) -> httpx.Response:
    fields = {"kind": "conversation", "ground": "COURT", "reference": "DOC-9", "case": "CASE-7", "days": "30"}
    return await posted(board, who, "holds", **{**fields, "id": object_id, **other})


def every_hold(house: House) -> list[Hold]:
    return house.core.database.read_now(holds.every, SYSTEM)


@pytest.mark.clause("4(2)2")
@pytest.mark.parametrize("role", list(Role))
async def test_the_board_is_there_for_those_who_keep_the_house(
    house: House, board: httpx.AsyncClient, role: Role
) -> None:
    who = await member(house.core, "kim", role)

    answer = await board.get("/retention", headers=who.page)

    assert answer.status_code == (404 if role is Role.AGENT else 200)


@pytest.mark.clause("5(1)3")
async def test_the_board_names_what_is_due_what_is_held_and_what_is_older_than_allowed(
    house: House, board: httpx.AsyncClient
) -> None:
    iris = await officer(house)
    past = clock.now() - 91 * DAY
    goes, stays = await conversation_of(house, visitor(), now=past), await conversation_of(house, visitor(), now=past)
    await asked(board, iris, stays.id)

    page = (await board.get("/retention", headers=iris.page)).text

    assert goes.id in page
    assert stays.id in page
    assert "Court orders, CASE-7" in page
    assert "24 hours" in page
    assert "In force" in page


@pytest.mark.clause("4(2)2")
async def test_an_officers_form_holds_at_once_and_a_supervisors_waits_for_her(
    house: House, board: httpx.AsyncClient
) -> None:
    iris, lee = await officer(house), await member(house.core, "lee", Role.SUPERVISOR)
    made = await conversation_of(house, visitor())

    proposed = await asked(board, lee, made.id)
    (proposal,) = every_hold(house)
    accepted = await posted(board, iris, f"holds/{proposal.id}/accept")

    assert proposed.headers["location"] == "/retention?said=proposed"
    assert proposal.is_proposal
    assert accepted.headers["location"] == "/retention?said=accepted"
    assert [hold.is_in_force for hold in every_hold(house)] == [True]
    assert [note.id for note in await house.core.vault.holds()] == [proposal.id]


@pytest.mark.clause("4(2)2")
@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR])
async def test_nobody_but_an_officer_decides(house: House, board: httpx.AsyncClient, role: Role) -> None:
    iris, kim = await officer(house), await member(house.core, "kim", role)
    await asked(board, iris, (await conversation_of(house, visitor())).id)
    (hold,) = every_hold(house)

    paths = [f"holds/{hold.id}/{verb}" for verb in ("accept", "decline", "renew", "ask-release", "release")]
    refused = [
        (await posted(board, kim, path, reference="N-1", objects="1")).status_code for path in (*paths, "confirm")
    ]

    assert refused == [404] * 6
    assert every_hold(house) == [hold]


@pytest.mark.clause("4(2)2")
async def test_lifting_on_the_page_takes_a_second_officer(house: House, board: httpx.AsyncClient) -> None:
    iris, noor = await officer(house), await officer(house, "noor")
    await asked(board, iris, (await conversation_of(house, visitor())).id)
    (hold,) = every_hold(house)

    await posted(board, iris, f"holds/{hold.id}/ask-release")
    alone = await posted(board, iris, f"holds/{hold.id}/release")
    page = (await board.get("/retention", headers=iris.page)).text
    both = await posted(board, noor, f"holds/{hold.id}/release")

    assert alone.status_code == 403
    assert "you were the first" in alone.text
    assert "Agree to lift" not in page
    assert both.headers["location"] == "/retention?said=released"
    assert not every_hold(house)[0].is_in_force


@pytest.mark.clause("3(2)")
@pytest.mark.parametrize(
    "wrong",
    [
        {"reference": "Ann Chen asked"},
        {"case": "ann@example.com"},
        {"id": "10482"},
        {"days": "soon"},
        {"days": "400"},
        {"ground": "CURIOUS"},
    ],
)
async def test_a_form_that_cannot_stand_is_given_back_with_the_reason(
    house: House, board: httpx.AsyncClient, wrong: dict[str, str]
) -> None:
    iris = await officer(house)
    made = await conversation_of(house, visitor())

    answer = await asked(board, iris, **{"object_id": made.id, **wrong})

    assert answer.status_code in {403, 422}
    assert 'role="alert"' in answer.text
    assert count(house, "hold") == 0


@pytest.mark.clause("4(2)1")
async def test_the_brake_is_shown_and_only_an_officer_has_the_button(house: House, board: httpx.AsyncClient) -> None:
    iris, lee = await officer(house), await member(house.core, "lee", Role.SUPERVISOR)
    for _ in range(21):
        await conversation_of(house, visitor(), now=clock.now() - 91 * DAY)

    shown = (await board.get("/retention", headers=iris.page)).text
    to_others = (await board.get("/retention", headers=lee.page)).text
    without_reason = await posted(board, iris, "confirm", objects="21", reference="")
    confirmed = await posted(board, iris, "confirm", objects="21", reference="NOTE-4")

    assert "21 of 21 are due." in shown
    assert "Let the sweep delete 21 records" in shown
    assert "/retention/confirm" not in to_others
    assert without_reason.status_code == 422
    assert confirmed.headers["location"] == "/retention?said=confirmed"
    assert len(conversations(house)) == 21
    assert count(house, "job") == 1


@pytest.mark.clause("4(2)2")
async def test_a_form_without_the_pages_token_does_nothing(house: House, board: httpx.AsyncClient) -> None:
    iris = await officer(house)
    made = await conversation_of(house, visitor())
    fields = {"kind": "conversation", "id": made.id, "ground": "COURT", "reference": "D-1", "case": "C-1", "days": "3"}

    answer = await board.post("/retention/holds", data=fields, headers=iris.page)

    assert answer.status_code == 403
    assert count(house, "hold") == 0
