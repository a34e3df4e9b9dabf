"""A client of the chat socket for replay and tests: an outbox that survives every lost connection, and views without
gaps.

Danger. A client that invents an acknowledgement, hides a gap or resends out of order would prove the server right
or wrong for nothing.

Principle. What is said is in the outbox until the server acknowledges it; after each reconnection the whole outbox
goes out again in its order, each message pointing at the one before it (`after`), with the id it always had. A view
takes number n+1 and nothing else. Everything that happens is written into the journal before it has an effect.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import cycle
from types import TracebackType
from typing import Self

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.typing import Origin, Subprotocol

from chat import protocol
from chat.protocol import Ack, Bye, Err, Ev, Gone, Pong, Reset, SubOk, Tops, Welcome
from support.replay.doors import Admission, cookie_header
from support.replay.journal import Connected, Journal, Lost, Sent
from support.replay.outbox import Frame, Outbox, Pending, Refusing
from support.replay.views import Views

OPEN_TIMEOUT_S = 10
PING_AFTER_S = 25
DEAD_AFTER_S = 40
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
NEVER_AGAIN = range(4400, 4500)


class Client:
    """One participant on one socket; use as `async with`.

    `url` is the server's public address; `doors`, when given, are where it is really reached, each connection by the
    next one: several processes, or something in between.
    """

    def __init__(self, url: str, admission: Admission, doors: Sequence[str] = ()) -> None:
        self.admission = admission
        self.journal = Journal(admission.ref, "public" if admission.side == "shopper" else "staff")
        self.outbox = Outbox(self.journal)
        self.views = Views(self.journal)
        self._url = url
        self._doors = cycle(doors or (url,))
        self._may_come = asyncio.Event()
        self._may_come.set()
        self._pongs = 0
        self._socket: ClientConnection | None = None
        self._changed = asyncio.Event()
        self._living: asyncio.Task[None] | None = None
        self._stopped: str | None = None
        self._told_to_wait_s: float | None = None

    async def __aenter__(self) -> Self:
        self._living = asyncio.create_task(self._live())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._living is not None
        self._living.cancel()
        with suppress(asyncio.CancelledError):
            await self._living

    async def watch(self, conversation: str) -> None:
        """Follow a conversation from here on. Raises: Refusing, TimeoutError."""
        view = self.views[conversation]
        await self._send({"t": "sub", "c": conversation})
        await self.until(lambda: view.is_open or view.refused is not None)
        if view.refused is not None:
            raise Refusing(view.refused, "The server does not show this conversation.")

    async def leave(self, conversation: str) -> None:
        """Follow it no longer."""
        self.views.leave(conversation)
        await self._send({"t": "unsub", "c": conversation})

    async def say(self, conversation: str, text: str, *, kind: str = "message") -> int:
        """Say something and wait until the server has it; its number in this client's counting. Raises: Refusing."""
        return await (await self.post(conversation, text, kind=kind)).done

    async def post(self, conversation: str, text: str, *, kind: str = "message") -> Pending:
        """Say something and go on; `done` of what is returned tells when the server has it."""
        pending = self.outbox.put(conversation, kind, {"text": text})
        await self._send_all([pending])
        return pending

    async def repeat(self, pending: Pending) -> Pending:
        """Send once more what is under way, as an impatient client does."""
        await self._send_all([pending] if pending in self.outbox.everything() else [])
        return pending

    async def post_as(self, conversation: str, text: str, client_id: str) -> Pending:
        """As `post`, under an id that was used before."""
        pending = self.outbox.put(conversation, "message", {"text": text}, client_id)
        await self._send_all([pending])
        return pending

    async def show(self, conversation: str, attachment: str) -> int:
        """Send an uploaded file and wait until the server has it. Raises: Refusing."""
        pending = self.outbox.put(conversation, "media", {"attachment": attachment})
        await self._send_all([pending])
        return await pending.done

    async def until(self, holds: Callable[[], bool], *, limit_s: float = 60) -> None:
        """Wait until something about this client holds. Raises: TimeoutError, Refusing."""
        async with asyncio.timeout(limit_s):
            while not holds():
                if self._stopped is not None:
                    raise Refusing(self._stopped, "The server closed the connection for good.")
                await self._changed.wait()

    async def whole(self, conversation: str) -> Sequence[protocol.Ev]:
        """Every event from the first: what the newest page leaves out is asked for."""
        await self.watch(conversation)
        view = self.views[conversation]
        first = view.first
        await self.until(partial(view.reaches, first, view.last))
        while first > 1:
            await self._send({"t": "get", "c": conversation, "before": first, "limit": protocol.PAGE})
            first = max(1, first - protocol.PAGE)
            await self.until(partial(view.reaches, first, view.last))
        return view.events

    @property
    def is_connected(self) -> bool:
        """Whether the server has welcomed us and nothing has ended that since."""
        return self._socket is not None

    async def drop(self) -> None:
        """Lose the connection as a dying network does: without a word."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def stay_away(self) -> None:
        """Lose the connection and do not come back until told to."""
        self._may_come.clear()
        await self.drop()
        await self.until(lambda: not self.is_connected)

    def come_back(self) -> None:
        """The network is there again."""
        self._may_come.set()

    async def echo(self, *, limit_s: float = 60) -> None:
        """Ask for a sign of life until one comes: whatever the server wrote before has then arrived."""
        heard = self._pongs
        async with asyncio.timeout(limit_s):
            while self._pongs == heard:
                await self.until(lambda: self.is_connected)
                asked = self._socket
                await self._send({"t": "ping", "n": 2})
                await self.until(lambda: self._pongs > heard or self._socket is not asked)  # noqa: B023  (awaited here)

    async def _live(self) -> None:
        longest = SHORTEST_PAUSE_S
        while self._stopped is None:
            self._told_to_wait_s = None
            await self._may_come.wait()
            was_welcome = await self._visited()
            longest = SHORTEST_PAUSE_S if was_welcome else min(longest * 2, LONGEST_PAUSE_S)
            pause = random.uniform(SHORTEST_PAUSE_S, longest)  # noqa: S311  (jitter, not a secret)
            await asyncio.sleep(pause if self._told_to_wait_s is None else self._told_to_wait_s)

    async def _visited(self) -> bool:
        """One connection, from the handshake to its end; whether the server welcomed us."""
        try:
            async with connect(
                next(self._doors).replace("http", "ws", 1) + "/chat/socket",
                origin=Origin(self.admission.origin or self._url),
                subprotocols=[Subprotocol(protocol.SUBPROTOCOL)],
                additional_headers={"Cookie": cookie_header(self.admission.cookies)},
                compression=None,
                open_timeout=OPEN_TIMEOUT_S,
                close_timeout=1,
                ping_interval=None,
            ) as socket:
                await socket.send(msgspec.json.encode(self._hello()).decode())
                await self._listen(socket)
        except ConnectionClosed as closed:
            self._judge(closed)
        except (OSError, WebSocketException, TimeoutError):
            pass  # the server is away; we come again
        was_welcome = self._socket is not None
        if was_welcome:
            self.journal.write(Lost(time.monotonic()))
        self._socket = None
        self._wake()
        return was_welcome

    async def _listen(self, socket: ClientConnection) -> None:
        heard = time.monotonic()
        while time.monotonic() - heard < DEAD_AFTER_S:
            due = min(max(heard, time.monotonic() - 1) + PING_AFTER_S, self.outbox.next_due() or float("inf"))
            try:
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    text = await socket.recv(decode=True)
            except TimeoutError:
                await self._nudge(socket)
                continue
            heard = time.monotonic()
            for frame in protocol.read_server(text):
                await self._take_in(socket, frame)
            self._wake()

    async def _nudge(self, socket: ClientConnection) -> None:
        """Send again what is due; when nothing is, it was the silence: ask whether the server lives."""
        if due := self.outbox.due(time.monotonic()):
            await self._send_all(due)
        else:
            await socket.send('{"t":"ping","n":1}')

    async def _take_in(self, socket: ClientConnection, frame: protocol.ServerFrame) -> None:
        now = time.monotonic()
        match frame:
            case Welcome():
                self.journal.write(Connected(now))
                self._socket = socket
                await self._send_all(self.outbox.reconnected())
            case Ev():
                await self._ask(self.views.deliver(frame, at=now))
            case Tops(conv=tops) | Pong(tops=tops):
                self._pongs += isinstance(frame, Pong)
                await self._ask(*self.views.behind(tops))
            case Bye(in_ms=in_ms):
                self._told_to_wait_s = in_ms / 1000
            case _:
                self._note(frame, at=now)

    def _note(self, frame: protocol.ServerFrame, *, at: float) -> None:
        match frame:
            case Ack():
                self.outbox.acknowledge(frame, at=at)
            case Err(m=str()):
                self.outbox.refuse(frame, at=at)
            case SubOk() | Reset():
                self.views.open(frame, at=at)
            case Err(c=str(conversation), code=code):
                self.views.refuse(conversation, code)
            case Gone(c=conversation):
                self.views.refuse(conversation, "gone")
            case _:
                pass  # states, typing and ends of pages: nothing that has to be remembered

    def _judge(self, closed: ConnectionClosed) -> None:
        code = closed.rcvd.code if closed.rcvd is not None else None
        if code in NEVER_AGAIN:
            self._stopped = f"closed_{code}"
            self.outbox.fail(self._stopped)
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _hello(self) -> Frame:
        side = self.admission.side
        return {
            "t": "hello",
            "csrf": self.admission.csrf,
            "tab": "replay",
            "as": side,
            "subs": self.views.subscriptions(),
        }

    async def _ask(self, *questions: Frame | None) -> None:
        for question in questions:
            if question is not None:
                await self._send(question)

    async def _send_all(self, messages: Iterable[Pending]) -> None:
        for pending in messages:
            view = self.views[pending.conversation]
            seen = view.cursor if self.admission.side == "staff" and view.is_open else None
            await self._send(self.outbox.frame(pending, seen=seen))

    async def _send(self, frame: Frame) -> None:
        """Best effort: whatever is lost with the connection is asked or sent again after the next one."""
        if self._socket is None:
            return
        if frame["t"] == "send":
            self.journal.write(Sent(str(frame["c"]), str(frame["m"]), time.monotonic()))
        with suppress(ConnectionClosed):
            await self._socket.send(msgspec.json.encode(frame).decode())
