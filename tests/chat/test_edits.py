"""Amendments: what was revised, retracted or redacted, by whom and until when, and what is shown to nobody any more."""

import asyncio
import io
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace
from PIL import Image
from sqlalchemy import Engine, event, select, update

from chat import conversations, holdings, log, protocol, sealing
from chat.amendments import CHANGE_WITHIN_MS
from chat.audiences import Audience, Event
from chat.batches import Batches
from chat.cards import Card
from chat.conversations import Proven
from chat.drafts import AlreadyGone, TooLate
from chat.log import Ack, DifferentPayload, Draft, Outcome, Span
from chat.models import Conversation
from chat.protocol import Err, Ev, Page
from chat.statements import EVENT
from core import clock
from core.database import Transaction
from core.holdings import CopyFile, Copying, Record
from core.identity.callers import SYSTEM, Caller, Role
from core.identity.permissions import Purpose
from core.ledger import ENTRY
from core.refusals import NotFound
from core.services import Core
from media import holdings as media_holdings
from media.uploads import Media
from tests.chat.conftest import NOW, agent, draft, opened, person, queued, said, state, visitor
from tests.chat.line import House, serving
from tests.conftest import free_port

QUALITY = Purpose.P5_SECURITY_QUALITY
GONE = {"retracted": True}


def amending(chat: Conversation, sender: Caller, kind: str, of: int, **body: Any) -> Draft:  # Any: JSON values
    """A draft that amends the event with this number in the sender's counting."""
    purpose = QUALITY if kind == "redacted" else None
    return Draft(chat.id, sender, str(uuid.uuid4()), kind, {"of": of, **body}, purpose=purpose)


async def tried(core: Core, *drafts: Draft, now: int = NOW + 2) -> list[Outcome]:
    """Append the drafts as one batch, whatever comes of them."""
    return await core.database.write(log.append_batch, core, drafts, now=now)


async def seen(core: Core, chat: Conversation, audience: Audience) -> list[Event]:
    """The log as this side reads it."""
    return await core.database.read(log.read, core, await state(core, chat), audience, Span(100))


async def held_by(core: Core, chat: Conversation, ben: Caller) -> None:
    """Ben looks after the conversation: event 2."""
    await said(core, Draft(chat.id, SYSTEM, str(uuid.uuid4()), "assigned", {"to": ben.id, "name": ben.name}), now=NOW)


# ------------------------------------------------------------ who may, and until when


@pytest.mark.both_engines
async def test_a_revised_message_is_read_with_its_new_text_and_the_time_of_the_change(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "Helo"))

    (ack,) = await said(core, amending(chat, amy, "revised", 2, text="Hello"), now=NOW + 9)

    for audience in Audience:
        events = await seen(core, chat, audience)
        assert [(event.kind, event.body.get("text")) for event in events[1:]] == [
            ("message", "Hello"),
            ("revised", "Hello"),
        ]
        assert events[1].body == {"text": "Hello", "revised": NOW + 9}
    assert (ack.seq, ack.pub_seq) == (3, 3)


@pytest.mark.both_engines
async def test_a_retracted_message_is_read_without_its_text_and_so_are_its_revisions(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "canary one"), amending(chat, amy, "revised", 2, text="canary two"))

    await said(core, amending(chat, amy, "retracted", 2))

    for audience in Audience:
        events = await seen(core, chat, audience)
        assert events[1].body == GONE
        assert "canary" not in repr(events)


@pytest.mark.both_engines
async def test_of_two_revisions_only_the_last_is_read(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "canary one"))

    await said(core, amending(chat, amy, "revised", 2, text="canary two"))
    await said(core, amending(chat, amy, "revised", 2, text="Three"))

    events = await seen(core, chat, Audience.PUBLIC)
    assert events[1].body["text"] == "Three"
    assert "canary" not in repr(events)


@pytest.mark.both_engines
async def test_what_is_amended_in_the_same_batch_is_amended(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)

    acks = await said(
        core, draft(chat, amy, "One"), amending(chat, amy, "retracted", 2), draft(chat, amy, "Two"), draft(chat, amy)
    )

    assert [ack.seq for ack in acks] == [2, 3, 4, 5]
    assert (await seen(core, chat, Audience.STAFF))[1].body == GONE


