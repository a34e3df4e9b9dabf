"""Review: nothing without a purpose, nothing that is not theirs, and an entry for every look."""

import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update

from chat import log
from chat.log import Draft
from chat.statements import CONVERSATION
from core import clock, ids
from core.database import Transaction
from core.identity import Role
from core.services import Core
from support.review import web
from tests.support.desk.house import Member, app_of, browser, conversation, linked, member, said, shopper
from tests.support.desk.test_console import entries

P2 = "P2_CONTRACT_AFTERSALES"
P5 = "P5_SECURITY_QUALITY"


@pytest_asyncio.fixture
async def review(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app_of(core, web.routes)) as client:
        yield client


@pytest_asyncio.fixture
async def lee(core: Core) -> Member:
    return await member(core, "lee", Role.SUPERVISOR)


async def sought(review: httpx.AsyncClient, who: Member, by: str, term: str, purpose: str = P2) -> httpx.Response:
    fields = {"csrf_token": who.csrf, "by": by, "term": term, "purpose": purpose, "reason": ""}
    return await review.post("/review", data=fields, headers=who.page)


async def opened(
    review: httpx.AsyncClient, who: Member, conversation_id: str, purpose: str = P2, reason: str = ""
) -> httpx.Response:
    fields = {"csrf_token": who.csrf, "purpose": purpose, "reason": reason}
    return await review.post(f"/review/{conversation_id}/open", data=fields, headers=who.page)


@pytest.mark.parametrize(
    ("by", "term"),
    [("order", "10482"), ("order", "＃１０４８２"), ("email", "YiTing@Example.com"), ("conversation", None)],
)
async def test_a_conversation_is_found_by_order_address_or_its_id(
    core: Core, review: httpx.AsyncClient, lee: Member, by: str, term: str | None
) -> None:
    yiting = await shopper(core)
    made = await conversation(core, yiting, "Hello")
    await linked(core, made, yiting)

    answer = await sought(review, lee, by, term or made.id)

    assert f'action="/review/{made.id}/open"' in answer.text
    assert "陳○婷" in answer.text
    assert "陳怡婷" not in answer.text


@pytest.mark.clause("3(2)")
async def test_a_search_is_in_the_ledger_without_what_was_typed(
    core: Core, review: httpx.AsyncClient, lee: Member
) -> None:
    await shopper(core)

    await sought(review, lee, "email", "yiting@example.com")

    found = await entries(core)
    assert (lee.caller.ref, "transcript.search", P2) in found
    assert "yiting" not in str(found)


@pytest.mark.clause("1")
async def test_nothing_is_searched_without_a_purpose(core: Core, review: httpx.AsyncClient, lee: Member) -> None:
    made = await conversation(core, await shopper(core), "Hello")

    answer = await sought(review, lee, "conversation", made.id, purpose="")

    assert answer.status_code == 403
    assert "Say first what you need this for." in answer.text
    assert f"/review/{made.id}/open" not in answer.text


@pytest.mark.clause("1(3)")
@pytest.mark.clause("1(4)")
@pytest.mark.parametrize("purpose", ["P3_MARKETING", "P4_NOTICE_ANALYTICS"])
async def test_marketing_and_analysis_open_no_conversation(
    core: Core, review: httpx.AsyncClient, lee: Member, purpose: str
) -> None:
    made = await conversation(core, await shopper(core), "A sentence of hers")

    answer = await opened(review, lee, made.id, purpose=purpose)

    assert answer.status_code == 403
    assert "A sentence of hers" not in answer.text


@pytest.mark.clause("1(6)")
async def test_fraud_needs_a_case_number(core: Core, review: httpx.AsyncClient, lee: Member) -> None:
    made = await conversation(core, await shopper(core), "A sentence of hers")

    without = await opened(review, lee, made.id, purpose="P6_FRAUD_HARM")
    named = await opened(review, lee, made.id, purpose="P6_FRAUD_HARM", reason="CASE-118")

    assert (without.status_code, named.status_code) == (403, 200)


@pytest.mark.clause("3(2)")
async def test_a_transcript_shows_every_line_and_is_in_the_ledger(
    core: Core, review: httpx.AsyncClient, lee: Member
) -> None:
    mei = await member(core, "mei.lin")
    made = await conversation(core, await shopper(core), "收到的杯子有裂痕。")
    await said(core, made.id, mei.caller, "Second breakage", kind="note")
    await said(core, made.id, mei.caller, "We will send a new set.")

    answer = await opened(review, lee, made.id, purpose=P5)

    for words in ("收到的杯子有裂痕。", "Second breakage", "We will send a new set.", 'id="m-4"', "Internal note."):
        assert words in answer.text
    assert (lee.caller.ref, "transcript.read", P5) in await entries(core)


async def test_what_people_wrote_is_text_and_never_markup(core: Core, review: httpx.AsyncClient, lee: Member) -> None:
    made = await conversation(core, await shopper(core), "<img src=x onerror=alert(1)>{{7*7}}")

    answer = await opened(review, lee, made.id)

    assert "&lt;img src=x onerror=alert(1)&gt;{{7*7}}" in answer.text
    assert "<img src=x" not in answer.text


@pytest.mark.clause("1")
async def test_an_address_without_a_purpose_is_answered_with_the_question(
    core: Core, review: httpx.AsyncClient, lee: Member
) -> None:
    made = await conversation(core, await shopper(core), "A sentence of hers")

    answer = await review.get(f"/review/{made.id}", headers=lee.page)

    assert answer.status_code == 403
    assert "A sentence of hers" not in answer.text
    assert "transcript.read" not in str(await entries(core))


