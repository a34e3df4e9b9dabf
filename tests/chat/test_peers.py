"""Peers that are slow, silent or hostile: each is cut, none costs more than its bound, and nobody else notices."""

import asyncio
import base64
import contextlib
import os
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from chat import protocol, pulse
from chat import server as peers
from chat.models import Conversation
from chat.protocol import Ack, Ev
from chat.server import SocketProtocol
from core.identity.callers import Caller, Role
from core.services import Core
from media.uploads import Media
from tests.chat.conftest import draft
from tests.chat.line import House, SignedIn, serving
from tests.conftest import free_port

PATIENCE_S = 20
SMALL_WINDOW = 4_096
STALLED, NORMAL = 100, 20


@pytest_asyncio.fixture
async def house(core: Core, media: Media) -> AsyncIterator[House]:
    async with serving(core, media, free_port()) as house:
        yield house


class Deaf:
    """A client that writes what it likes and reads nothing after the handshake; its window is small."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._own = socket.socket()
        self._own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_WINDOW)
        self._own.setblocking(False)

    async def connect(self) -> None:
        await asyncio.get_running_loop().sock_connect(self._own, ("127.0.0.1", self._house.port))

    async def write(self, octets: bytes) -> None:
        """Raises: OSError, when the server has cut us; TimeoutError, when it takes no more."""
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.get_running_loop().sock_sendall(self._own, octets)

    async def enter(self, who: SignedIn | None = None, **hello: Any) -> None:  # Any: fields of a hello
        """Shake hands and, when somebody is given, say hello."""
        await self.connect()
        head = (
            f"GET /chat/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            f"Sec-WebSocket-Protocol: {protocol.SUBPROTOCOL}\r\nOrigin: {self._house.core.settings.origin}\r\n"
        )
        await self.write((head + (f"Cookie: {who.cookie}\r\n" if who else "") + "\r\n").encode())
        assert b" 101 " in await asyncio.get_running_loop().sock_recv(self._own, 2_048)
        if who is not None:
            side = "staff" if who.kind == "staff" else "shopper"
            greeting = {"t": "hello", "csrf": who.csrf, "as": side, **hello}
            await self.write(frame(0x81, msgspec.json.encode(greeting)))

    async def cut(self) -> bool:
        """Whether the server ends the connection; what it sent before is thrown away only now."""
        with contextlib.suppress(ConnectionResetError):
            async with asyncio.timeout(PATIENCE_S):
                while await asyncio.get_running_loop().sock_recv(self._own, 65_536):
                    pass
        return True

    def close(self) -> None:
        self._own.close()


def frame(first: int, payload: bytes) -> bytes:
    """A client's frame; its masking key is zero."""
    size = len(payload)
    head = struct.pack("!BB", first, 0x80 | size) if size < 126 else struct.pack("!BBH", first, 0xFE, size)
    return head + b"\0\0\0\0" + payload


def sockets(house: House) -> list[SocketProtocol]:
    """The server's ends."""
    return [each for each in house.server.server_state.connections if isinstance(each, SocketProtocol)]


async def cut(house: House, patience_s: float = PATIENCE_S) -> None:
    """Wait until the server holds no connection at all."""
    async with asyncio.timeout(patience_s):
        while house.server.server_state.connections:  # noqa: ASYNC110  (uvicorn offers no event)
            await asyncio.sleep(0.02)


@pytest.fixture
def deaf(house: House) -> Deaf:
    return Deaf(house)


async def test_a_request_whose_head_never_ends_is_cut(
    house: House, deaf: Deaf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peers, "HEAD_S", 0.3)
    await deaf.connect()

    await deaf.write(b"GET /chat HTTP/1.1\r\nHost: x\r\nX-Slow: ")

    assert await deaf.cut()
    deaf.close()


async def test_a_connection_that_says_nothing_is_cut(house: House, deaf: Deaf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "HEAD_S", 0.3)

    await deaf.connect()

    assert await deaf.cut()
    deaf.close()


async def test_a_head_without_end_is_cut_long_before_it_fills_the_memory(house: House, deaf: Deaf) -> None:
    await deaf.connect()

    await deaf.write(b"GET / HTTP/1.1\r\n")
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(endless(deaf), PATIENCE_S)

    deaf.close()


async def test_a_body_that_pauses_is_cut(house: House, deaf: Deaf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "BODY_PAUSE_S", 0.3)
    amy = await house.guest()
    chat = await house.conversation(amy)
    await deaf.connect()

    await deaf.write(
        f"PUT /chat/conversations/{chat.id}/media/0f9f3a52-5d0f-4f0b-9a37-d2d6f2e0c001?name=a.jpg HTTP/1.1\r\n"
        f"Host: x\r\nCookie: {amy.cookie}\r\n"
        f"Origin: {house.core.settings.origin}\r\nX-CSRF-Token: {amy.csrf}\r\n"
        f"Content-Type: image/jpeg\r\nContent-Length: 100000\r\n\r\nabc".encode()
    )

    assert await deaf.cut()
    deaf.close()