@pytest.mark.both_engines
async def test_a_message_may_be_changed_for_five_minutes_of_the_servers_time(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    ack = (await said(core, draft(chat, amy), now=NOW + 1))[0]

    timely = await tried(core, amending(chat, amy, "revised", 2, text="Hi"), now=ack.ts + CHANGE_WITHIN_MS)
    late = await tried(
        core,
        amending(chat, amy, "revised", 2, text="Too late"),
        amending(chat, amy, "retracted", 2),
        now=ack.ts + CHANGE_WITHIN_MS + 1,
    )

    assert CHANGE_WITHIN_MS == 5 * 60_000
    assert isinstance(timely[0], Ack)
    assert [type(outcome) for outcome in late] == [TooLate, TooLate]
    assert (await seen(core, chat, Audience.STAFF))[1].body["text"] == "Hi"


@pytest.mark.both_engines
async def test_what_somebody_else_wrote_is_not_there_to_be_changed(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)
    await held_by(core, chat, ben)
    await said(core, draft(chat, amy, "Mine"), draft(chat, ben, "His"))

    outcomes = await tried(
        core,
        amending(chat, ben, "revised", 3, text="Not his"),
        amending(chat, ben, "retracted", 3),
        amending(chat, amy, "retracted", 4),
        amending(chat, amy, "retracted", 99),
        amending(chat, amy, "retracted", 1),
        amending(chat, amy, "redacted", 4, reason="abusive"),
        amending(chat, ben, "redacted", 3, reason="abusive"),
    )

    assert [type(outcome) for outcome in outcomes] == [NotFound] * 7
    assert isinstance((await tried(core, amending(chat, ben, "retracted", 4)))[0], Ack)
    assert isinstance((await tried(core, amending(chat, amy, "retracted", 3)))[0], Ack)


@pytest.mark.both_engines
async def test_an_agent_who_no_longer_holds_the_conversation_changes_nothing_in_it(core: Core) -> None:
    amy, ben, sue = visitor(), agent(), agent("Sue")
    chat = await opened(core, amy)
    await held_by(core, chat, ben)
    await said(core, draft(chat, ben, "His"))
    await held_by(core, chat, sue)

    outcomes = await tried(core, amending(chat, ben, "retracted", 3))

    assert isinstance(outcomes[0], NotFound)


@pytest.mark.both_engines
async def test_what_a_guest_wrote_stays_hers_to_change_once_she_has_proved_her_address(
    core: Core, media: Media
) -> None:
    amy, known = visitor(), person()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "canary"), draft(chat, amy, "Two"))
    before = amending(chat, amy, "retracted", 3)
    (first,) = await said(core, before)
    await conversations.identify(core, media, chat.id, Proven(amy, known, "amy@example.com"), now=NOW)

    (again,) = await said(core, replace(before, sender=known))
    await said(core, amending(chat, known, "retracted", 2))

    assert again == replace(first, duplicate=True)
    assert [event.body for event in await seen(core, chat, Audience.STAFF)][1:3] == [GONE, GONE]


@pytest.mark.both_engines
async def test_a_resent_retraction_gets_the_same_answer_for_ever(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "One"), draft(chat, amy, "Two"))
    retraction = amending(chat, amy, "retracted", 2)
    (first,) = await said(core, retraction)

    (again,) = await said(core, retraction, now=NOW + 10 * CHANGE_WITHIN_MS)
    other = await tried(core, replace(retraction, body={"of": 3}))

    assert again == replace(first, duplicate=True)
    assert isinstance(other[0], DifferentPayload)
    assert (await state(core, chat)).last_seq == 4


@pytest.mark.both_engines
async def test_what_is_gone_is_neither_revised_nor_retracted_again(core: Core) -> None:
    amy, sue = visitor(), agent("Sue", role=Role.SUPERVISOR)
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "One"), draft(chat, amy, "Two"))
    await said(core, amending(chat, amy, "retracted", 2), amending(chat, sue, "redacted", 3, reason="abusive"))

    outcomes = await tried(
        core,
        *(amending(chat, amy, kind, of, text="x") for kind in ("revised", "retracted") for of in (2, 3)),
        amending(chat, sue, "redacted", 3, reason="abusive"),
    )

    assert [type(outcome) for outcome in outcomes] == [AlreadyGone] * 5


