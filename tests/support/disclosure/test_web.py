"""The register and the case's screen: the whole way of a case, and every door closed to whose it is not."""

import io
import re
import zipfile
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from core import ids
from core.identity import Role
from support.disclosure import cases, documents, web
from support.house import House
from support.privacy import keeping
from tests.support.desk.house import Member, app_of, browser, member
from tests.support.privacy.conftest import CANARY, house, shopper
from tests.support.privacy.test_retention import count, entries

__all__ = ["house"]  # pytest finds it by its name


@pytest_asyncio.fixture
async def desk(house: House) -> AsyncIterator[httpx.AsyncClient]:
    app = app_of(house.core, web.routes)
    app.state.house = house
    async with browser(app) as client:
        yield client


async def posted(desk: httpx.AsyncClient, who: Member, path: str = "", **fields: str) -> httpx.Response:
    return await desk.post(f"/disclosures{path}", data={"csrf_token": who.csrf, **fields}, headers=who.page)


async def opened(desk: httpx.AsyncClient, who: Member, subject: str, **other: str) -> httpx.Response:
    fields = {"ground": "COURT", "reference": "DOC-115", "requester": "Judge Huang", "scope": "one", "docket": "88"}
    return await posted(desk, who, **{**fields, "subject": subject, **other})


async def sent(desk: httpx.AsyncClient, who: Member, case: str, document: bytes) -> httpx.Response:
    return await desk.post(
        f"{case}/document",
        data={"csrf_token": who.csrf},
        files={"file": ("order.pdf", document, "application/pdf")},
        headers=who.page,
    )


async def officer(house: House, login: str = "iris") -> Member:
    return await member(house.core, login, Role.PRIVACY_OFFICER)


@pytest.mark.clause("4(3)3")
async def test_a_court_gets_what_two_people_approved_and_everything_about_it_is_noted(
    house: House, desk: httpx.AsyncClient
) -> None:
    ann, iris, lee = (
        await shopper(house, "ann@example.com"),
        await officer(house),
        await member(house.core, "lee", Role.SUPERVISOR),
    )
    case = (await opened(desk, lee, ann.caller.ref)).headers["location"]
    path = case.removeprefix("/disclosures")
    document = bytes(range(256)) * 40 + b"\r\n--not the end\r\n"

    await sent(desk, lee, case, document)
    await posted(desk, iris, f"{path}/items", items=f"conversation {ann.conversation.id}\nattachment {ann.attachment}")
    looked = await posted(desk, iris, f"{path}/preview")
    await posted(desk, lee, f"{path}/decide/approve")
    too_early = await posted(desk, iris, f"{path}/export")
    await posted(desk, iris, f"{path}/decide/approve")
    archive = await posted(desk, iris, f"{path}/export")
    for verb in ("deliver", "tell"):
        await posted(desk, iris, f"{path}/note/{verb}", note="by courier, receipt 7")
    closed = await posted(desk, iris, f"{path}/decide/close")

    assert CANARY in looked.text
    assert too_early.status_code == 403
    with zipfile.ZipFile(io.BytesIO(archive.content)) as file:
        assert CANARY in file.read("conversations.jsonl").decode()
        assert len(file.namelist()) == 4
    assert closed.headers["location"] == case
    acts = [act for act, _about, _result in entries(house) if act.startswith("disclosure.")]
    assert acts == [f"disclosure.{act}" for act in (
        "open", "document", "choose", "preview", "approve", "approve", "give", "deliver", "tell", "close",
    )]  # fmt: skip
    screen = (await desk.get(case, headers=iris.page)).text
    assert re.search(r"Manifest \(SHA-256\)</dt><dd><code class=\"secret\">[0-9a-f]{64}", screen)
    assert "by courier, receipt 7" in screen
    assert f"{case}/note/tell" in screen
    assert f"{case}/note/deliver" not in screen
    assert f"{case}/decide/close" not in screen


@pytest.mark.clause("4(3)3")
async def test_a_document_is_kept_byte_for_byte(house: House, desk: httpx.AsyncClient) -> None:
    from support.disclosure import sealing  # noqa: PLC0415
    from support.disclosure.models import Disclosure  # noqa: PLC0415

    ann, iris = await shopper(house, "ann@example.com"), await officer(house)
    case = (await opened(desk, iris, ann.caller.ref)).headers["location"]
    document = b"\x00\r\n\n\r" + bytes(range(256)) * 9 + b"\r\n"

    await sent(desk, iris, case, document)

    def read(tx) -> bytes | None:  # type: ignore[no-untyped-def]
        row = tx.session.get_one(Disclosure, case.rpartition("/")[2])
        return sealing.document_of(house.core, row)

    assert house.core.database.read_now(read) == document


