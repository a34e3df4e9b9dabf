"""The heartbeat: every socket is asked once in an interval, whoever does not answer is cut, and nobody else."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from chat.beats import SPOKES, Wheel
from chat.protocol import Pong
from chat.server import SocketProtocol
from chat.waiting import Gate, Mailbox
from core.services import Core
from media.uploads import Media
from tests.chat.line import House, serving
from tests.chat.rawsocket import PING, PONG, Raw, frame
from tests.conftest import free_port

PATIENCE_S = 20
INTERVAL_S = 1.0
KEEPALIVE = 1011


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        house.server.config.ws_ping_interval = INTERVAL_S
        yield house


class Asked:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.times = 0
        self.twice = asyncio.Event()

    def beat(self) -> None:
        self.times += 1
        if self.times == 2:
            self.twice.set()


async def test_everybody_is_asked_equally_often_and_not_all_at_once() -> None:
    wheel = Wheel(INTERVAL_S)
    sockets = [Asked() for _ in range(3 * SPOKES // 2)]
    places = [wheel.add(each) for each in sockets]

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(each.twice.wait() for each in sockets))

    assert max(each.times for each in sockets) <= 3
    assert max(places.count(place) for place in places) == 3
    for each, place in zip(sockets, places, strict=True):
        wheel.remove(each, place)


async def test_whoever_has_left_is_asked_no_more() -> None:
    wheel, gone, here = Wheel(INTERVAL_S), Asked(), Asked()
    place, other = wheel.add(gone), wheel.add(here)

    wheel.remove(gone, place)
    wheel.remove(gone, place)
    async with asyncio.timeout(PATIENCE_S):
        await here.twice.wait()
    wheel.remove(here, other)

    assert gone.times == 0


async def test_a_client_that_answers_stays_and_one_that_does_not_is_cut(house: House) -> None:
    silent = await Raw.connect(house)
    await silent.handshake(house, None)

    async with house.connect(await house.guest()) as hers:
        code = await silent.code()
        await hers.say(t="ping", n=1)
        answer = await hers.until(Pong)

    assert code == KEEPALIVE
    assert answer.n == 1
    silent.close()


async def test_an_answer_to_another_question_is_no_answer(house: House) -> None:
    """RFC 6455 section 5.5.3: a pong may come unasked."""
    silent = await Raw.connect(house)
    await silent.handshake(house, None)

    silent.writer.write(frame(PONG, b"none"))
    asked, question = await silent.frame()
    silent.writer.write(frame(PONG, b"none"))

    assert (asked, len(question)) == (PING, 4)
    assert await silent.code() == KEEPALIVE
    silent.close()


async def test_an_idle_socket_keeps_nothing_of_its_handshake(house: House) -> None:
    async with house.connect(await house.guest()):
        (socket,) = (each for each in house.server.server_state.connections if isinstance(each, SocketProtocol))

        kept = [dict(socket.scope), list(socket.request.headers.raw_items()), list(socket.response.headers)]

    assert kept == [{}, [], []]


async def test_a_gate_holds_everybody_until_it_opens() -> None:
    gate = Gate()
    gate.clear()
    waiting = [asyncio.create_task(gate.wait()) for _ in range(3)]
    await asyncio.sleep(0)
    through = [each.done() for each in waiting]

    gate.set()

    assert await asyncio.gather(*waiting, gate.wait()) == [True] * 4
    assert through == [False] * 3


async def test_letters_are_taken_in_the_order_in_which_they_came() -> None:
    mailbox: Mailbox[int] = Mailbox()
    arrival = mailbox.arrival()
    was_empty = mailbox.empty()

    for number in range(3):
        mailbox.put_nowait(number)
    await arrival

    assert was_empty
    assert [mailbox.take() for _ in range(3)] == [0, 1, 2]
    assert mailbox.empty()