@pytest.mark.both_engines
async def test_a_retraction_and_a_revision_at_once_end_in_a_retraction(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    await said(core, *(draft(chat, amy, f"canary {number}") for number in range(10)), now=clock.now())
    batches = Batches(core, lambda *_: None)
    pairs = [
        (amending(chat, amy, "retracted", of), amending(chat, amy, "revised", of, text="canary again"))
        for of in range(2, 12)
    ]

    answers = [queued(batches, each) for pair in pairs for each in (pair if pair[0].body["of"] % 2 else pair[::-1])]
    outcomes = await asyncio.gather(*answers, return_exceptions=True)
    await batches.finish()

    events = await seen(core, chat, Audience.PUBLIC)
    assert {type(outcome) for outcome in outcomes} == {Ack, AlreadyGone}
    assert [event.body for event in events[1:11]] == [GONE] * 10
    assert "canary" not in repr(events)


# ------------------------------------------------------------ notes


@pytest.mark.both_engines
async def test_what_amends_a_note_is_for_staff_though_somebody_gave_it_a_public_number(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)
    await held_by(core, chat, ben)
    await said(core, draft(chat, ben, "Lost", kind="note"), draft(chat, ben, "Lost too", kind="note"))

    acks = await said(core, amending(chat, ben, "revised", 3, text="Found"), amending(chat, ben, "retracted", 4))
    await core.database.write(lambda tx: tx.execute(update(EVENT).where(EVENT.c.seq == 5).values(pub_seq=3)))

    assert [ack.pub_seq for ack in acks] == [None, None]
    assert [event.kind for event in await seen(core, chat, Audience.PUBLIC)] == ["opened", "assigned"]
    staff = await seen(core, chat, Audience.STAFF)
    assert [event.body.get("text") for event in staff[2:]] == ["Found", None, "Found", None]
    assert (await state(core, chat)).last_pub_seq == 2


@pytest.mark.both_engines
async def test_a_shopper_cannot_touch_a_note_whatever_number_she_tries(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)
    await said(core, draft(chat, ben, "Lost", kind="note"))
    await core.database.write(lambda tx: tx.execute(update(EVENT).where(EVENT.c.seq == 2).values(pub_seq=2)))

    outcomes = await tried(core, *(amending(chat, amy, "retracted", number) for number in (2, 3)))

    assert [type(outcome) for outcome in outcomes] == [NotFound, NotFound]


# ------------------------------------------------------------ redaction


@pytest.mark.both_engines
@pytest.mark.clause("3(2)")
async def test_a_redaction_beats_everything_and_stands_in_the_ledger(core: Core) -> None:
    amy, sue = visitor(), agent("Sue", role=Role.SUPERVISOR)
    chat = await opened(core, amy)
    await said(
        core,
        draft(chat, amy, "canary"),
        amending(chat, amy, "revised", 2, text="canary too"),
        amending(chat, amy, "retracted", 2),
    )

    redaction = amending(chat, sue, "redacted", 2, reason="third_party_data", text="Somebody's address")
    await said(core, redaction, redaction, now=NOW + 10 * CHANGE_WITHIN_MS)

    events = await seen(core, chat, Audience.PUBLIC)
    assert events[1].body == {"redacted": True, "reason": "third_party_data", "text": "Somebody's address"}
    assert "canary" not in repr(events)
    entries = await core.database.read(
        lambda tx: tx.execute(select(ENTRY).where(ENTRY.c.action == "message.redact")).all()
    )
    assert [(entry.actor, entry.object_id, entry.purpose, entry.reason) for entry in entries] == [
        (sue.ref, chat.id, QUALITY, "third_party_data")
    ]


@pytest.mark.clause("3(2)")
async def test_without_a_purpose_nothing_is_redacted(core: Core) -> None:
    amy, sue = visitor(), agent("Sue", role=Role.SUPERVISOR)
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "Hello"))
    redaction = amending(chat, sue, "redacted", 2, reason="abusive")

    without, with_purpose = await tried(core, replace(redaction, purpose=None), redaction)

    assert isinstance(without, NotFound)
    assert isinstance(with_purpose, Ack)


# ------------------------------------------------------------ cards, clock, chain, copies


async def card(core: Core) -> Card:
    """The only card of the inbox."""
    (found,) = await core.database.read(conversations.inbox, core, agent(), now=NOW)
    return found


