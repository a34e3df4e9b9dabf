"""A client of the chat for bots, replay and tests: an outbox that survives every lost connection, and views without
gaps.

    async with Client("https://shop.example", Admission("staff", cookies, csrf)) as client:
        async for event in client.events(conversation):
            if event.from_.kind == "shopper":
                await client.send(conversation, "We open at nine.")

Danger. A client that invents an acknowledgement, hides a gap or resends out of order loses messages, and as a test it
would prove the server right or wrong for nothing.

Principle. What is said is in the outbox until the server acknowledges it; after each reconnection the whole outbox
goes out again in its order, each message pointing at the one before it (`after`), with the id it always had. A view
takes number n+1 and nothing else. A `Witness` is told everything before it has an effect.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

from chat import lines, protocol
from chat.lines import Admission, Ended, Frame, Line, Opening
from chat.outbox import Outbox, Pending, Refusing
from chat.protocol import Ack, Bye, Close, Err, Ev, Gone, Pong, Reset, SubOk, Tops
from chat.views import Views
from chat.witness import Witness

PING_AFTER_S = 25
DEAD_AFTER_S = 40
AGAIN_S = 0.5
FOR_GOOD = frozenset({1003, 1007, 1009, 4400, 4401, 4403, 4406, 4413})


@dataclass(frozen=True)
class Pauses:
    """How long to stay away after a lost connection: between the shortest and, growing, the longest; in seconds."""

    shortest_s: float = 0.5
    longest_s: float = 30.0


class Client:
    """One participant; use as `async with`. With `opening=lines.polling` it goes without a socket."""

    def __init__(
        self,
        url: str,
        admission: Admission,
        *,
        opening: Opening = lines.socket,
        pauses: Pauses = Pauses(),
        witness: Witness | None = None,
    ) -> None:
        self.admission = admission
        self.outbox = Outbox(witness or Witness())
        self.views = Views(witness or Witness())
        self._witness = witness or Witness()
        self._url = url
        self._opening = opening
        self._pauses = pauses
        self._line: Line | None = None
        self._changed = asyncio.Event()
        self._living: asyncio.Task[None] | None = None
        self._stopped: str | None = None
        self._told_to_wait_s: float | None = None
        self._again_at: dict[str, float] = {}
        self._pongs = 0

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

    async def events(self, conversation: str, since: tuple[str, int] | None = None) -> AsyncIterator[Ev]:
        """Every event from here on, each once and in order; the newest 50 first, or what follows `since`.

        `since` is an epoch and a number, as `position` gives them before a restart. What has been taken is forgotten,
        so one loop may follow a conversation. Raises: Refusing.
        """
        view = self.views[conversation]
        if since is not None:
            self.views.resume(conversation, *since)
        await self.watch(conversation)
        while True:
            if view.events:
                yield view.events.pop(0)
            elif view.refused is not None:
                raise Refusing(view.refused, "The server does not show this conversation.")
            else:
                await self.until(lambda: bool(view.events) or view.refused is not None, limit_s=None)

    def position(self, conversation: str) -> tuple[str, int] | None:
        """Epoch and number up to which the conversation was received, to go on from after a restart."""
        view = self.views[conversation]
        return (view.epoch, view.cursor) if view.epoch is not None else None

    async def watch(self, conversation: str) -> None:
        """Follow a conversation from here on. Raises: Refusing, TimeoutError."""
        view = self.views[conversation]
        view.refused = None
        await self._send({"t": "sub", "c": conversation} | self.views.place(conversation))
        await self.until(lambda: view.is_open or view.refused is not None)
        if view.refused is not None:
            raise Refusing(view.refused, "The server does not show this conversation.")

    async def leave(self, conversation: str) -> None:
        """Follow it no longer."""
        self.views.leave(conversation)
        await self._send({"t": "unsub", "c": conversation})

    async def send(self, conversation: str, text: str, *, kind: str = "message") -> int:
        """Say something and wait until the server has it; its number in this client's counting. Raises: Refusing."""
        return await (await self.post(conversation, text, kind=kind)).done

    async def post(self, conversation: str, text: str, *, kind: str = "message") -> Pending:
        """Say something and go on; `done` of what is returned tells when the server has it."""
        return await self._put(conversation, kind, {"text": text})

    async def show(self, conversation: str, attachment: str) -> int:
        """Send an uploaded file and wait until the server has it. Raises: Refusing."""
        return await (await self._put(conversation, "media", {"attachment": attachment})).done

    async def _put(self, conversation: str, kind: str, body: object) -> Pending:
        self._refuse_after_the_end()
        pending = self.outbox.put(conversation, kind, body)
        await self._send_all([pending])
        return pending

    async def read(self, conversation: str, upto: int) -> None:
        """Say that everything up to a number has been read."""
        await self._send({"t": "read", "c": conversation, "upto": upto})

    async def until(self, holds: Callable[[], bool], *, limit_s: float | None = 60) -> None:
        """Wait until something about this client holds. Raises: TimeoutError, Refusing."""
        async with asyncio.timeout(limit_s):
            while not holds():
                self._refuse_after_the_end()
                await self._changed.wait()

    def _refuse_after_the_end(self) -> None:
        if self._stopped is not None:
            raise Refusing(self._stopped, "The connection has ended for good.")

    async def whole(self, conversation: str) -> Sequence[Ev]:
        """Every event from the first: what the newest page leaves out is asked for."""
        await self.watch(conversation)
        view = self.views[conversation]
        first = view.first
        await self.until(partial(view.reaches, first, view.last))
        while first > 1:
            await self._send(self.views.earlier(conversation, first))
            first = max(1, first - protocol.PAGE)
            await self.until(partial(view.reaches, first, view.last))
        return view.events

    async def echo(self, *, limit_s: float = 60) -> None:
        """Ask for a sign of life until one comes: whatever the server wrote before has then arrived."""
        heard = self._pongs
        async with asyncio.timeout(limit_s):
            while self._pongs == heard:
                await self.until(lambda: self.is_connected)
                asked = self._line
                await self._send({"t": "ping", "n": 2})
                await self.until(lambda: self._pongs > heard or self._line is not asked)  # noqa: B023  (awaited here)

    @property
    def is_connected(self) -> bool:
        """Whether the server has welcomed us and nothing has ended that since."""
        return self._line is not None

    async def drop(self) -> None:
        """Lose the connection as a dying network does: without a word."""
        if self._line is not None:
            self._line.drop()

    async def _live(self) -> None:
        """Come back until the server forbids it; a fault of ours ends everything that waits, and `aexit` raises it."""
        try:
            await self._keep_connected()
        except Exception:
            self._stop("client_failed")
            raise

    async def _keep_connected(self) -> None:
        longest = self._pauses.shortest_s
        while self._stopped is None:
            self._told_to_wait_s = None
            was_welcome = await self._visited()
            longest = self._pauses.shortest_s if was_welcome else min(longest * 2, self._pauses.longest_s)
            pause = random.uniform(0 if was_welcome else self._pauses.shortest_s, longest)  # noqa: S311  (jitter)
            await asyncio.sleep(pause if self._told_to_wait_s is None else self._told_to_wait_s)

    async def _visited(self) -> bool:
        """One connection, from the handshake to its end; whether the server welcomed us."""
        try:
            async with self._opening(self._url, self.admission, self.views.subscriptions) as line:
                await self._listen(line)
        except Ended as ended:
            self._judge(ended)
        was_welcome = self._line is not None
        if was_welcome:
            self._witness.lost(time.monotonic())
        self._line = None
        self._wake()
        return was_welcome

    async def _listen(self, line: Line) -> None:
        heard = time.monotonic()
        while time.monotonic() - heard < DEAD_AFTER_S:
            due = min([max(heard, time.monotonic() - 1) + PING_AFTER_S, *self._due_times()])
            try:
                async with asyncio.timeout(max(0.0, due - time.monotonic())):
                    frames = await line.receive()
            except TimeoutError:
                await self._nudge(line)
                continue
            heard = time.monotonic()
            if self._line is None:
                await self._welcomed(line)
            for frame in frames:
                await self._take_in(frame)
            self._wake()

    def _due_times(self) -> Iterable[float]:
        next_due = self.outbox.next_due()
        return [*self._again_at.values(), *([] if next_due is None else [next_due])]

    async def _welcomed(self, line: Line) -> None:
        self._witness.connected(time.monotonic())
        self._line = line
        self._again_at.clear()
        await self._send_all(self.outbox.reconnected())

    async def _nudge(self, line: Line) -> None:
        """Do again what is due; when nothing is, it was the silence: ask whether the server lives."""
        now = time.monotonic()
        ripe = [conversation for conversation, at in self._again_at.items() if at <= now]
        for conversation in ripe:
            del self._again_at[conversation]
            await line.send({"t": "sub", "c": conversation} | self.views.place(conversation))
        due = self.outbox.due(now)
        await self._send_all(due)
        if not due and not ripe:
            await line.send({"t": "ping", "n": 1})

    async def _take_in(self, frame: protocol.ServerFrame) -> None:
        now = time.monotonic()
        match frame:
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
            case Err(c=str(conversation), retry="same") if self.views[conversation].is_open:
                self._again_at[conversation] = at + AGAIN_S
            case Err(c=str(conversation), code=code):
                self.views.refuse(conversation, code)
            case Gone(c=conversation):
                self.views.leave(conversation)
                self.views.refuse(conversation, "gone")
            case _:
                pass  # states, typing and ends of pages: nothing that has to be remembered

    def _judge(self, ended: Ended) -> None:
        if ended.code in FOR_GOOD:
            self._stop(f"closed_{ended.code}")
        elif ended.code == Close.ABUSE:
            self._told_to_wait_s = self._pauses.longest_s
        elif ended.wait_s is not None:
            self._told_to_wait_s = ended.wait_s

    def _stop(self, code: str) -> None:
        self._stopped = code
        self.outbox.fail(code)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _ask(self, *questions: Frame | None) -> None:
        for question in questions:
            if question is not None:
                await self._send(question)

    async def _send_all(self, messages: Iterable[Pending]) -> None:
        for pending in messages:
            seen = self.views.seen(pending.conversation) if self.admission.side == "staff" else None
            await self._send(self.outbox.frame(pending, seen=seen))

    async def _send(self, frame: Frame) -> None:
        """Best effort: whatever is lost with the connection is asked or sent again after the next one."""
        if self._line is None:
            return
        if frame["t"] == "send":
            self._witness.sent(str(frame["c"]), str(frame["m"]), time.monotonic())
        await self._line.send(frame)
