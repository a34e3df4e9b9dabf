"""The heartbeat: every socket is asked once in an interval, whoever does not answer is cut, and nobody else."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from chat.beats import SPOKES, Wheel
from chat.protocol import Pong
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