@pytest.mark.both_engines
async def test_a_card_shows_what_is_left_of_its_last_line(core: Core) -> None:
    amy, sue = visitor(), agent("Sue", role=Role.SUPERVISOR)
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "canary"))

    await said(core, amending(chat, amy, "revised", 2, text="Hello"))
    revised = await card(core)
    await said(core, amending(chat, amy, "retracted", 2))
    retracted = await card(core)
    await said(core, amending(chat, sue, "redacted", 2, reason="abusive"))
    redacted = await card(core)

    lines = [each.last for each in (revised, retracted, redacted)]
    assert [(line.kind, line.text) for line in lines if line] == [
        ("message", "Hello"),
        ("retracted", ""),
        ("redacted", ""),
    ]
    assert (revised.unread, retracted.unread) == (1, 0)


async def test_what_amends_a_page_or_a_card_is_found_without_reading_the_whole_log(core: Core) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "One"))
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, sql: str, values: Any, *_: object) -> None:  # Any: as the driver
        if "target_seq BETWEEN" in sql:
            asked.append((sql, values))

    event.listen(Engine, "before_cursor_execute", note)
    await seen(core, chat, Audience.PUBLIC)
    await card(core)
    await said(core, amending(chat, amy, "retracted", 2))
    event.remove(Engine, "before_cursor_execute", note)

    def explain(tx: Transaction) -> list[list[str]]:
        explained = [tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values) for sql, values in asked]
        return [[row[3] for row in rows] for rows in explained]

    plans = await core.database.read(explain)
    assert len(plans) >= 5
    assert [plan for plan in plans if not any("event_by_target" in step for step in plan)] == []


@pytest.mark.both_engines
async def test_nobody_waits_for_an_answer_to_what_was_taken_back(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)
    await held_by(core, chat, ben)
    for number in range(3):
        await said(core, draft(chat, amy, f"Question {number}"), now=NOW + 10 + number)

    async def since(sender: Caller, of: int) -> int | None:
        await said(core, amending(chat, sender, "retracted", of), now=NOW + 20)
        return (await state(core, chat)).waiting_since_ms

    assert await since(amy, 3) == NOW + 11
    assert await since(amy, 5) == NOW + 11
    await said(core, draft(chat, ben, "Wrong window"), now=NOW + 30)
    assert (await state(core, chat)).waiting_since_ms is None
    assert await since(ben, 8) == NOW + 11
    assert await since(amy, 4) is None


@pytest.mark.both_engines
async def test_taking_back_a_line_from_before_the_answer_starts_no_clock(core: Core) -> None:
    amy, ben = visitor(), agent()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "One"), draft(chat, amy, "Two"), draft(chat, ben, "Answer"))

    await said(core, amending(chat, amy, "retracted", 2))

    assert (await state(core, chat)).waiting_since_ms is None


@pytest.mark.both_engines
@pytest.mark.clause("2(4)")
@pytest.mark.parametrize("changed", [{"target_seq": 3}, {"target_seq": None}, {"target_seq": 2**40}])
async def test_an_amendment_turned_to_another_event_breaks_the_chain_and_amends_nothing(
    core: Core, changed: dict[str, int | None]
) -> None:
    amy = visitor()
    chat = await opened(core, amy)
    await said(core, draft(chat, amy, "One"), draft(chat, amy, "Two"), amending(chat, amy, "retracted", 2))
    whole = await core.database.read(log.rows_of, chat.id)
    await core.database.write(lambda tx: tx.execute(update(EVENT).where(EVENT.c.seq == 4).values(changed)))

    rows = await core.database.read(log.rows_of, chat.id)
    events = await seen(core, chat, Audience.STAFF)

    assert sealing.first_broken(core.settings.tenant, chat.id, whole) is None
    assert sealing.first_broken(core.settings.tenant, chat.id, rows) == 4
    assert events[2].body == {"text": "Two"}
    assert events[3].body == {"unavailable": True}


