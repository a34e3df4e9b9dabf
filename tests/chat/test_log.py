"""The log: numbers, retries, order, audiences, sealing; on both engines."""

import asyncio
import uuid
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import Row, insert, select, update

from chat import conversations, log, sealing
from chat.audiences import Audience
from chat.batches import Batches
from chat.conversations import Proven
from chat.log import Ack, DifferentPayload, Draft, OutOfOrder, Span, Stale
from chat.statements import CONVERSATION, EVENT
from core.clock import DAY
from core.database import Transaction
from core.refusals import Invalid, NotFound
from core.services import Core
from media.uploads import Media
from tests.chat.conftest import NOW, agent, draft, opened, person, queued, said, state, visitor

pytestmark = pytest.mark.both_engines


async def test_numbers_are_dense_in_both_countings(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)

    acks = await said(core, draft(chat, amy), draft(chat, ben, kind="note"), draft(chat, ben))

    assert [ack.seq for ack in acks] == [2, 3, 4]
    assert [ack.pub_seq for ack in acks] == [2, None, 3]


async def test_a_resend_gets_the_same_answer_for_ever(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    hello = draft(chat, amy)
    first = (await said(core, hello))[0]

    again = (await said(core, hello, now=NOW + DAY))[0]

    assert again == replace(first, duplicate=True)


async def test_a_resend_in_the_same_batch_is_stored_once(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    hello = draft(chat, amy)

    first, again = await said(core, hello, hello)

    assert again == replace(first, duplicate=True)
    assert (await state(core, chat)).last_seq == 2


async def test_an_id_used_for_another_text_is_a_conflict(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    hello = draft(chat, amy)
    await said(core, hello)

    outcome = await core.database.write(log.append_batch, core, [replace(hello, body={"text": "No"})], now=NOW)

    assert isinstance(outcome[0], DifferentPayload)


async def test_the_same_id_of_two_people_is_two_messages(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)
    name = str(uuid.uuid4())

    acks = await said(core, draft(chat, amy, client_id=name), draft(chat, ben, client_id=name))

    assert [ack.seq for ack in acks] == [2, 3]


async def test_a_message_whose_predecessor_is_missing_stores_nothing(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    first = draft(chat, amy)
    second = draft(chat, amy, after=first.client_id)

    outcome = await core.database.write(log.append_batch, core, [second], now=NOW)
    acks = await said(core, first, second)

    assert isinstance(outcome[0], OutOfOrder)
    assert [ack.seq for ack in acks] == [2, 3]


async def test_an_answer_to_what_was_not_read_is_stale(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "One"), draft(chat, amy, "Two"))

    late, timely = await core.database.write(
        log.append_batch, core, [draft(chat, ben, seen=2), draft(chat, ben, seen=3)], now=NOW
    )

    assert isinstance(late, Stale)
    assert late.fields["seq"] == 3
    assert isinstance(timely, Ack)


async def test_notes_and_own_messages_make_nothing_stale(core: Core) -> None:
    amy, ben, cai = visitor(), agent(), agent("Cai")
    chat = await opened(core, amy)
    await said(core, draft(chat, amy), draft(chat, ben), draft(chat, cai, kind="note"))

    acks = await said(core, draft(chat, cai, kind="note"), draft(chat, ben, seen=2))

    assert acks[1].seq == 6


async def test_an_outbox_survives_proving_an_address(core: Core, media: Media) -> None:
    amy, known = visitor(), person()
    chat = await opened(core, amy)
    hello = draft(chat, amy)
    first = (await said(core, hello))[0]
    await conversations.identify(core, media, chat.id, Proven(amy, known, "amy@example.com"), now=NOW)

    again = (await said(core, replace(hello, sender=known)))[0]

    assert again == replace(first, duplicate=True)


async def test_a_refused_draft_fails_alone(core: Core) -> None:
    amy, eve = visitor(), visitor()
    chat = await opened(core, amy)

    def refuse(*_: object) -> dict[str, object]:
        raise Invalid("gone", "That picture is gone.")

    outcomes = await core.database.write(
        log.append_batch,
        core,
        [draft(chat, amy), draft(chat, eve), draft(chat, amy, prepare=refuse), draft(chat, amy)],
        now=NOW,
    )

    assert [type(outcome) for outcome in outcomes] == [Ack, NotFound, Invalid, Ack]
    assert (await state(core, chat)).last_seq == 3


async def test_a_draft_that_breaks_the_database_fails_alone(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    batches = Batches(core, lambda *_: None)
    good = [draft(chat, amy, f"Message {number}") for number in range(4)]
    poison = Draft(chat.id, amy, str(uuid.uuid4()), "message", {"text": "x"}, prepare=_poison)

    futures = [queued(batches, each) for each in (*good[:2], poison, *good[2:])]
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    await batches.finish()

    assert [isinstance(outcome, Ack) for outcome in outcomes] == [True, True, False, True, True]
    assert (await state(core, chat)).last_seq == 5


def _poison(tx: Transaction, _: dict[str, object]) -> dict[str, object]:
    tx.execute(insert(CONVERSATION).values(id="incomplete"))
    return {}


async def test_many_writers_of_many_conversations_leave_dense_logs(core: Core) -> None:
    people = [visitor() for _ in range(5)]
    chats = [await opened(core, each) for each in people]
    batches = Batches(core, lambda *_: None)

    futures = [queued(batches, draft(chat, who)) for _ in range(20) for chat, who in zip(chats, people, strict=True)]
    acks = await asyncio.gather(*futures)
    await batches.finish()

    for chat in chats:
        stored = await core.database.read(_numbers, chat.id)
        assert stored == list(range(1, 22))
    assert sorted(ack.seq for ack in acks) == sorted(list(range(2, 22)) * 5)


def _numbers(tx: Transaction, conversation_id: str) -> list[int]:
    statement = select(EVENT.c.seq).where(EVENT.c.conversation_id == conversation_id).order_by(EVENT.c.seq)
    return list(tx.execute(statement).scalars())


async def test_staff_read_everything_and_the_shopper_no_note(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "Where is it?"), draft(chat, ben, "Looks lost", kind="note"), draft(chat, ben))
    row = await state(core, chat)

    staff = await core.database.read(log.read, core, row, Audience.STAFF, Span(50))
    public = await core.database.read(log.read, core, row, Audience.PUBLIC, Span(50))

    assert [event.kind for event in staff] == ["opened", "message", "note", "message"]
    assert [event.kind for event in public] == ["opened", "message", "message"]
    assert [event.pub_seq for event in public] == [1, 2, 3]


async def test_a_note_stays_hidden_though_somebody_gave_it_a_public_number(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)
    await said(core, draft(chat, ben, "Looks lost", kind="note"))
    await core.database.write(lambda tx: tx.execute(update(EVENT).where(EVENT.c.kind == "note").values(pub_seq=2)))

    public = await core.database.read(log.read, core, await state(core, chat), Audience.PUBLIC, Span(50))

    assert [event.kind for event in public] == ["opened"]


async def test_history_is_read_backwards_in_pages(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    await said(core, *(draft(chat, amy, f"Message {number}") for number in range(9)))

    page = await core.database.read(log.read, core, await state(core, chat), Audience.PUBLIC, Span(3, before=8))

    assert [event.seq for event in page] == [5, 6, 7]


@pytest.mark.clause("3(1)")
async def test_nothing_that_was_written_lies_in_a_row(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy, topic="canary topic")
    await said(core, draft(chat, amy, "canary message"))

    events = await core.database.read(lambda tx: tx.execute(select(EVENT)).all())
    rows = await core.database.read(lambda tx: tx.execute(select(CONVERSATION)).all())

    assert "canary" not in repr(events) + repr(rows)


@pytest.mark.clause("3(1)")
@pytest.mark.parametrize(
    "changed", [{"sender": "visitor:" + 32 * "0"}, {"created_ms": NOW + 5}, {"kind": "note"}, {"kind": "media"}]
)
async def test_a_changed_row_does_not_open_and_hides_no_other(core: Core, changed: dict[str, object]) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "One"), draft(chat, amy, "Two"))
    await core.database.write(lambda tx: tx.execute(update(EVENT).where(EVENT.c.seq == 2).values(changed)))

    events = await core.database.read(log.read, core, await state(core, chat), Audience.STAFF, Span(50))

    assert [event.body for event in events[1:]] == [{"unavailable": True}, {"text": "Two"}]


@pytest.mark.clause("2(4)")
async def test_the_chain_shows_a_missing_or_changed_row(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    await said(core, *(draft(chat, amy, f"Message {number}") for number in range(4)))
    rows = await core.database.read(_rows, chat.id)
    tenant = core.settings.tenant

    swapped = [rows[0], rows[2], rows[1], *rows[3:]]

    assert sealing.first_broken(tenant, chat.id, rows) is None
    assert sealing.first_broken(tenant, chat.id, rows[:2] + rows[3:]) == 3
    assert sealing.first_broken(tenant, chat.id, swapped) == 2
    assert (await state(core, chat)).chain_hash == rows[-1].chain_hash


def _rows(tx: Transaction, conversation_id: str) -> list[Row[Any]]:  # Any: rows of the whole table
    return log.rows_of(tx, conversation_id)


async def test_time_never_runs_backwards_inside_a_log(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy), now=NOW + 60_000)

    ack = (await said(core, draft(chat, amy), now=NOW + 1))[0]

    assert ack.ts == NOW + 60_000


@pytest.mark.clause("5(1)3")
async def test_an_expired_conversation_takes_nothing_more(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    expiry = (await state(core, chat)).expires_ms

    outcome = await core.database.write(log.append_batch, core, [draft(chat, amy)], now=expiry)

    assert isinstance(outcome[0], NotFound)


async def test_an_agent_who_lost_the_conversation_writes_nothing_more(core: Core) -> None:
    amy, ben, sue = visitor(), agent(), agent("Sue")
    chat = await opened(core, amy)
    await said(core, Draft(chat.id, ben, str(uuid.uuid4()), "assigned", {"to": ben.id, "name": ben.name}))

    theirs, his = await core.database.write(log.append_batch, core, [draft(chat, sue), draft(chat, ben)], now=NOW)

    assert isinstance(theirs, NotFound)
    assert isinstance(his, Ack)
