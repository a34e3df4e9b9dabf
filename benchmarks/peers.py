"""Clients that cost next to nothing: one that reads and answers pings, one that reads slowly or not at all."""

import asyncio
import base64
import os
import socket
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self, cast

import msgspec

from chat import protocol

ENTER_S = 30.0
WINDOW_BYTES = 4_096
PING, CLOSE, TEXT = 0x9, 0x8, 0x1


@dataclass(frozen=True, slots=True)
class Ticket:
    """Somebody who is signed in and watches a conversation, from the newest events or from a number on."""

    cookie: str
    csrf: str
    side: str
    conversation: str
    epoch: str
    after: int | None = None

    def resuming(self, after: int) -> "Ticket":
        """The same, coming back with what she has."""
        return replace(self, after=after)

    def request(self, origin: str) -> bytes:
        """The handshake."""
        return (
            "GET /chat/socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            f"Sec-WebSocket-Protocol: {protocol.SUBPROTOCOL}\r\nOrigin: {origin}\r\nCookie: {self.cookie}\r\n\r\n"
        ).encode()

    def hello(self) -> bytes:
        """The first frame."""
        cursor = {} if self.after is None else {"cur": self.after, "ep": self.epoch}
        greeting = {"t": "hello", "csrf": self.csrf, "as": self.side, "subs": {self.conversation: cursor}}
        return framed(TEXT, msgspec.json.encode(greeting))


def framed(opcode: int, payload: bytes) -> bytes:
    """A client's frame; its masking key is zero, so masking is free."""
    size = len(payload)
    short = size < 126
    head = struct.pack("!BB", 0x80 | opcode, 0x80 | size) if short else struct.pack("!BBH", 0x80 | opcode, 0xFE, size)
    return head + b"\0\0\0\0" + payload


def ignore(_: bytes) -> None:
    """Hear and forget."""


class Peer(asyncio.Protocol):
    """Reads everything, parses nothing, answers pings."""

    __slots__ = ("_buffer", "_is_open", "_origin", "_transport", "heard", "is_lost", "ready", "ticket")

    def __init__(self, origin: str, ticket: Ticket) -> None:
        self.ticket = ticket
        self.heard: Callable[[bytes], None] = ignore
        self.is_lost = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._origin = origin
        self._buffer = b""
        self._is_open = False

    @classmethod
    async def enter(cls, port: int, origin: str, ticket: Ticket) -> Self:
        """Connect and be let in. Raises: OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ENTER_S):
            _, peer = await loop.create_connection(lambda: cls(origin, ticket), "127.0.0.1", port)
            await peer.ready
        return peer

    def say(self, text: str) -> None:
        """Send a message into the conversation."""
        frame = {
            "t": "send",
            "c": self.ticket.conversation,
            "m": str(uuid.uuid4()),
            "k": "message",
            "b": {"text": text},
        }
        self._transport.write(framed(TEXT, msgspec.json.encode(frame)))

    def close(self) -> None:
        """Leave without a word."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not of that class
        self._transport.write(self.ticket.request(self._origin))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        if not self.ready.done():
            self.ready.set_exception(ConnectionResetError("not let in"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open:
            head, ending, rest = self._buffer.partition(b"\r\n\r\n")
            if not ending:
                return
            if b" 101 " not in head:
                self._transport.abort()
                return
            self._is_open, self._buffer = True, rest
            self._transport.write(self.ticket.hello())
        self._read_frames()

    def _read_frames(self) -> None:
        buffer, start = self._buffer, 0
        while len(buffer) >= start + 2:
            size, head = buffer[start + 1] & 127, 2
            if size == 126 and len(buffer) >= start + 4:
                size, head = struct.unpack_from("!H", buffer, start + 2)[0], 4
            elif size == 127 and len(buffer) >= start + 10:
                size, head = struct.unpack_from("!Q", buffer, start + 2)[0], 10
            stop = start + head + size
            if len(buffer) < stop or (size >= 126 and head == 2):
                break
            self._take(buffer[start] & 15, buffer[start + head : stop])
            start = stop
        self._buffer = buffer[start:]

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._transport.write(framed(0xA, payload))
        elif opcode == CLOSE:
            self._transport.abort()
        elif not self.ready.done() and b'"t":"tops"' in payload:
            self.ready.set_result(None)
        self.heard(payload)


class Deaf:
    """Enters and then never reads, or reads a thousand bytes a second."""

    def __init__(self, port: int, origin: str, ticket: Ticket) -> None:
        self._port, self._origin, self._ticket = port, origin, ticket
        self._own = socket.socket()
        self._own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW_BYTES)
        self._own.settimeout(0)
        self._trickling: asyncio.Task[None] | None = None

    async def enter(self) -> None:
        """Shake hands and say hello."""
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._own, ("127.0.0.1", self._port))
        await loop.sock_sendall(self._own, self._ticket.request(self._origin))
        assert b" 101 " in await loop.sock_recv(self._own, 1_024)
        await loop.sock_sendall(self._own, self._ticket.hello())

    def trickle(self) -> None:
        """Read slowly from now on."""
        self._trickling = asyncio.get_running_loop().create_task(self._trickle())

    async def _trickle(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while await loop.sock_recv(self._own, 1_000):  # noqa: ASYNC110  (the pace is the point)
                await asyncio.sleep(1)
        except OSError:
            return

    def close(self) -> None:
        """Leave."""
        if self._trickling is not None:
            self._trickling.cancel()
        self._own.close()