@pytest.mark.both_engines
@pytest.mark.clause("5(1)2")
async def test_her_copy_holds_what_she_took_back_and_nothing_that_was_redacted(core: Core) -> None:
    amy, ben, sue = person(), agent(), agent("Sue", role=Role.SUPERVISOR)
    chat = await opened(core, amy)
    await held_by(core, chat, ben)
    await said(
        core,
        draft(chat, amy, "First"),
        draft(chat, amy, "Second"),
        draft(chat, amy, "canary of hers"),
        draft(chat, ben, "canary of his"),
        draft(chat, ben, "canary note", kind="note"),
    )
    await said(
        core,
        amending(chat, amy, "revised", 3, text="First, better"),
        amending(chat, amy, "retracted", 4),
        amending(chat, amy, "revised", 5, text="canary again"),
        amending(chat, sue, "redacted", 5, reason="sensitive_data"),
        amending(chat, ben, "retracted", 6),
        amending(chat, ben, "revised", 7, text="canary note again"),
    )
    holding = holdings.holding(core)

    def export(tx: Transaction) -> list[Record]:
        parts = holding.export(Copying(tx, core.vault, core.policy, amy.ref, "en"))
        return [part for part in parts if isinstance(part, Record)]

    lines = [dict(part.fields) for part in (await core.database.read(export))[3:]]

    assert "canary" not in repr(lines)
    assert [line["text"] for line in lines] == ["First", "Second", "", "", "First, better", "", "", "", ""]
    assert lines[0]["revised_ms"] == NOW + 1
    assert lines[1]["retracted"] is True
    assert (lines[2]["redacted"], lines[2]["reason"]) == (True, "sensitive_data")
    assert [line.get("revision_of") for line in lines[4:]] == [3, 4, 5, 5, 6]


# ------------------------------------------------------------ live


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        yield house


async def test_both_sides_hear_of_an_amendment_each_in_its_own_counting(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben, subs={chat.id: {}}) as his:
        await his.send(chat, "Looks lost", k="note")
        await his.events(2)
        await hers.send(chat, "Helo")
        await hers.events(2)
        m = await hers.send(chat, k="revised", b={"of": 2, "text": "Hello"})
        await hers.send(chat, k="retracted", b={"of": 2})
        ours, theirs = await his.events(5), await hers.events(4)

    assert [(event.s, event.k, event.b["of"]) for event in theirs[2:]] == [(3, "revised", 2), (4, "retracted", 2)]
    assert [(event.s, event.k, event.b["of"]) for event in ours[3:]] == [(4, "revised", 3), (5, "retracted", 3)]
    assert theirs[2].m == m
    assert theirs[3].b == {"of": 2}


async def test_what_amends_a_note_never_reaches_the_shopper(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    await house.core.database.write(
        conversations.assign, house.core, Caller("staff", ben.id, role=Role.AGENT), chat.id, ben.id, now=clock.now()
    )

    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben, subs={chat.id: {}}) as his:
        await his.send(chat, "canary", k="note")
        await his.events(3)
        await his.send(chat, k="revised", b={"of": 3, "text": "canary two"})
        await his.send(chat, k="retracted", b={"of": 3})
        await his.send(chat, "Hello")
        ours, theirs = await his.events(6), await hers.events(3)
        await hers.say(t="get", c=chat.id, before=10**6)
        page = await hers.until(Page)
        async with house.browser(amy) as http:
            history = (await http.get(f"/chat/conversations/{chat.id}/events")).text

    assert [event.k for event in ours] == ["opened", "assigned", "note", "revised", "retracted", "message"]
    assert [event.k for event in theirs[:3]] == ["opened", "assigned", "message"]
    assert (page.first, page.last) == (1, 3)
    assert "canary" not in repr(hers.frames) + history
    assert "revised" not in history


async def test_who_was_away_gets_the_amendment_and_who_was_not_there_never_the_original(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben, subs={chat.id: {}}) as his:
        await hers.send(chat, "canary")
        before = await his.events(2)
        await hers.events(2)

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat, k="retracted", b={"of": 2})
        await hers.until(Ev, lambda event: event.k == "retracted")
        async with house.connect(ben, subs={chat.id: {"cur": 2, "ep": chat.epoch}}) as back:
            after = await back.events(3)
        async with house.connect(ben, subs={chat.id: {}}) as new:
            fresh = await new.events(3)
            await new.say(t="get", c=chat.id, before=10**6)
            await new.until(Page)

    assert [event.b for event in before[1:]] == [{"text": "canary"}]
    assert [(event.s, event.k, event.b) for event in after] == [(3, "retracted", {"of": 2})]
    assert [event.b for event in fresh[1:]] == [GONE, {"of": 2}]
    assert "canary" not in repr(new.frames) + repr(back.frames)