async def test_a_socket_that_never_says_hello_is_cut(house: House, deaf: Deaf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.socket.HELLO_S", 0.2)
    monkeypatch.setattr(peers, "CLOSE_S", 0.2)

    await deaf.enter()

    await cut(house)
    deaf.close()


async def test_answers_to_pings_that_nobody_reads_do_not_pile_up(house: House, deaf: Deaf) -> None:
    await deaf.enter(await house.guest())
    most = 0

    with contextlib.suppress(TimeoutError):
        for _ in range(200):
            await deaf.write(frame(0x89, b"x" * 125) * 500)  # 13 MB in all
            most = max(most, *(each.transport.get_write_buffer_size() for each in sockets(house)))

    assert peers.WRITE_BUFFER_BYTES < most < 8 * peers.WRITE_BUFFER_BYTES
    deaf.close()
    await cut(house)


async def test_a_message_in_endless_empty_pieces_takes_no_room(house: House, deaf: Deaf) -> None:
    await deaf.enter(await house.guest())

    await deaf.write(frame(0x01, b""))
    for _ in range(100):
        await deaf.write(frame(0x00, b"") * 500)

    async with asyncio.timeout(PATIENCE_S):
        while not sockets(house)[0].frames:  # noqa: ASYNC110  (the pieces arrive in their own time)
            await asyncio.sleep(0.01)
    assert len(sockets(house)[0].frames) <= peers.FRAGMENTS + 1
    deaf.close()
    await cut(house)


async def test_a_client_that_asks_and_asks_and_reads_no_answer_is_cut(
    house: House, deaf: Deaf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.outlet.REPLIES", 300)
    monkeypatch.setattr("chat.pace.FRAME_BURST", 100_000)
    amy = await house.guest()
    unknown = msgspec.json.encode({"t": "get", "c": "0" * 26})
    await deaf.enter(amy)

    with contextlib.suppress(OSError, TimeoutError):
        for _ in range(2_000):
            await deaf.write(frame(0x81, unknown) * 10)

    await cut(house)
    deaf.close()


async def test_a_hundred_who_never_read_are_cut_and_twenty_others_notice_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "SEND_DEADLINE_S", 1.0)
    monkeypatch.setattr(pulse, "PULSE_S", 0.2)
    ben, guests = await house.member("ben"), [await house.guest() for _ in range(NORMAL)]
    quiet = [await house.conversation(guest) for guest in guests]
    loud = await house.conversation(await house.guest())
    staff = [await house.member(f"agent{number}") for number in range(4)]
    stalled = [Deaf(house) for _ in range(STALLED)]
    for number, each in enumerate(stalled):
        await each.enter(staff[number // 25], subs={loud.id: {}})
    async with asyncio.timeout(PATIENCE_S):
        while len(house.chat.connections) < STALLED:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    async with contextlib.AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(house.connect(guest, subs={chat.id: {}}))
            for guest, chat in zip(guests, quiet, strict=True)
        ]
        await shout(house, ben, loud, 60)
        held = [each.transport.get_write_buffer_size() for each in sockets(house)]
        for client, chat in zip(clients, quiet, strict=True):
            await client.send(chat, "Still here?")
            await client.until(Ack)
            await client.events(2)
        async with asyncio.timeout(PATIENCE_S):
            while len(house.chat.connections) > NORMAL:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        async with house.connect(staff[0], subs={loud.id: {"cur": 1, "ep": loud.epoch}}) as back:
            caught_up = await back.events(61)

    assert max(held) <= 4 * peers.WRITE_BUFFER_BYTES
    assert [event.s for event in caught_up] == list(range(2, 62))
    assert all(len(client.got(Ev)) == 2 for client in clients)
    for each in stalled:
        each.close()


async def endless(deaf: Deaf) -> None:
    """One header after the other."""
    while True:
        await deaf.write(b"X-Header: " + b"x" * 1_000 + b"\r\n")


async def shout(house: House, who: SignedIn, chat: Conversation, count: int) -> None:
    """Long messages, so that whoever does not read is soon full."""
    caller = Caller("staff", who.id, role=Role.AGENT, name="Ben", sign_in=who.sign_in, proof="password_totp")
    for number in range(count):
        await house.chat.append(draft(chat, caller, f"{number} " + "long " * 3_000))
