"""The way without a socket: the same conversations, numbers, rights and limits over plain HTTP."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update

from chat import conversations, protocol
from chat.models import Conversation
from chat.outlet import MESSAGE_BYTES
from chat.presence import MOST_AT_ONCE
from chat.protocol import Ack, Bye, Err, Ev, Gone, Page, Reset, State, SubOk, Tops, TypingNow, Welcome
from chat.reader import Reader
from chat.statements import CONVERSATION
from chat.watching import Room
from core import clock
from core.database import Transaction
from core.hub import ACCESS, EPOCH, SIGN_OUT, hint
from core.identity.callers import Caller, Role
from core.identity.models import SignIn
from core.identity.permissions import Purpose
from core.ledger import ENTRY
from core.services import Core
from media.uploads import Media
from tests.chat.line import House, SignedIn, serving
from tests.conftest import free_port

F = TypeVar("F")
LONG_MS = 20_000


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        yield house


def message(chat: Conversation, text: str = "Hello", **fields: Any) -> dict[str, Any]:  # Any: a frame as JSON
    return {"t": "send", "c": chat.id, "m": str(uuid.uuid4()), "k": "message", "b": {"text": text}} | fields


def at(chat: Conversation, cursor: int, **fields: Any) -> dict[str, Any]:  # Any: cursors as JSON
    return {chat.id: {"cur": cursor, "ep": chat.epoch} | fields}


def of(kind: type[F], frames: list[protocol.ServerFrame]) -> list[F]:
    return [frame for frame in frames if isinstance(frame, kind)]


def numbers(frames: list[protocol.ServerFrame]) -> list[int]:
    return [event.s for event in of(Ev, frames)]


async def watching(house: House, chat: Conversation) -> None:
    """Until somebody waits in the room."""
    async with asyncio.timeout(5):
        while not (room := house.chat.rooms.get(chat.id)) or not room.watchers:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_poll_without_a_cursor_gives_what_a_socket_gives(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    await house.post(amy, message(chat, "Where is my parcel?"))

    polled = await house.poll(amy, {chat.id: {}}, LONG_MS)
    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.events(2)

    assert of(SubOk, polled) == hers.got(SubOk)
    assert of(Ev, polled) == hers.got(Ev)
    assert polled[-1] == Tops({chat.id: (chat.epoch, 2)})


@pytest.mark.parametrize("kind", ["guest", "agent"])
async def test_a_poll_that_asks_for_it_is_welcomed_as_a_socket_is(house: House, kind: str) -> None:
    amy = await house.guest() if kind == "guest" else await house.member("ben")
    side = "shopper" if kind == "guest" else "staff"

    async with house.browser(amy) as http:
        answer = await http.post("/chat/poll", json={"as": side, "subs": {}, "wait_ms": 0, "greet": True})
    async with house.connect(amy) as hers:
        (welcome,) = hers.got(Welcome)

    greeted, tops = protocol.read_server(answer.text)
    assert isinstance(greeted, Welcome)
    assert (greeted.me, greeted.limits, greeted.hb) == (welcome.me, welcome.limits, welcome.hb)
    assert abs(greeted.now - welcome.now) < 60_000
    assert tops == Tops({})


async def test_what_is_sent_is_acknowledged_when_it_is_stored_and_a_resend_is_answered_alike(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    first = message(chat, "One")
    second = message(chat, "Two", after=first["m"])

    acks = of(Ack, await house.post(amy, first, second))
    again = of(Ack, await house.post(amy, first, second))

    assert [(ack.m, ack.s, ack.dup) for ack in acks] == [(first["m"], 2, False), (second["m"], 3, False)]
    assert [(ack.m, ack.s, ack.dup) for ack in again] == [(first["m"], 2, True), (second["m"], 3, True)]
    assert numbers(await house.poll(amy, at(chat, 1))) == [2, 3]


async def test_the_refusals_are_those_of_the_socket(house: House) -> None:
    amy, eve = await house.guest(), await house.guest()
    chat = await house.conversation(amy)

    sent = message(chat, "Yes")
    await house.post(amy, sent)
    answers = await house.post(
        amy, sent | {"b": {"text": "No"}}, message(chat, after=str(uuid.uuid4())), message(chat, k="note")
    )
    hers = await house.post(eve, message(chat), {"t": "get", "c": chat.id}, {"t": "read", "c": chat.id, "upto": 1})

    assert [(err.code, err.retry) for err in of(Err, answers)] == [
        ("conflict", "no"),
        ("order", "order"),
        ("bad_kind", "no"),
    ]
    assert [type(each) for each in hers] == [Err, Gone, Gone]
    assert of(Err, hers)[0].code == "not_found"


async def test_a_waiting_poll_is_answered_by_the_message_it_waits_for(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    waiting = asyncio.create_task(house.poll(amy, at(chat, 1), LONG_MS))
    await watching(house, chat)
    await house.post(ben, message(chat, "On its way"))
    got = await waiting

    assert [type(frame) for frame in got if not isinstance(frame, State)] == [SubOk, Ev, Tops]
    assert of(Ev, got)[0].b == {"text": "On its way"}


async def test_a_message_committed_in_another_process_ends_the_wait_by_its_hint(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    async with serving(house.core, house.chat.media, free_port()) as other:
        waiting = asyncio.create_task(house.poll(amy, at(chat, 1), LONG_MS))
        await watching(house, chat)
        await other.post(amy, message(chat))
        got = await waiting

    assert numbers(got) == [2]


async def test_a_poll_that_waits_for_nothing_gets_only_the_tops(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    got = await house.poll(amy, at(chat, 1), 50)

    assert got == [Tops({chat.id: (chat.epoch, 1)})]
    assert house.chat.rooms == {}


async def test_marks_and_typing_end_a_wait(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    waiting = asyncio.create_task(house.poll(amy, at(chat, 1), LONG_MS))
    await watching(house, chat)
    await house.post(ben, {"t": "typing", "c": chat.id})
    typing = await waiting
    waiting = asyncio.create_task(house.poll(amy, at(chat, 1), LONG_MS))
    await watching(house, chat)
    await house.post(ben, {"t": "read", "c": chat.id, "upto": 1})
    mark = await waiting

    assert of(TypingNow, typing)[0].who.name in ("", "Ben")
    assert of(TypingNow, typing)[0].who.ref == "agent"
    assert [state.data["upto"] for state in of(State, mark) if state.what == "read"] == [1]


async def test_a_mark_that_moves_between_two_polls_is_not_missed(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    (known,) = of(SubOk, await house.poll(amy, {chat.id: {}}))
    await house.post(ben, {"t": "rcvd", "c": chat.id, "upto": 1})

    got = await house.poll(amy, at(chat, 1, marks=known.marks), LONG_MS)
    (now_known,) = of(SubOk, got)
    nothing = await house.poll(amy, at(chat, 1, marks=now_known.marks), 50)

    assert [state.data["upto"] for state in of(State, got) if state.what == "received"] == [1]
    assert [type(frame) for frame in nothing] == [Tops]


async def test_a_cursor_of_another_log_is_reset(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    other = await house.poll(amy, {chat.id: {"cur": 1, "ep": "0" * 16}}, LONG_MS)
    ahead = await house.poll(amy, at(chat, 9), LONG_MS)

    assert [reset.why for reset in of(Reset, other) + of(Reset, ahead)] == ["epoch", "ahead"]
    assert (numbers(other), numbers(ahead)) == ([1], [1])


async def test_a_long_log_comes_in_pages_that_meet(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    for _ in range(4):
        await house.post(amy, *(message(chat, "x" * 2_500) for _ in range(20)))

    cursor, pages = 1, []
    while cursor < 81:
        got = of(Ev, await house.poll(amy, at(chat, cursor)))
        pages.append(got)
        cursor = got[-1].s

    assert [event.s for page in pages for event in page] == list(range(2, 82))
    assert max(sum(len(protocol.write(event)) for event in page) for page in pages) <= 65_536
    assert len(pages) > 2


@pytest.mark.clause("3(1)")
async def test_a_message_of_frames_is_measured_in_bytes_on_both_ways(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    await house.post(amy, *(message(chat, "訊" * 4_000) for _ in range(4)))
    await house.post(amy, *(message(chat, "訊" * 4_000) for _ in range(4)))
    sizes = []

    async with house.connect(amy) as hers:
        await hers.say(t="sub", c=chat.id)
        last = 0
        while last < 9:
            words = str(await hers.raw.recv())
            sizes.append(len(words.encode()))
            last = max([last, *numbers(protocol.read_server(words))])
    polled = [protocol.size(protocol.write(event)) for event in of(Ev, await house.poll(amy, {chat.id: {}}))]

    assert sum(sizes) > MESSAGE_BYTES >= max(sizes)
    assert sum(polled) <= MESSAGE_BYTES


async def test_shoppers_and_staff_poll_in_their_own_numbering(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)
    await house.post(ben, message(chat, "Looks lost", k="note"), message(chat, "We are looking"))

    hers, his = await house.poll(amy, {chat.id: {}}), await house.poll(ben, {chat.id: {}})

    assert [(event.s, event.k) for event in of(Ev, hers)] == [(1, "opened"), (2, "message")]
    assert [event.k for event in of(Ev, his)] == ["opened", "note", "message"]
    assert ben.id not in repr(hers)


@pytest.mark.clause("3(2)")
async def test_staff_leave_an_entry_for_content_and_none_for_waiting(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")
    chat = await house.conversation(amy)

    await house.poll(ben, at(chat, 1, purpose="P5_SECURITY_QUALITY"), 50)
    before = await house.core.database.read(_readings, chat.id)
    await house.poll(ben, {chat.id: {"purpose": "P5_SECURITY_QUALITY"}})
    await house.post(amy, message(chat))
    await house.poll(ben, at(chat, 1))
    await house.post(ben, {"t": "get", "c": chat.id, "before": 2})

    entries = await house.core.database.read(_readings, chat.id)
    assert before == []
    assert entries == [(ben.ref, "P5_SECURITY_QUALITY"), *[(ben.ref, "P2_CONTRACT_AFTERSALES")] * 2]


def _readings(tx: Transaction, conversation_id: str) -> list[tuple[str, str]]:
    rows = tx.execute(ENTRY.select().where(ENTRY.c.object_id == conversation_id).order_by(ENTRY.c.seq))
    return [(row.actor, row.purpose) for row in rows]


async def test_nobody_polls_another_persons_conversation(house: House) -> None:
    amy, eve = await house.guest(), await house.guest()
    chat, own = await house.conversation(amy), await house.conversation(eve)

    got = await house.poll(eve, {chat.id: {}, own.id: {}}, LONG_MS)

    assert [gone.c for gone in of(Gone, got)] == [chat.id]
    assert [event.c for event in of(Ev, got)] == [own.id]


async def test_a_conversation_that_goes_to_a_colleague_is_lost_in_the_middle_of_the_wait(house: House) -> None:
    amy, ben, sue = await house.guest(), await house.member("ben"), await house.member("sue")
    chat = await house.conversation(amy)

    waiting = asyncio.create_task(house.poll(ben, at(chat, 1), LONG_MS))
    await watching(house, chat)
    caller = Caller("staff", sue.id, role=Role.AGENT)
    await house.core.database.write(conversations.assign, house.core, caller, chat.id, sue.id, now=clock.now())
    got = await waiting

    assert of(Gone, got) == [Gone(chat.id)]
    assert await house.poll(ben, at(chat, 1)) == [Gone(chat.id), Tops({})]


async def test_signing_out_ends_a_wait(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.browser(amy) as http:
        waiting = asyncio.create_task(http.post("/chat/poll", json={"subs": at(chat, 1), "wait_ms": LONG_MS}))
        await watching(house, chat)
        house.core.hub.publish(SIGN_OUT, hint(amy.sign_in))
        answer = await waiting

    assert answer.status_code == 401


async def test_a_drain_ends_a_wait_with_bye_and_takes_no_more_messages(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    waiting = asyncio.create_task(house.poll(amy, at(chat, 1), LONG_MS))
    await watching(house, chat)
    await house.chat.drain()
    got, next_one = await waiting, await house.poll(amy, at(chat, 1), LONG_MS)
    (err,) = of(Err, await house.post(amy, message(chat)))

    assert [bye.why for bye in of(Bye, got) + of(Bye, next_one)] == ["restart", "restart"]
    assert (err.code, err.retry) == ("busy", "same")


async def test_a_poller_that_hangs_up_leaves_nothing_behind(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    before = len(asyncio.all_tasks())

    async with house.browser(amy) as http:
        waiting = asyncio.create_task(http.post("/chat/poll", json={"subs": at(chat, 1), "wait_ms": LONG_MS}))
        await watching(house, chat)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)

    async with asyncio.timeout(5):
        while house.chat.rooms or house.chat.connections or len(asyncio.all_tasks()) > before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert house.chat.presence.count(amy.ref) == 0
    assert house.chat.presence.is_here(amy.ref)


async def test_one_person_waits_in_only_so_many_polls_at_once(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.browser(amy) as http:
        asked = {"subs": at(chat, 1), "wait_ms": LONG_MS}
        waiting = [asyncio.create_task(http.post("/chat/poll", json=asked)) for _ in range(MOST_AT_ONCE)]
        async with asyncio.timeout(10):
            while house.chat.presence.count(amy.ref) < MOST_AT_ONCE:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        refused = await http.post("/chat/poll", json=asked)
        await house.post(amy, message(chat))
        answers = await asyncio.gather(*waiting)

    assert (refused.status_code, refused.json()["error"]) == (429, "too_many_open")
    assert {answer.status_code for answer in answers} == {200}


async def test_the_buckets_are_kept_from_one_request_to_the_next(core: Core, media: Media) -> None:
    slow = Core(
        core.settings.model_copy(update={"message_rate": 1.0, "message_burst": 2}),
        *(core.database, core.vault, core.policy, core.hub, core.limits),
    )
    async with serving(slow, media, free_port()) as house:
        amy, eve = await house.guest(), await house.guest()
        chat, other = await house.conversation(amy), await house.conversation(eve)
        answers = [(await house.post(amy, message(chat)))[0] for _ in range(3)]
        (hers,) = await house.post(eve, message(other))
        async with house.browser(amy) as http:
            flood = [
                await http.post("/chat/send", json=[{"t": "read", "c": chat.id, "upto": 0}] * 64) for _ in range(9)
            ]

    assert [type(answer) for answer in answers] == [Ack, Ack, Err]
    assert (of(Err, answers)[0].code, of(Err, answers)[0].retry) == ("rate", "same")
    assert isinstance(hers, Ack)
    assert (flood[0].status_code, flood[-1].status_code) == (200, 429)
    assert flood[-1].json()["retry_ms"] > 0


async def test_polling_keeps_no_sign_in_alive(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    await house.core.database.write(_age, amy.sign_in)
    before = await house.core.database.read(_seen, amy.sign_in)

    await house.poll(amy, at(chat, 1))
    polled = await house.core.database.read(_seen, amy.sign_in)
    async with house.browser(amy) as http:
        await http.get(f"/chat/conversations/{chat.id}/events")

    assert polled == before
    assert await house.core.database.read(_seen, amy.sign_in) > before


def _age(tx: Transaction, sign_in: str) -> None:
    known = tx.session.get(SignIn, sign_in)
    assert known is not None
    known.seen_ms -= 600_000
    tx.session.add(known)


def _seen(tx: Transaction, sign_in: str) -> int:
    known = tx.session.get(SignIn, sign_in)
    assert known is not None
    return known.seen_ms


async def test_a_poll_needs_a_sign_in_and_its_token(house: House) -> None:
    amy, ben = await house.guest(), await house.member("ben")

    async with house.browser(amy) as http:
        nobody = await http.post("/chat/poll", json={}, headers={"Cookie": ""})
        forged = await http.post("/chat/poll", json={}, headers={"X-CSRF-Token": ben.csrf})
        no_staff = await http.post("/chat/poll", json={"as": "staff"})
        sent = await http.post("/chat/send?as=staff", json=[])

    assert [each.status_code for each in (nobody, forged, no_staff, sent)] == [401, 403, 401, 401]


BAD = [
    "{",
    '"text"',
    '{"subs":[]}',
    '{"subs":{"c":{"cur":"x"}}}',
    '{"as":"admin"}',
    '{"x":' + "[" * 60 + "]" * 60 + "}",
    '{"x":"\\ud800"}',
]


@pytest.mark.parametrize("text", BAD)
async def test_a_poll_that_cannot_be_read_is_refused(house: House, text: str) -> None:
    assert await _status(house, await house.guest(), "/chat/poll", text) == 422


@pytest.mark.parametrize(
    "text", ["{", '{"t":"send"}', '{"t":"hello","csrf":""}', '{"t":"sub","c":"x"}', "[" * 60, '[{"t":"typing"}]']
)
async def test_a_send_that_cannot_be_read_is_refused(house: House, text: str) -> None:
    assert await _status(house, await house.guest(), "/chat/send", text) == 422


async def test_a_body_over_the_limit_is_refused(house: House) -> None:
    amy = await house.guest()

    assert await _status(house, amy, "/chat/poll", '{"x":"' + "x" * 66_000 + '"}') == 413
    assert await _status(house, amy, "/chat/send", "[" + ",".join(['{"t":"ping"}'] * 65) + "]") == 422


async def test_more_is_ignored_than_is_known(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    assert await house.post(amy, {"t": "dance"}, message(chat, mood="good"))
    assert numbers(await house.poll(amy, {chat.id: {"later": 1}})) == [1, 2]


async def test_history_is_had_with_get(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)
    await house.post(amy, *(message(chat, f"Message {number}") for number in range(5)))

    got = await house.post(amy, {"t": "get", "c": chat.id, "from": 2, "to": 3})

    assert numbers(got) == [2, 3]
    assert got[-1] == Page(chat.id, 2, 3, True)


async def _status(house: House, who: SignedIn, path: str, text: str) -> int:
    async with house.browser(who) as http:
        answer: httpx.Response = await http.post(path, content=text, headers={"Content-Type": "application/json"})
    return answer.status_code


async def test_one_conversation_that_begins_anew_and_ends_takes_nothing_of_the_next_along(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy = await house.guest()
    first, second = await house.conversation(amy), await house.conversation(amy)
    begun, may_go_on, open_in = asyncio.Event(), asyncio.Event(), Reader._open_in

    async def open_slowly(reader: Reader, room: Room, purpose: Purpose | None) -> Any:  # Any: as the reader has it
        if room.id == second.id:
            begun.set()
            await may_go_on.wait()
        return await open_in(reader, room, purpose)

    monkeypatch.setattr(Reader, "_open_in", open_slowly)

    polling = asyncio.create_task(house.poll(amy, {first.id: {}, second.id: {}}))
    await asyncio.wait_for(begun.wait(), 5)
    room = house.chat.rooms[first.id]
    await _change(house, first, EPOCH, epoch="0" * 16)
    await until(lambda: room.epoch == "0" * 16)
    await _change(house, first, ACCESS, expires_ms=0)
    await until(lambda: not room.watchers)
    may_go_on.set()
    got = await polling

    assert of(Gone, got) == [Gone(first.id)]
    assert [(frame.c, frame.first) for frame in of(SubOk, got)] == [(second.id, 1)]
    assert [(event.c, event.s) for event in of(Ev, got)] == [(second.id, 1)]


async def _change(house: House, chat: Conversation, channel: str, **values: Any) -> None:  # Any: columns
    """What another process does to the conversation, and its hint."""
    statement = update(CONVERSATION).where(CONVERSATION.c.id == chat.id).values(**values)
    await house.core.database.write(lambda tx: tx.execute(statement))
    house.core.hub.publish(channel, hint(chat.id))


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
