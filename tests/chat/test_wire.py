"""What a socket is made of: what it keeps while it is idle, how it waits, how it frames what it writes."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from websockets.frames import Frame, Opcode

from chat.server import SocketProtocol, text_frame
from chat.waiting import Gate, Mailbox
from core.services import Core
from media.uploads import Media
from tests.chat.line import House, serving
from tests.conftest import free_port


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        yield house


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_a_text_is_framed_as_the_library_frames_it(size: int) -> None:
    text = b"x" * size

    framed = text_frame(text)

    assert framed == Frame(Opcode.TEXT, text).serialize(mask=False)


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