async def test_a_room_gives_nobody_what_was_taken_back_not_even_who_is_behind(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat, "canary")
        await hers.send(chat, k="revised", b={"of": 2, "text": "canary two"})
        await hers.events(3)
        room = house.chat.rooms[chat.id]
        held = await room.after(Audience.PUBLIC, 1)
        await hers.send(chat, k="retracted", b={"of": 2})
        await hers.events(4)
        behind = {cursor: await room.after(Audience.PUBLIC, cursor) for cursor in range(4)}

    assert "canary" in repr(held)
    assert "canary" not in repr(behind)
    for cursor, page in behind.items():
        assert [number for number, _ in page] == list(range(cursor + 1, 5))
    assert [_body(text) for _, text in behind[1]] == [GONE, {"of": 2}, {"of": 2}]


def _body(text: str) -> dict[str, Any]:  # Any: JSON values
    (frame,) = protocol.read_server(text)
    assert isinstance(frame, Ev)
    return frame.b


async def test_who_reads_the_log_while_something_is_taken_back_gets_what_is_left(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat, "canary")
        await hers.events(2)
        room = house.chat.rooms[chat.id]
        await hers.send(chat, k="revised", b={"of": 2, "text": "canary two"})
        await hers.events(3)
        reads, asked, go_on = room._read_events, asyncio.Event(), asyncio.Event()

        async def slow(*place: Any) -> list[Event]:  # Any: as the room calls it
            events = await reads(*place)
            if not asked.is_set():
                asked.set()
                await go_on.wait()
            return events

        monkeypatch.setattr(room, "_read_events", slow)
        page = asyncio.create_task(room.after(Audience.PUBLIC, 1))
        await asyncio.wait_for(asked.wait(), 10)
        await hers.send(chat, k="retracted", b={"of": 2})
        await hers.events(4)
        go_on.set()
        got = await page

    assert "canary" not in repr(got)
    assert [number for number, _ in got] == [2, 3, 4]


async def test_a_retraction_of_another_process_whose_hint_was_lost_is_known_to_a_new_reader(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    caller = Caller("visitor", amy.id, name="Visitor", sign_in=amy.sign_in)

    async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(ben, subs={chat.id: {}}) as his:
        await hers.send(chat, "canary")
        await hers.events(2)
        await his.events(2)
        lost = [amending(chat, caller, "retracted", 2)]
        await house.core.database.write(log.append_batch, house.core, lost, lambda *_: None, now=clock.now())
        async with house.connect(ben, subs={chat.id: {}}) as new:
            events = await new.events(3)

    assert [event.b for event in events[1:]] == [GONE, {"of": 2}]
    assert "canary" not in repr(new.frames)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"of": 99}, "not_found"),
        ({"of": 0}, "not_found"),
        ({"of": 2**70}, "not_found"),
        ({"of": "2"}, "bad_body"),
        ({}, "bad_body"),
    ],
)
async def test_a_retraction_that_names_nothing_is_refused(house: House, body: dict[str, Any], code: str) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat, k="retracted", b=body)
        err = await hers.until(Err)

    assert (err.code, err.retry) == (code, "no")


