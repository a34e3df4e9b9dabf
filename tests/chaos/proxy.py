"""A network that fails: a TCP proxy between clients and a server, which does the worst that lines do.

Latency, slices of 1 to 40 bytes, stalls, black holes, a reset of both sides, a reset of the client's side alone (the
server keeps a line on which nobody is any more). What befalls a line follows from the seed.
"""

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

CHUNK = 16_384
SLICES = (1, 40)
GONE = (ConnectionError, OSError, asyncio.CancelledError)


@dataclass
class Weather:
    """How bad it is: seconds between two blows to one line, and how long a stall or a black hole lasts."""

    between_s: tuple[float, float] = (0.3, 1.5)
    stall_s: tuple[float, float] = (0.2, 0.8)
    hole_s: tuple[float, float] = (0.5, 2.0)
    latency_s: tuple[float, float] = (0.0, 0.02)


@dataclass
class _Line:
    """One connection through the proxy."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    is_sliced: bool
    flows: asyncio.Event = field(default_factory=asyncio.Event)
    is_swallowing: bool = False


class Proxy:
    """Listens on a free port of loopback and passes on to `port`; `struck` counts what it did."""

    def __init__(self, port: int, seed: int, weather: Weather | None = None) -> None:
        self.struck: Counter[str] = Counter()
        self.is_calm = False
        self._port = port
        self._chance = random.Random(seed)
        self._weather = weather or Weather()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Proxy"]:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        try:
            yield self
        finally:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.transport.abort()
            self._tasks.discard(task)
            return
        line = _Line(writer, far_writer, is_sliced=self._chance.random() < 0.3)
        line.flows.set()
        with contextlib.suppress(*GONE):
            await self._serve(line, reader, far_reader)
        for end in (writer, far_writer):
            end.transport.abort()
        self._tasks.discard(task)

    async def _serve(self, line: _Line, reader: asyncio.StreamReader, far_reader: asyncio.StreamReader) -> None:
        ways = [
            asyncio.ensure_future(self._carry(line, reader, line.far)),
            asyncio.ensure_future(self._carry(line, far_reader, line.near)),
            asyncio.ensure_future(self._strike(line)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry(self, line: _Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while content := await reader.read(CHUNK):
            await line.flows.wait()
            if line.is_swallowing:
                continue
            if not self.is_calm:
                await asyncio.sleep(self._chance.uniform(*self._weather.latency_s))
            for piece in self._cut(line, content):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)

    def _cut(self, line: _Line, content: bytes) -> list[bytes]:
        if not line.is_sliced or self.is_calm:
            return [content]
        pieces = []
        while content:
            size = self._chance.randint(*SLICES)
            pieces.append(content[:size])
            content = content[size:]
        return pieces

    async def _strike(self, line: _Line) -> None:
        """Blow after blow, until one ends the line."""
        while True:
            await asyncio.sleep(self._chance.uniform(*self._weather.between_s))
            if self.is_calm:
                continue
            blow = self._chance.choice(["stall", "hole", "reset", "half-open", "none"])
            self.struck[blow] += 1
            match blow:
                case "stall":
                    line.flows.clear()
                    await asyncio.sleep(self._chance.uniform(*self._weather.stall_s))
                    line.flows.set()
                case "hole":  # what is sent vanishes, and then the line is cut: TCP would not lose it otherwise
                    line.is_swallowing = True
                    await asyncio.sleep(self._chance.uniform(*self._weather.hole_s))
                    _reset(line.near)
                    _reset(line.far)
                    return
                case "reset":
                    _reset(line.near)
                    _reset(line.far)
                    return
                case "half-open":  # the server is left with a line on which nobody is any more
                    line.is_swallowing = True
                    _reset(line.near)
                    await asyncio.sleep(self._weather.hole_s[1])
                    return


def _reset(writer: asyncio.StreamWriter) -> None:
    """End it with RST instead of FIN, and lose what is under way."""
    own = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
