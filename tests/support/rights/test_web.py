"""The officer's screens: seen by the officer alone, each look recorded, each act a form."""

from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio

from core import clock
from core.identity import Role, people
from core.identity.callers import SYSTEM
from support.house import House
from support.rights import proving, requests, steps
from support.rights.models import Channel, Kind, State
from support.rights.proving import Proof
from support.rights.requests import Asked
from tests.support.desk.house import Member, member
from tests.support.privacy.conftest import Shopper, shopper
from tests.support.rights.conftest import WORDS, Person, asks, entries, row, verbs


@pytest_asyncio.fixture
async def rosa(house: House) -> Member:
    return await member(house.core, "rosa", Role.PRIVACY_OFFICER)


@pytest_asyncio.fixture
async def bea(house: House) -> Shopper:
    return await shopper(house, "bea@example.com", now=clock.now())


async def wants(house: House, bea: Shopper, kind: Kind = Kind.COPY) -> str:
    return (await asks(house.core, Person(bea.caller, bea.email), kind, now=clock.now())).id


async def in_progress(house: House, bea: Shopper, kind: Kind = Kind.COPY) -> str:
    """A request whose work has begun; the day of a deletion is over."""
    ago = clock.now() - 2 * clock.DAY
    request_id = (await asks(house.core, Person(bea.caller, bea.email), kind, now=ago)).id
    write = house.core.database.write
    await write(proving.prove_identity, house.core, SYSTEM, request_id, Proof("order_knowledge"), now=ago)
    await write(requests.begin, house.core, SYSTEM, request_id, now=clock.now())
    return request_id


async def post(client: httpx.AsyncClient, who: Member, path: str, **fields: str) -> httpx.Response:
    return await client.post(path, data={"csrf_token": who.csrf, **fields}, headers=who.page)


@pytest.mark.clause("5(2)2")
async def test_the_board_shows_what_is_open_and_how_long_there_is(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    request_id = await wants(house, bea)

    page = await client.get("/rights", headers=rosa.page)

    assert page.status_code == 200
    assert steps.reference(request_id) in page.text
    assert "15 days" in page.text
    assert WORDS not in page.text
    assert bea.email not in page.text


@pytest.mark.clause("5(2)2")
async def test_a_filter_shows_what_it_says(client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper) -> None:
    request_id = await wants(house, bea)

    shown = [
        name
        for name in ("open", "received", "late", "counsel", "closed", "all", "nonsense")
        if steps.reference(request_id) in (await client.get(f"/rights?show={name}", headers=rosa.page)).text
    ]

    assert shown == ["open", "received", "all", "nonsense"]


@pytest.mark.clause("3(1)", "3(2)")
async def test_the_screen_shows_the_words_masks_the_person_and_records_the_look(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    request_id = await wants(house, bea)

    page = await client.get(f"/rights/{request_id}", headers=rosa.page)

    assert WORDS in page.text
    assert "王○明" in page.text
    assert "b***@e***.com" in page.text
    assert bea.email not in page.text
    assert "王小明" not in page.text
    assert (await entries(house.core, request_id))[-1][0] == "rights.view"


@pytest.mark.clause("4(2)2")
@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR])
async def test_for_everybody_else_there_is_nothing_here(
    client: httpx.AsyncClient, house: House, bea: Shopper, role: Role
) -> None:
    request_id = await wants(house, bea)
    other = await member(house.core, "other", role)

    real = await client.get(f"/rights/{request_id}", headers=other.page)
    none = await client.get(f"/rights/{'0' * 32}", headers=other.page)
    acted = await post(client, other, f"/rights/{request_id}/begin")

    assert [real.status_code, none.status_code, acted.status_code] == [404, 404, 404]
    assert (await client.get("/rights", headers=other.page)).status_code == 404
    assert real.text == none.text