@pytest.mark.clause("2(3)")
async def test_a_card_number_in_a_revision_is_reduced_before_it_is_stored(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.send(chat, "My card")
        await hers.events(2)
        m = await hers.send(chat, k="revised", b={"of": 2, "text": "My card is 4111 1111 1111 1111"})
        ack = await hers.until(protocol.Ack, lambda ack: ack.m == m)
        events = await hers.events(3)

    assert ack.masked == 1
    assert "4111 1111" not in repr(events)


async def test_a_supervisor_redacts_over_the_socket_for_the_purpose_she_opened_it_for(house: House) -> None:
    amy, ben, sue = await house.guest(), await house.member("ben"), await house.member("sue", Role.SUPERVISOR)
    chat = await house.conversation(amy)
    redaction = {"of": 2, "reason": "abusive"}

    async with (
        house.connect(amy, subs={chat.id: {}}) as hers,
        house.connect(ben, subs={chat.id: {}}) as his,
        house.connect(sue, subs={chat.id: {"purpose": QUALITY}}) as theirs,
    ):
        await hers.send(chat, "canary")
        await his.events(2)
        await his.send(chat, k="redacted", b=redaction)
        refused = await his.until(Err)
        await theirs.send(chat, k="redacted", b={**redaction, "reason": "because"})
        unreasoned = await theirs.until(Err)
        await theirs.send(chat, k="redacted", b=redaction)
        event = (await hers.events(3))[-1]

    assert (refused.code, unreasoned.code) == ("not_found", "bad_reason")
    assert (event.k, event.b) == ("redacted", redaction)


async def test_a_supervisor_without_a_socket_redacts_for_the_purpose_she_names(house: House) -> None:
    amy, sue = await house.guest(), await house.member("sue", Role.SUPERVISOR)
    chat = await house.conversation(amy)
    redaction = {"t": "send", "c": chat.id, "k": "redacted", "b": {"of": 2, "reason": "abusive"}}
    await house.post(amy, {"t": "send", "c": chat.id, "m": str(uuid.uuid4()), "k": "message", "b": {"text": "canary"}})

    (refused,) = await house.post(sue, redaction | {"m": str(uuid.uuid4()), "purpose": "P9_CURIOSITY"})
    (ack,) = await house.post(sue, redaction | {"m": str(uuid.uuid4()), "purpose": QUALITY})

    assert isinstance(refused, Err)
    assert (refused.code, type(ack)) == ("purpose_refused", protocol.Ack)
    assert await house.core.database.read(_purposes, "message.redact") == [QUALITY]


def _purposes(tx: Transaction, action: str) -> list[str]:
    return [row.purpose for row in tx.execute(ENTRY.select().where(ENTRY.c.action == action))]


@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR])
async def test_a_client_is_told_for_how_long_its_reader_may_change_what_she_wrote(house: House, role: Role) -> None:
    member = await house.member("ben", role)

    async with house.connect(member) as his:
        welcome = his.got(protocol.Welcome)[0]

    assert welcome.limits["change_ms"] == (CHANGE_WITHIN_MS if role is Role.AGENT else 0)


# ------------------------------------------------------------ files


def picture() -> bytes:
    """A small PNG."""
    made = io.BytesIO()
    Image.new("RGB", (64, 48), "tomato").save(made, "PNG")
    return made.getvalue()


@pytest.mark.clause("5(1)2")
@pytest.mark.parametrize("how", ["retracted", "redacted"])
async def test_a_picture_that_is_gone_is_served_to_nobody_and_only_its_own_sender_has_it_in_her_copy(
    house: House, media: Media, how: str
) -> None:
    amy, ben, sue = await house.guest(), await house.member("ben"), await house.member("sue", Role.SUPERVISOR)
    chat = await house.conversation(amy)
    upload = f"/chat/conversations/{chat.id}/media/{uuid.uuid4()}?name=cup.png"

    async with house.browser(amy) as mine, house.browser(ben) as theirs:
        sent = await mine.put(upload, content=picture(), headers={"Content-Type": "image/png"})
        attachment = sent.json()["id"]
        async with house.connect(amy, subs={chat.id: {}}) as hers, house.connect(sue, subs={chat.id: {}}) as boss:
            await hers.send(chat, k="media", b={"attachment": attachment, "text": "My cup"})
            await hers.events(2)
            before = [(await http.get(f"/media/{attachment}/view")).status_code for http in (mine, theirs)]
            if how == "retracted":
                await hers.send(chat, k="retracted", b={"of": 2})
            else:
                await boss.send(chat, k="redacted", b={"of": 2, "reason": "sensitive_data"})
            await hers.events(3)
            after = [
                (await http.get(f"/media/{attachment}/{variant}")).status_code
                for http in (mine, theirs)
                for variant in ("view", "thumb", "original")
            ]

    def copied(tx: Transaction) -> list[str]:
        copying = Copying(tx, house.core.vault, house.core.policy, amy.ref, "en")
        return [file.name for file in media_holdings.holding(media).export(copying) if isinstance(file, CopyFile)]

    assert before == [200, 200]
    assert after == [404] * 6
    assert await house.core.database.read(copied) == ([f"{attachment}.png"] if how == "retracted" else [])
    public = await seen(house.core, chat, Audience.PUBLIC)
    assert attachment not in repr([event.body for event in public])
