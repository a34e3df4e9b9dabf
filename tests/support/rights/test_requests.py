"""Requests: received, proven, begun, withdrawn, closed; each step in order, and by whom it may be done."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core import clock, ids
from core.database import Transaction
from core.identity.callers import SYSTEM, Caller
from core.refusals import Conflict, Invalid, NotAllowed, NotFound
from core.services import Core
from support.rights import answering, deadlines, proving, requests, steps
from support.rights.models import Channel, Kind, Level, State
from support.rights.proving import Proof
from support.rights.requests import Asked
from tests.support.rights.conftest import (
    AGENT,
    NOW,
    OFFICER,
    WORDS,
    Person,
    asks,
    begun,
    count,
    entries,
    letters,
    notes,
    row,
    verbs,
)

TAIPEI = "Asia/Taipei"


def at(text_: str) -> int:
    return int(datetime.fromisoformat(text_).timestamp() * 1000)


@pytest.mark.clause("5(2)2")
@pytest.mark.parametrize(
    ("received", "due"),
    [
        ("2026-11-23T11:33:00+08:00", "2026-12-08T23:59:00+08:00"),
        ("2026-11-23T00:00:00+08:00", "2026-12-08T23:59:00+08:00"),
        ("2026-11-22T23:59:59+08:00", "2026-12-07T23:59:00+08:00"),
        ("2027-02-14T09:00:00+08:00", "2027-03-01T23:59:00+08:00"),
        ("2028-02-15T09:00:00+08:00", "2028-03-01T23:59:00+08:00"),
    ],
)
def test_the_answer_is_due_at_the_end_of_the_fifteenth_day_where_the_shop_is(received: str, due: str) -> None:
    found = deadlines.due_ms(at(received), 15, TAIPEI)

    assert found == at(due)


@pytest.mark.clause("5(2)2")
def test_a_day_ends_at_its_end_also_when_the_clocks_change() -> None:
    found = deadlines.due_ms(at("2026-10-20T12:00:00+02:00"), 15, "Europe/Vienna")

    assert datetime.fromtimestamp(found / 1000, tz=UTC).isoformat() == "2026-11-04T22:59:00+00:00"


@pytest.mark.both_engines
@pytest.mark.clause("5(1)2", "5(2)2")
async def test_a_request_is_received_with_its_due_date_and_its_first_step(core: Core, ann: Person) -> None:
    received = await asks(core, ann)

    stands = await row(core, received.id)
    assert (stands.state, stands.kind, stands.subject) == (State.RECEIVED, Kind.COPY, ann.caller.ref)
    assert stands.due_ms == received.due_ms == at("2026-12-08T23:59:00+08:00")
    assert await verbs(core, received.id) == ["receive"]
    assert await entries(core, received.id) == [("rights.receive", "R-5.1.1b", "copy.my_data")]


@pytest.mark.clause("5(2)2")
async def test_a_letter_that_waited_counts_from_when_it_arrived(core: Core, ann: Person) -> None:
    asked = Asked(Kind.QUESTION, Channel.MAIL, ann.caller.ref, WORDS)

    received = await requests.take(core, SYSTEM, asked, now=NOW, received_ms=NOW - 2 * clock.DAY)

    assert received.due_ms == at("2026-12-06T23:59:00+08:00")


@pytest.mark.clause("3(1)")
async def test_the_words_are_sealed_and_only_the_words_come_back(core: Core, ann: Person) -> None:
    received = await asks(core, ann)

    stands = await row(core, received.id)
    assert WORDS.encode() not in stands.words_sealed
    assert steps.open_(core, stands, "words") == WORDS


@pytest.mark.clause("5(2)2")
async def test_a_second_request_of_the_kind_joins_the_first(core: Core, ann: Person) -> None:
    first = await asks(core, ann)

    again = await asks(core, ann, words="Please hurry", now=NOW + clock.HOUR)

    assert again.is_merged
    assert (again.id, again.due_ms) == (first.id, first.due_ms)
    assert await notes(core, first.id) == ["", "Please hurry"]


@pytest.mark.clause("5(2)3")
async def test_a_hundred_requests_are_one_case_with_few_steps_and_one_letter(core: Core, ann: Person) -> None:
    for number in range(100):
        await asks(core, ann, now=NOW + number)

    cases, its_steps = await count(core)
    assert (cases, its_steps) == (1, 1 + requests.MERGED_TEXTS)
    assert len(await letters(core)) == 1


@pytest.mark.clause("5(2)2")
async def test_another_kind_and_a_request_after_the_window_stand_alone(core: Core, ann: Person) -> None:
    first = await asks(core, ann)
    window = core.policy.span_ms("merge")

    other = await asks(core, ann, Kind.STOP)
    late = await asks(core, ann, now=NOW + window + 1)

    assert len({first.id, other.id, late.id}) == 3


async def test_a_key_that_no_request_needed_is_destroyed(core: Core, ann: Person) -> None:
    await asks(core, ann)

    await asks(core, ann)

    assert [stone.reason for stone in await core.vault.tombstones()] == ["unused"]


@pytest.mark.clause("5(1)1")
async def test_nobody_asks_for_somebody_else(core: Core, ann: Person) -> None:
    stranger = Caller("person", ids.new(), proof="email_code", proven_ms=NOW)
    asked = Asked(Kind.COPY, Channel.MY_DATA, ann.caller.ref, WORDS)

    with pytest.raises(NotFound):
        await requests.take(core, stranger, asked, now=NOW)

    assert await count(core) == (0, 0)


async def test_more_words_than_we_take_are_refused(core: Core, ann: Person) -> None:
    with pytest.raises(Invalid):
        await asks(core, ann, words="x" * 4_001)


@pytest.mark.clause("5(2)1")
@pytest.mark.parametrize(
    ("kind", "level"),
    [(Kind.INQUIRE, Level.I1), (Kind.COPY, Level.I1), (Kind.DELETE, Level.I1), (Kind.QUESTION, Level.I0)],
)
async def test_a_kind_needs_no_more_than_its_level(core: Core, ann: Person, kind: Kind, level: Level) -> None:
    received = await asks(core, ann, kind, now=clock.now())

    assert (await row(core, received.id)).identity_needed == level


@pytest.mark.clause("5(2)1")
async def test_who_has_not_signed_in_for_long_needs_more_than_a_mailbox(core: Core, ann: Person) -> None:
    long_after = clock.now() + 91 * clock.DAY

    received = await asks(core, ann, Kind.COPY, now=long_after)

    assert (await row(core, received.id)).identity_needed == Level.I2


@pytest.mark.clause("5(2)1")
async def test_a_request_for_somebody_else_needs_a_document(core: Core, ann: Person) -> None:
    asked = Asked(Kind.COPY, Channel.MY_DATA, ann.caller.ref, WORDS, is_for_another=True)

    received = await requests.take(core, ann.caller, asked, now=NOW)

    assert (await row(core, received.id)).identity_needed == Level.I3


@pytest.mark.clause("5(2)1")
async def test_a_persons_own_fresh_code_proves_her(core: Core, ann: Person) -> None:
    received = await asks(core, ann, Kind.INQUIRE)

    await core.database.write(proving.prove_identity, core, ann.caller, received.id, Proof("email_code"), now=NOW + 1)

    stands = await row(core, received.id)
    assert (stands.state, stands.identity_level, stands.identity_method) == (State.IDENTITY_OK, "I1", "email_code")
    assert stands.identity_verifier == ann.caller.ref


@pytest.mark.clause("5(2)1")
async def test_a_code_of_an_hour_ago_proves_nothing(core: Core, ann: Person) -> None:
    received = await asks(core, ann, Kind.INQUIRE)

    with pytest.raises(NotAllowed):
        await core.database.write(
            proving.prove_identity, core, ann.caller, received.id, Proof("email_code"), now=NOW + clock.HOUR
        )


@pytest.mark.clause("5(2)1")
async def test_a_person_cannot_say_that_her_document_was_seen(core: Core, ann: Person) -> None:
    received = await asks(core, ann, Kind.INQUIRE)

    with pytest.raises(NotFound):
        await core.database.write(proving.prove_identity, core, ann.caller, received.id, Proof("document"), now=NOW)


@pytest.mark.clause("5(2)1")
async def test_less_than_the_level_does_not_count(core: Core, ann: Person) -> None:
    received = await asks(core, ann, Kind.COPY, now=clock.now() + 91 * clock.DAY)

    with pytest.raises(Conflict):
        await core.database.write(proving.prove_identity, core, OFFICER, received.id, Proof("email_code"), now=NOW)

    assert (await row(core, received.id)).identity_level == "I0"


@pytest.mark.clause("5(2)1")
async def test_nothing_begins_before_the_identity_is_proven(core: Core, ann: Person) -> None:
    received = await asks(core, ann)

    with pytest.raises(Conflict):
        await core.database.write(requests.begin, core, OFFICER, received.id, now=NOW)

    assert (await row(core, received.id)).state == State.RECEIVED


@pytest.mark.clause("4(2)2")
@pytest.mark.parametrize("verb", [requests.begin, requests.close, proving.ask_identity])
async def test_an_agent_cannot_tell_a_request_from_one_that_is_not_there(core: Core, ann: Person, verb: object) -> None:
    received = await asks(core, ann)
    assert callable(verb)

    with pytest.raises(NotFound) as mine:
        await core.database.write(verb, core, AGENT, received.id, now=NOW)
    with pytest.raises(NotFound) as nobodys:
        await core.database.write(verb, core, AGENT, ids.new(), now=NOW)

    assert (mine.value.code, mine.value.sentence) == (nobodys.value.code, nobodys.value.sentence)


@pytest.mark.clause("5(1)3")
async def test_a_deletion_asked_for_in_a_browser_waits_a_day(core: Core, ann: Person) -> None:
    received = await asks(core, ann, Kind.DELETE)
    await core.database.write(proving.prove_identity, core, SYSTEM, received.id, Proof("order_knowledge"), now=NOW)

    with pytest.raises(Conflict):
        await core.database.write(requests.begin, core, OFFICER, received.id, now=NOW + 23 * clock.HOUR)
    await core.database.write(requests.begin, core, OFFICER, received.id, now=NOW + 24 * clock.HOUR)

    assert "nothing is deleted for a day" in (await letters(core))[0].text


@pytest.mark.clause("5(2)2")
async def test_she_takes_it_back_herself_and_another_person_cannot(core: Core, ann: Person) -> None:
    received = await asks(core, ann)
    stranger = Caller("person", ids.new(), proof="email_code", proven_ms=NOW)

    with pytest.raises(NotFound):
        await core.database.write(requests.withdraw, core, stranger, received.id, now=NOW)
    await core.database.write(requests.withdraw, core, ann.caller, received.id, now=NOW)

    assert (await row(core, received.id)).state == State.WITHDRAWN


@pytest.mark.clause("5(2)2")
async def test_a_request_is_not_closed_before_somebody_was_told(core: Core) -> None:
    guest = Caller("visitor", ids.new())
    asked = Asked(Kind.QUESTION, Channel.CHAT, guest.ref, WORDS)
    received = await requests.take(core, AGENT, asked, now=NOW)
    await core.database.write(requests.begin, core, OFFICER, received.id, now=NOW)
    await core.database.write(answering.fulfil, core, OFFICER, received.id, "Yes.", now=NOW)

    with pytest.raises(Conflict):
        await core.database.write(requests.close, core, OFFICER, received.id, now=NOW)
    await core.database.write(answering.told_otherwise, core, OFFICER, received.id, "In the chat", now=NOW)
    await core.database.write(requests.close, core, OFFICER, received.id, now=NOW)

    assert (await row(core, received.id)).state == State.CLOSED


@pytest.mark.clause("5(2)2")
async def test_closing_forgets_the_address_and_keeps_the_answer(core: Core, ann: Person) -> None:
    request_id = await begun(core, ann)
    await core.database.write(answering.fulfil, core, OFFICER, request_id, "Here it is.", now=NOW)

    await core.database.write(requests.close, core, OFFICER, request_id, now=NOW)

    stands = await row(core, request_id)
    assert (stands.reply_sealed, stands.sender_mac) == (None, None)
    assert steps.open_(core, stands, "answer") == "Here it is."


@pytest.mark.clause("5(2)2")
async def test_no_step_is_left_out_or_done_twice(core: Core, ann: Person) -> None:
    request_id = await begun(core, ann)

    with pytest.raises(Conflict):
        await core.database.write(requests.begin, core, OFFICER, request_id, now=NOW)
    with pytest.raises(Conflict):
        await core.database.write(requests.close, core, OFFICER, request_id, now=NOW)

    assert await verbs(core, request_id) == ["receive", "prove_identity", "begin"]


@pytest.mark.both_engines
@pytest.mark.clause("3(2)")
async def test_a_step_cannot_be_changed(core: Core, ann: Person) -> None:
    await asks(core, ann)

    def change(tx: Transaction) -> None:
        tx.execute(text("UPDATE rights_step SET verb = 'nothing'"))

    with pytest.raises(DBAPIError):
        await core.database.write(change)