@pytest.mark.clause("3(1)")
async def test_a_document_that_is_too_large_or_without_the_pages_token_is_refused(
    house: House, desk: httpx.AsyncClient
) -> None:
    ann, iris = await shopper(house, "ann@example.com"), await officer(house)
    case = (await opened(desk, iris, ann.caller.ref)).headers["location"]

    large = await sent(desk, iris, case, bytes(cases.DOCUMENT_LIMIT + documents.OVERHEAD))
    empty = await sent(desk, iris, case, b"")
    forged = await desk.post(f"{case}/document", files={"file": ("a", b"x")}, headers=iris.page)

    assert (large.status_code, empty.status_code, forged.status_code) == (413, 422, 403)
    assert "disclosure.document" not in [act for act, _about, _result in entries(house)]


@pytest.mark.clause("3(2)")
@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "ann@example.com"},
        {"reference": "what Judge Huang said"},
        {"ground": "CURIOSITY"},
        {"processor": "Insurer"},
    ],
)
async def test_a_form_that_cannot_stand_is_given_back_and_leaves_no_case_and_no_key(
    house: House, desk: httpx.AsyncClient, wrong: dict[str, str]
) -> None:
    ann, iris = await shopper(house, "ann@example.com"), await officer(house)

    answer = await opened(desk, iris, **{"subject": ann.caller.ref, **wrong})

    assert answer.status_code == 422
    assert "Judge Huang" in answer.text
    assert count(house, "disclosure") == 0
    assert [stone.reason for stone in await house.core.vault.tombstones()] == ["unused"]


@pytest.mark.clause("4(3)3")
@pytest.mark.parametrize("items", ["everything", "conversation x\nconversation x", "", "conversation x 9-3"])
async def test_a_selection_that_is_no_list_of_single_things_is_refused(
    house: House, desk: httpx.AsyncClient, items: str
) -> None:
    ann, iris = await shopper(house, "ann@example.com"), await officer(house)
    case = (await opened(desk, iris, ann.caller.ref)).headers["location"].removeprefix("/disclosures")

    answer = await posted(desk, iris, f"{case}/items", items=items.replace("x", ann.conversation.id))

    assert answer.status_code == 422
    assert count(house, "disclosure_item") == 0


@pytest.mark.clause("4(2)2")
@pytest.mark.parametrize(
    ("role", "sees"), [(Role.AGENT, False), (Role.ADMIN, False), (Role.AUDITOR, True), (Role.SUPERVISOR, True)]
)
async def test_the_register_is_for_those_who_decide_and_the_auditor_reads_no_words(
    house: House, desk: httpx.AsyncClient, role: Role, sees: bool
) -> None:
    ann, iris, kim = (
        await shopper(house, "ann@example.com"),
        await officer(house),
        await member(house.core, "kim", role),
    )
    case = (await opened(desk, iris, ann.caller.ref)).headers["location"]

    register = await desk.get("/disclosures", headers=kim.page)
    screen = await desk.get(case, headers=kim.page)
    export = await posted(desk, kim, f"{case.removeprefix('/disclosures')}/export")

    assert (register.status_code, screen.status_code) == ((200, 200) if sees else (404, 404))
    assert ("Judge Huang" in screen.text) is (role is Role.SUPERVISOR)
    assert export.status_code == 404


@pytest.mark.clause("4(3)3")
async def test_a_court_case_offers_to_hold_the_persons_records(house: House, desk: httpx.AsyncClient) -> None:
    ann, iris = await shopper(house, "ann@example.com"), await officer(house)
    case = (await opened(desk, iris, ann.caller.ref)).headers["location"]

    answer = await posted(desk, iris, f"{case.removeprefix('/disclosures')}/hold")

    assert answer.headers["location"] == "/retention?said=set"
    assert ann.conversation.id in house.core.database.read_now(keeping.kept, house.holdings, house.core.policy)


@pytest.mark.clause("4(2)2")
async def test_a_case_that_is_not_there_is_not_there(house: House, desk: httpx.AsyncClient) -> None:
    iris, unknown = await officer(house), ids.new()

    assert (await desk.get(f"/disclosures/{unknown}", headers=iris.page)).status_code == 404
    for path in ("items", "preview", "export", "bar", "hold", "note/deliver", "decide/approve", "decide/burn"):
        assert (await posted(desk, iris, f"/{unknown}/{path}", items="metadata device")).status_code == 404