async def test_a_purpose_in_the_address_opens_the_transcript(
    core: Core, review: httpx.AsyncClient, lee: Member
) -> None:
    made = await conversation(core, await shopper(core), "A sentence of hers")

    answer = await review.get(f"/review/{made.id}?purpose={P2}", headers=lee.page)

    assert "A sentence of hers" in answer.text


@pytest.mark.parametrize("role", [Role.AGENT, Role.ADMIN, Role.AUDITOR])
async def test_only_supervisors_review(core: Core, review: httpx.AsyncClient, role: Role) -> None:
    someone = await member(core, "someone", role)
    made = await conversation(core, await shopper(core), "A sentence of hers")

    for answer in (await review.get("/review", headers=someone.page), await opened(review, someone, made.id)):
        assert answer.status_code == 404
        assert "A sentence of hers" not in answer.text


async def test_what_is_not_there_and_what_is_another_teams_are_one_answer(
    core: Core, review: httpx.AsyncClient
) -> None:
    outsider = await member(core, "outsider", Role.SUPERVISOR, team="returns")
    mei = await member(core, "mei.lin", Role.AGENT, team="care")
    made = await conversation(core, await shopper(core), "A sentence of hers")
    await put_in_team(core, made.id, "care")
    assert mei.caller.team == "care"

    theirs = await opened(review, outsider, made.id)
    nobodys = await opened(review, outsider, ids.new())

    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.text == nobodys.text


async def test_another_teams_conversation_is_no_result(core: Core, review: httpx.AsyncClient) -> None:
    outsider = await member(core, "outsider", Role.SUPERVISOR, team="returns")
    made = await conversation(core, await shopper(core), "Hello")
    await put_in_team(core, made.id, "care")

    answer = await sought(review, outsider, "email", "yiting@example.com")

    assert made.id not in answer.text


async def test_a_reference_that_could_be_a_person_is_refused(
    core: Core, review: httpx.AsyncClient, lee: Member
) -> None:
    made = await conversation(core, await shopper(core), "A sentence of hers")

    answer = await opened(review, lee, made.id, reason="complaint of yiting@example.com")

    assert answer.status_code == 422
    assert "A sentence of hers" not in answer.text


async def put_in_team(core: Core, conversation_id: str, team: str) -> None:
    def put(tx: Transaction) -> None:
        tx.execute(update(CONVERSATION).where(CONVERSATION.c.id == conversation_id).values(team=team))

    await core.database.write(put)


async def redacted(review: httpx.AsyncClient, who: Member, conversation_id: str, **fields: str) -> httpx.Response:
    given = {"purpose": P5, "reason": "", "entry": "1", "seq": "2", "why": "third_party_data", "text": ""}
    about = {"csrf_token": who.csrf, **given, **fields}
    return await review.post(f"/review/{conversation_id}/redact", data=about, headers=who.page)


@pytest.mark.clause("3(2)")
async def test_a_supervisor_redacts_a_line_once_and_the_ledger_knows_who_and_why(
    core: Core, review: httpx.AsyncClient, lee: Member
) -> None:
    made = await conversation(core, await shopper(core), "My neighbour's number is canary", "Thank you")

    answer = await redacted(review, lee, made.id, text="A neighbour's number")
    again = await redacted(review, lee, made.id, text="A neighbour's number")
    other = await redacted(review, lee, made.id, entry="2")

    assert (answer.status_code, again.status_code, other.status_code) == (200, 200, 409)
    for page in (answer, again, other):
        assert "canary" not in page.text
        assert "A neighbour&#39;s number" in page.text
    assert "This message was removed already." in other.text
    assert "Redacted by Lee, " in answer.text
    assert "Lee redacted entry 2: Another person's details" in answer.text
    assert [entry for entry in await entries(core) if entry[1] == "message.redact"] == [
        (lee.caller.ref, "message.redact", P5)
    ]


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"why": "because"}, 422), ({"purpose": ""}, 403), ({"purpose": "P3_MARKETING"}, 403), ({"seq": "x"}, 404)],
)
async def test_without_a_reason_or_a_purpose_that_permits_it_nothing_is_redacted(
    core: Core, review: httpx.AsyncClient, lee: Member, fields: dict[str, str], status: int
) -> None:
    made = await conversation(core, await shopper(core), "A sentence of hers")

    answer = await redacted(review, lee, made.id, **fields)

    assert answer.status_code == status
    assert "A sentence of hers" in (await opened(review, lee, made.id)).text


async def test_a_transcript_says_what_was_edited_and_removed_by_whom(
    core: Core, review: httpx.AsyncClient, lee: Member
) -> None:
    yiting = await shopper(core)
    made = await conversation(core, yiting, "canary one", "canary two")

    for kind, body in (("revised", {"of": 2, "text": "Better"}), ("retracted", {"of": 3})):
        draft = Draft(made.id, yiting, str(uuid.uuid4()), kind, body)
        await core.database.write(log.append_in, core, draft, now=clock.now())
    answer = await opened(review, lee, made.id)

    assert "canary" not in answer.text
    for words in ("Edited by 陳○婷, ", "Removed by 陳○婷, ", "陳○婷 edited entry 2", "陳○婷 removed entry 3", "Better"):
        assert words in answer.text
