"""A WebSocket client that writes its bytes by hand, so that it can write wrong ones (RFC 6455 section 5.2)."""

import asyncio
import base64
import os
import struct
from dataclasses import dataclass

from chat import protocol
from tests.chat.line import House, SignedIn

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FIN = 0x80
PATIENCE_S = 10
NO_CODE = 1005
CUT = 1006


def frame(
    opcode: int, payload: bytes = b"", *, flags: int = FIN, is_masked: bool = True, length: int | None = None
) -> bytes:
    """One frame; `flags` are FIN and the reserved bits, `length` a lie about the payload's."""
    size = len(payload) if length is None else length
    mask_bit = 0x80 if is_masked else 0
    head = bytes([flags | opcode])
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 65_536:
        head += bytes([mask_bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mask_bit | 127]) + struct.pack("!Q", size)
    if not is_masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[place % 4] for place, byte in enumerate(payload))


def text(words: str, **shape: int) -> bytes:
    return frame(TEXT, words.encode(), **shape)  # type: ignore[arg-type]  # only flags and lengths are passed


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


@dataclass
class Raw:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def connect(cls, house: House) -> "Raw":
        return cls(*await asyncio.open_connection("127.0.0.1", house.port))

    async def handshake(self, house: House, who: SignedIn | None, **headers: str) -> bytes:
        """Ask for a WebSocket; the head of the answer."""
        self.writer.write(request(house, who, **headers))
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_S)

    async def greet(self, house: House, who: SignedIn) -> None:
        """Handshake and `hello`, until the server has answered with `tops`."""
        head = await self.handshake(house, who)
        assert head.startswith(b"HTTP/1.1 101"), head
        self.writer.write(text(f'{{"t":"hello","csrf":"{who.csrf}"}}'))
        seen = b""
        while b'"tops"' not in seen:
            opcode, payload = await self.frame()
            assert opcode == TEXT, (opcode, payload)
            seen += payload

    async def frame(self) -> tuple[int, bytes]:
        """The next frame of the server; servers mask nothing and never fragment here."""
        async with asyncio.timeout(PATIENCE_S):
            first, second = await self.reader.readexactly(2)
            size = second & 0x7F
            if size == 126:
                (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(size)

    async def code(self) -> int:
        """With which code the server closes; 1006 when the connection just ends."""
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == CLOSE:
                    return int(struct.unpack("!H", payload[:2])[0]) if payload else NO_CODE
        except (asyncio.IncompleteReadError, ConnectionError):
            return CUT

    async def pong(self) -> bytes:
        """The payload of the next pong frame."""
        while True:
            opcode, payload = await self.frame()
            if opcode == PONG:
                return payload

    def close(self) -> None:
        self.writer.transport.abort()


def request(house: House, who: SignedIn | None, **headers: str) -> bytes:
    """The head of a handshake; a header given empty is left out."""
    named = {
        "Host": f"127.0.0.1:{house.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": protocol.SUBPROTOCOL,
        "Origin": house.core.settings.origin,
        "Cookie": who.cookie if who else "",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in named.items() if value]
    return ("GET /chat/socket HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode()
