"""Lines: how a client's frames reach the server and the server's the client, by WebSocket or by plain requests.

Danger. A poll that starts before the answer of the last one was taken in would be given the same events again.

Principle. A line says frames and brings frames, and ends with `Ended`; it decides nothing. A polling line asks again
only when it is asked for more, with the cursors of that moment.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Literal, Protocol
from urllib.parse import urlsplit

import h11
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Origin, Subprotocol

from chat import protocol
from chat.protocol import Bye, Close, Err, Pong, ServerFrame

Frame = dict[str, object]
Subscriptions = Callable[[], dict[str, object]]

OPEN_TIMEOUT_S = 10
WAIT_MS = 25_000
ANSWER_TIMEOUT_S = 35
REFUSED_PAUSE_S = 0.5
BATCH_BYTES = 60_000
READ_BYTES = 65_536
OK = 200


@dataclass(frozen=True)
class Admission:
    """Proof of being let in: which side, the cookies of the sign-in, and its token against forgery."""

    side: Literal["shopper", "staff"]
    cookies: Mapping[str, str]
    csrf: str


class Ended(Exception):
    """The line is dead: `code` is how the server ended it, if it did; `wait_s` when to come back, if it said."""

    def __init__(self, code: int | None = None, wait_s: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.wait_s = wait_s


class Line(Protocol):
    """An open way to the server."""

    async def send(self, frame: Frame) -> None:
        """Say something; what is lost with the line raises nothing."""

    async def receive(self) -> list[ServerFrame]:
        """What came next; may be cancelled without losing anything. Raises: Ended."""

    def drop(self) -> None:
        """Lose the line as a dying network does: without a word."""


class Opening(Protocol):
    """A way to the server at `url`, its public address; `door` is where it is reached, when that is elsewhere."""

    def __call__(
        self, url: str, admission: Admission, subscriptions: Subscriptions, door: str | None = None
    ) -> AbstractAsyncContextManager[Line]:
        """Open a line; the subscriptions are asked for when they are needed. Raises: Ended."""


@asynccontextmanager
async def socket(
    url: str, admission: Admission, subscriptions: Subscriptions, door: str | None = None
) -> AsyncIterator[Line]:
    """A WebSocket, greeted. Raises: Ended."""
    try:
        async with connect(
            (door or url).replace("http", "ws", 1) + "/chat/socket",
            origin=Origin(url),
            subprotocols=[Subprotocol(version) for version in protocol.SUPPORTED],
            additional_headers={"Cookie": cookie_header(admission.cookies)},
            compression=None,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=1,
            ping_interval=None,
        ) as connection:
            line = SocketLine(connection)
            await line.send({"t": "hello", "csrf": admission.csrf, "as": admission.side, "subs": subscriptions()})
            yield line
    except (OSError, WebSocketException, TimeoutError) as error:
        raise Ended from error


class SocketLine:
    """A line over one WebSocket."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, frame: Frame) -> None:
        try:
            await self._connection.send(msgspec.json.encode(frame).decode())
        except ConnectionClosed:
            return  # `receive` says so too

    async def receive(self) -> list[ServerFrame]:
        try:
            return protocol.read_server(await self._connection.recv(decode=True))
        except ConnectionClosed as closed:
            raise Ended(closed.rcvd.code if closed.rcvd is not None else None) from None

    def drop(self) -> None:
        self._connection.transport.abort()


@asynccontextmanager
async def polling(
    url: str, admission: Admission, subscriptions: Subscriptions, door: str | None = None
) -> AsyncIterator[Line]:
    """Plain requests, for networks that let no WebSocket through."""
    line = PollingLine(Desk(url, door or url, admission), subscriptions)
    try:
        yield line
    finally:
        await line.close()