async def test_who_is_not_signed_in_goes_to_the_door(client: httpx.AsyncClient) -> None:
    answer = await client.get("/rights", headers={"Accept": "text/html"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/sign-in")


async def test_a_request_or_verb_that_is_not_there_is_not_found(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    request_id = await wants(house, bea)

    nothing = await client.get(f"/rights/{'0' * 32}", headers=rosa.page)
    no_verb = await post(client, rosa, f"/rights/{request_id}/explode")

    assert (nothing.status_code, no_verb.status_code) == (404, 404)


async def test_a_form_without_its_token_does_nothing(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    request_id = await wants(house, bea)

    answer = await client.post(f"/rights/{request_id}/withdraw", data={"csrf_token": "x"}, headers=rosa.page)

    assert answer.status_code == 403
    assert (await row(house.core, request_id)).state == State.RECEIVED


@pytest.mark.clause("5(2)1", "5(2)2")
async def test_from_proof_to_closing_by_forms_alone(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    request_id = await wants(house, bea)
    path = f"/rights/{request_id}"

    for verb, fields in (
        ("ask-identity", {}),
        ("prove", {"method": "order_knowledge"}),
        ("begin", {}),
        ("fulfil", {"answer": "It is on your page."}),
        ("close", {}),
    ):
        answer = await post(client, rosa, f"{path}/{verb}", **fields)
        assert (answer.status_code, answer.headers["location"]) == (303, path), verb

    assert await verbs(house.core, request_id) == [
        "receive",
        "ask_identity",
        "prove_identity",
        "begin",
        "fulfil",
        "close",
    ]
    assert "It is on your page." in (await client.get(path, headers=rosa.page)).text


@pytest.mark.clause("5(2)3")
async def test_a_refusal_without_reasons_comes_back_with_what_was_typed(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    request_id = await wants(house, bea)
    typed = {"form": "refuse", "ground": "REJ_OTHERS", "reasons": " ", "legal_basis": "PDPA article 10"}

    answer = await post(client, rosa, f"/rights/{request_id}/refuse", **typed)

    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert "PDPA article 10" in answer.text
    assert (await row(house.core, request_id)).state == State.RECEIVED


@pytest.mark.clause("5(2)4")
async def test_a_refusal_for_a_time_takes_its_review_date(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    request_id = await wants(house, bea, Kind.DELETE)
    day = house.core.policy.number("refusal_review_days")
    until = clock.now() + day * clock.DAY
    typed = {
        "ground": "REF_CRIMINAL",
        "reasons": "A court has asked for it.",
        "legal_basis": "PDPA article 11",
        "whole_because": "All of it is in the court's list.",
        "review": iso_day(until),
    }

    answer = await post(client, rosa, f"/rights/{request_id}/refuse", **typed)

    assert answer.status_code == 303
    assert (await row(house.core, request_id)).decision == "REF_CRIMINAL"


def iso_day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, ZoneInfo('Asia/Taipei')):%Y-%m-%d}"


@pytest.mark.clause("5(1)3")
async def test_the_plan_of_a_deletion_names_what_goes_and_what_stays(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    request_id = await wants(house, bea, Kind.DELETE)

    page = (await client.get(f"/rights/{request_id}", headers=rosa.page)).text

    plan = page.partition("What erasing this person would do")[2]
    assert plan.index("Goes") < plan.index("Stays")
    assert "R-5.2.2a" in plan


@pytest.mark.clause("5(1)3")
async def test_a_deletion_is_carried_out_by_the_button_and_then_answered(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    request_id = await in_progress(house, bea, Kind.DELETE)
    path = f"/rights/{request_id}"

    unsure = await post(client, rosa, f"{path}/carry-out")
    done = await post(client, rosa, f"{path}/carry-out", sure="yes")
    answered = await post(client, rosa, f"{path}/fulfil", answer="All of it is deleted.")

    assert (unsure.status_code, done.status_code, answered.status_code) == (422, 303, 303)
    assert await house.core.database.read(people.by_email, house.core.vault, bea.email) is None
    stands = await row(house.core, request_id)
    assert (stands.state, stands.answered_ms is not None) == (State.FULFILLED, True)
    results = {action: result for action, _reason, result in await entries(house.core, request_id)}
    assert results["rights.carry_out"].startswith("objects-")


@pytest.mark.clause("5(1)3")
async def test_the_button_does_nothing_before_the_work_has_begun(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    request_id = await wants(house, bea, Kind.DELETE)

    answer = await post(client, rosa, f"/rights/{request_id}/carry-out", sure="yes")

    assert answer.status_code == 409
    assert await house.core.database.read(people.by_email, house.core.vault, bea.email) is not None


@pytest.mark.clause("5(1)1")
async def test_what_has_no_button_is_done_by_hand(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    request_id = await in_progress(house, bea, Kind.CORRECT)

    answer = await post(client, rosa, f"/rights/{request_id}/carry-out", sure="yes")

    assert answer.status_code == 409


@pytest.mark.clause("5(2)1")
async def test_a_strangers_request_is_tied_to_the_person_who_has_shown_it(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    asked = Asked(Kind.COPY, Channel.MAIL, None, WORDS, reply_to="other@example.org")
    received = await requests.take(house.core, SYSTEM, asked, now=clock.now())
    path = f"/rights/{received.id}/prove"

    nobody = await post(client, rosa, path, method="order_knowledge", email="nobody@example.org")
    bound = await post(client, rosa, path, method="order_knowledge", email=bea.email)

    assert (nobody.status_code, bound.status_code) == (422, 303)
    assert (await row(house.core, received.id)).subject == bea.caller.ref


@pytest.mark.clause("5(1)1(2)")
async def test_the_officer_takes_down_what_came_on_paper(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper
) -> None:
    came = iso_day(clock.now() - 3 * clock.DAY)

    answer = await post(
        client, rosa, "/rights", kind="delete", received=came, email=bea.email, words=WORDS, locale="zh-Hant"
    )

    stands = await row(house.core, answer.headers["location"].rpartition("/")[2])
    assert (stands.kind, stands.channel, stands.subject) == ("delete", "officer", bea.caller.ref)
    assert iso_day(stands.due_ms) == iso_day(clock.now() + 12 * clock.DAY)
    assert stands.locale == "zh-Hant"


async def test_a_wrong_date_comes_back_with_what_was_typed(
    client: httpx.AsyncClient, house: House, rosa: Member
) -> None:
    answer = await post(client, rosa, "/rights", kind="copy", received="yesterday", words=WORDS)

    assert answer.status_code == 422
    assert WORDS in answer.text


@pytest.mark.parametrize("lang", ["en", "zh-Hant"])
async def test_both_pages_speak_both_languages(
    client: httpx.AsyncClient, house: House, rosa: Member, bea: Shopper, lang: str
) -> None:
    request_id = await wants(house, bea, Kind.DELETE)

    for path in ("/rights", f"/rights/{request_id}"):
        page = (await client.get(f"{path}?lang={lang}", headers=rosa.page)).text
        assert ("個資權利" in page) is (lang == "zh-Hant")
        assert ("Privacy requests" in page) is (lang == "en")


async def test_the_officers_first_page_is_the_board(client: httpx.AsyncClient, house: House, rosa: Member) -> None:
    answer = await client.get("/desk/welcome", headers=rosa.page)

    assert answer.headers["location"] == "/rights"
