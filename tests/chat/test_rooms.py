"""Rooms: lost hints heal, other processes are heard, rings have no gaps, stalled readers are cut."""

import asyncio
import socket
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
import websockets
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import InterfaceError
from websockets.typing import Origin, Subprotocol

from chat import batches, log, protocol, pulse
from chat.models import Conversation
from chat.pace import Bucket
from chat.presence import LINGER_S, Presence
from chat.protocol import Ev, Gone, Pong
from chat.ring import RING, Ring
from chat.rooms import Chat
from core import clock
from core.identity.callers import SYSTEM
from core.services import Core
from media.uploads import Media
from tests.chat.conftest import draft, opened, visitor
from tests.chat.line import House, serving
from tests.conftest import free_port


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        yield house


async def _elsewhere(house: House, chat: Conversation, text: str, *, hinted: bool) -> None:
    """What another process does: it writes to the same database, and its hint comes or is lost."""
    announce = None if hinted else (lambda *_: None)
    drafts = [draft(chat, SYSTEM, text)]
    await house.core.database.write(log.append_batch, house.core, drafts, announce, now=clock.now())


async def test_a_message_of_another_process_is_delivered_by_its_hint(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await _elsewhere(house, chat, "From afar", hinted=True)
        events = await hers.events(2)

    assert events[-1].b == {"text": "From afar"}


async def test_a_lost_hint_is_healed_by_the_beacon(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        await hers.events(1)
        await _elsewhere(house, chat, "From afar", hinted=False)
        await hers.say(t="ping", n=1)
        unaware = await hers.until(Pong)
        await house.chat.beacon()
        events = await hers.events(2)

    assert unaware.tops[chat.id][1] == 1
    assert [event.s for event in events] == [1, 2]


async def test_the_next_hint_heals_the_one_before_it(house: House) -> None:
    amy = await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}) as hers:
        for number in range(5):
            await _elsewhere(house, chat, f"Message {number}", hinted=number == 4)
        events = await hers.events(6)

    assert [event.s for event in events] == [1, 2, 3, 4, 5, 6]


async def test_whoever_asks_to_be_let_in_is_shown_nothing_before(house: House) -> None:
    amy, eve = await house.guest(), await house.guest()
    chat = await house.conversation(amy)

    async with house.connect(amy, subs={chat.id: {}}), house.connect(eve) as hers:
        async with house.chat.entering(chat.id) as room:
            watching = {watcher.caller.ref for watcher in room.watchers}
        await hers.say(t="sub", c=chat.id)
        gone = await hers.until(Gone)

    assert watching == {amy.ref}
    assert eve.ref not in room.seen
    assert gone.c == chat.id


async def test_a_reader_who_stalls_is_cut_and_the_others_go_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "SEND_DEADLINE_S", 0.3)
    amy = await house.guest()
    chat = await house.conversation(amy)
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    own.setblocking(False)
    await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", house.port))

    async with (
        house.connect(amy, subs={chat.id: {}}) as hers,
        websockets.connect(
            house.url, sock=own, origin=Origin(house.core.settings.origin), max_queue=1, compression=None,
            subprotocols=[Subprotocol(protocol.SUBPROTOCOL)], additional_headers={"Cookie": amy.cookie},
        ) as stalled,
    ):  # fmt: skip
        await stalled.send(msgspec.json.encode({"t": "hello", "csrf": amy.csrf, "subs": {chat.id: {}}}).decode())
        for _ in range(10):
            await _flood(house, chat)
        await hers.events(201)
        async with asyncio.timeout(10):
            while len(house.chat.connections) > 1:  # noqa: ASYNC110  (the pulse cuts it in its own time)
                await asyncio.sleep(0.05)

    assert [event.s for event in hers.got(Ev)] == list(range(1, 202))


async def _flood(house: House, chat: Conversation) -> None:
    drafts = [draft(chat, SYSTEM, "x" * 12_000) for _ in range(20)]
    await house.core.database.write(log.append_batch, house.core, drafts, now=clock.now())


async def test_a_connection_that_breaks_every_time_is_answered_once_for_the_whole_batch(
    core: Core, media: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    amy = visitor()
    talk = await opened(core, amy)
    monkeypatch.setattr(batches, "PAUSES_S", (0.0, 0.0, 0.0))
    attempts = 0

    async def broken(*_: object, **__: object) -> None:
        nonlocal attempts
        attempts += 1
        raise InterfaceError("INSERT", {}, Exception("the connection is closed"), connection_invalidated=True)

    monkeypatch.setattr(core.database, "write_in", broken)
    chat = Chat(core, media)

    answers = await asyncio.gather(*(chat.append(draft(talk, amy)) for _ in range(3)), return_exceptions=True)

    assert [getattr(answer, "code", answer) for answer in answers] == ["unknown"] * 3
    assert attempts == 4


@given(st.lists(st.booleans(), max_size=3 * RING), st.integers(0, 3 * RING))
def test_a_ring_gives_what_follows_a_cursor_or_says_that_it_cannot(pushed: list[bool], cursor: int) -> None:
    ring = Ring(0)
    for number, is_watched in enumerate(pushed, 1):
        if is_watched:
            ring.push(str(number))
        else:
            ring.skip()

    held = ring.after(cursor, 10 * RING)

    assert ring.last == len(pushed)
    if held is not None:
        assert held == [(number, str(number)) for number in range(cursor + 1, len(pushed) + 1)]
    elif cursor < len(pushed):
        assert cursor + 1 < ring.first


def test_a_reload_is_no_leaving() -> None:
    presence = Presence()
    presence.arrive("person:a")

    presence.leave("person:a", at_s=100)
    is_back_new = presence.arrive("person:a")

    assert not is_back_new
    assert presence.settle(100 + LINGER_S) == []


def test_who_stays_away_has_left() -> None:
    presence = Presence()
    presence.arrive("person:a")
    presence.arrive("person:a")
    presence.leave("person:a", at_s=100)
    presence.leave("person:a", at_s=100)

    early, late = presence.settle(100 + LINGER_S - 1), presence.settle(100 + LINGER_S)

    assert (early, late) == ([], ["person:a"])
    assert not presence.is_here("person:a")


def test_a_bucket_lets_a_burst_through_and_then_the_rate() -> None:
    bucket = Bucket(rate=2, burst=3)

    waits = [bucket.take(10.0) for _ in range(4)] + [bucket.take(10.5)]

    assert waits == [0, 0, 0, 500, 0]