class PollingLine:
    """A line of polls and sends."""

    def __init__(self, desk: "Desk", subscriptions: Subscriptions) -> None:
        self._desk = desk
        self._subscriptions = subscriptions
        self._wait_ms = 0
        self._outgoing: deque[Frame] = deque()
        self._poll: asyncio.Task[list[ServerFrame]] | None = None
        self._send: asyncio.Task[list[ServerFrame]] | None = None
        self._renewed = asyncio.Event()
        self._pinged: int | None = None
        self._is_over = False

    async def send(self, frame: Frame) -> None:
        match frame:
            case {"t": "sub" | "unsub"}:
                await _end(self._poll)  # the next poll has the new subscriptions
            case {"t": "ping", "n": int(number)}:
                await _end(self._poll)
                self._pinged, self._wait_ms = number, 0
            case _:
                self._outgoing.append(frame)
        self._renewed.set()

    async def receive(self) -> list[ServerFrame]:
        while True:
            self._start()
            renewed = asyncio.ensure_future(self._renewed.wait())
            waiting = {task for task in (self._poll, self._send, renewed) if task is not None}
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                renewed.cancel()
            self._renewed.clear()
            if (frames := self._finished()) is not None:
                return frames

    def drop(self) -> None:
        self._is_over = True
        self._renewed.set()

    async def close(self) -> None:
        """Hang up."""
        for task in (self._poll, self._send):
            await _end(task)

    def _start(self) -> None:
        if self._is_over:
            raise Ended(Close.RESTARTING)
        if self._send is None and self._outgoing:
            self._send = asyncio.create_task(self._post_outgoing())
        if self._poll is None:
            self._poll = asyncio.create_task(self._post_poll())

    def _finished(self) -> list[ServerFrame] | None:
        """The answer to one of the requests; None when none is there. Raises: Ended."""
        if self._send is not None and self._send.done():
            done, self._send = self._send, None
            return done.result()
        if self._poll is not None and self._poll.done():
            done, self._poll = self._poll, None
            if done.cancelled():
                return None
            frames, self._wait_ms = done.result(), WAIT_MS
            if self._pinged is not None:
                frames, self._pinged = [*frames, Pong(self._pinged, {})], None
            self._is_over = self._is_over or any(isinstance(frame, Bye) for frame in frames)
            return frames
        return None

    async def _post_poll(self) -> list[ServerFrame]:
        asked = {"as": self._desk.admission.side, "subs": self._subscriptions(), "wait_ms": self._wait_ms}
        frames = await self._post("/chat/poll", asked)
        if any(isinstance(frame, Err) for frame in frames):
            await asyncio.sleep(REFUSED_PAUSE_S)
        return frames

    async def _post_outgoing(self) -> list[ServerFrame]:
        batch: list[Frame] = []
        size = 0
        while self._outgoing and len(batch) < protocol.BATCH:
            size += len(msgspec.json.encode(self._outgoing[0])) + 1
            if batch and size > BATCH_BYTES:
                break
            batch.append(self._outgoing.popleft())
        return await self._post(f"/chat/send?as={self._desk.admission.side}", batch)

    async def _post(self, path: str, asked: object) -> list[ServerFrame]:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                status, body = await self._desk.post(path, msgspec.json.encode(asked))
        except (OSError, TimeoutError, h11.ProtocolError) as error:
            raise Ended from error
        if status == OK:
            return protocol.read_server(body.decode())
        raise _as_ending(status, body)


@dataclass(frozen=True)
class Desk:
    """Where plain requests go."""

    url: str
    door: str
    admission: Admission

    async def post(self, path: str, content: bytes) -> tuple[int, bytes]:
        """One request on a connection of its own; the status and the body of the answer."""
        parts = urlsplit(self.door)
        secure = ssl.create_default_context() if parts.scheme == "https" else None
        port = parts.port or (443 if secure else 80)
        reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=secure)
        try:
            return await _exchange(reader, writer, self._request(path, content), content)
        finally:
            writer.transport.abort()

    def _request(self, path: str, content: bytes) -> h11.Request:
        headers = {
            "Host": urlsplit(self.url).netloc,
            "Origin": self.url,
            "Cookie": cookie_header(self.admission.cookies),
            "X-CSRF-Token": self.admission.csrf,
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Connection": "close",
        }
        return h11.Request(method="POST", target=path, headers=list(headers.items()))


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request, content: bytes
) -> tuple[int, bytes]:
    wire = h11.Connection(h11.CLIENT)
    for part in (request, h11.Data(data=content), h11.EndOfMessage()):
        writer.write(wire.send(part) or b"")
    await writer.drain()
    status, body = 0, b""
    while True:
        event = wire.next_event()
        if event is h11.NEED_DATA:
            wire.receive_data(await reader.read(READ_BYTES))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return status, body


def cookie_header(cookies: Mapping[str, str]) -> str:
    """`Secure` cookies are written by hand, so that a server on localhost can be talked to without TLS."""
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


def _as_ending(status: int, body: bytes) -> Ended:
    """A refused request as the end of a line, in the close codes of a socket."""
    codes = {401: Close.NOT_SIGNED_IN, 403: Close.FORBIDDEN, 413: Close.TOO_LARGE, 429: Close.OVERLOADED}
    if status in codes:
        return Ended(codes[status], _retry_s(body))
    return Ended(Close.BAD_FRAME if 400 <= status < 500 else None, _retry_s(body))


class _Refused(msgspec.Struct):
    retry_ms: int = 0


def _retry_s(body: bytes) -> float | None:
    try:
        return msgspec.json.decode(body, type=_Refused).retry_ms / 1_000 or None
    except msgspec.MsgspecError:
        return None


async def _end(task: "asyncio.Task[list[ServerFrame]] | None") -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
