"""One signed-in socket: what each frame of the client does, and where the client stands in every conversation.

Danger. A commit awaited in the receive loop (pongs go unread and a healthy client is cut), a right taken
from what the client says.

Principle. `receive` never waits: a message goes through `chat.sending`, which answers when the log has it; what needs a
read goes to a bounded list of errands that one task works off in order. Who is asking comes from the sign-in.

Boundary. Runs on the event loop; opens transactions only through errands.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from chat import audiences, protocol, rooms
from chat.marks import Reached
from chat.opening import open_noted
from chat.outlet import Outlet, Send
from chat.protocol import Close, Cursor
from chat.reaching import Reaching
from chat.reader import Reader, too_many_open
from chat.sending import Sending, pace_for, refused
from core import clock, hub, ledger
from core.database import FAULTS, Transaction
from core.identity import permissions
from core.identity.callers import Caller
from core.identity.permissions import Operation, Purpose
from core.refusals import NotFound, Refusal, Unavailable

ERRANDS = 64


class Connection:
    """A socket after its `hello`."""

    def __init__(
        self, chat: "rooms.Chat", caller: Caller, send: Send, abort: Callable[[], None], *, lang: str, inbox: bool
    ) -> None:
        self.chat = chat
        self.caller = caller
        self.audience = audiences.of_caller(caller)
        self._wants_inbox = inbox and caller.is_staff
        self.lang = lang
        self.out = Outlet(send, abort, self._fetch)
        self.reader = Reader(chat, self, self.out, open_noted)
        self._errands: list[tuple[str | None, Coroutine[Any, Any, None]]] = []
        self._runner: asyncio.Task[None] | None = None
        self._running: str | None = None
        self._beginning: dict[str, Cursor] = {}
        self._leaving: dict[str, None] = {}
        self._reaching = Reaching(self.reader.mark, self._run)
        self._tops_at = asyncio.get_running_loop().time() + protocol.HEARTBEAT_S
        self._pace = pace_for(chat.core.settings, caller)
        self._sending = Sending(chat, caller, lang, lambda frame: self.purpose_of(frame.c))

    # ------------------------------------------------------------ what the service asks of a connection

    @property
    def sending_since(self) -> float | None:
        """Since when (steady clock, seconds) a write has been waiting for the other side."""
        return self.out.sending_since

    def purpose_of(self, conversation_id: str) -> Purpose | None:
        """For what a member of staff opened the conversation."""
        return self.reader.purpose_of(conversation_id)

    def wake(self, conversation_id: str) -> None:
        """There are new events to fetch."""
        self.reader.wake(conversation_id)

    def tell(self, key: tuple[str, ...], frame: str) -> None:
        """Show a state."""
        self.out.tell(key, frame)

    def lose(self, conversation_id: str) -> None:
        """The right to this conversation has ended."""
        if self.reader.leave(conversation_id):
            self.out.reply(protocol.Gone(conversation_id))

    def restart(self, conversation_id: str) -> None:
        """The log is another telling now: whatever was shown of it must be forgotten."""
        self.reader.restart(conversation_id)

    def close(self, code: Close) -> None:
        """End it in good order."""
        self.out.close(code)

    def abort(self) -> None:
        """End it at once: the other side has stopped reading."""
        self.out.abort()

    def pulse(self, now_s: float) -> None:
        """Say now and then how far each log goes, also to a client that asks nothing because it hears other things."""
        if now_s < self._tops_at or self.out.is_ending:
            return
        self._tops_at = now_s + protocol.HEARTBEAT_S
        if tops := self.reader.tops():
            self.out.reply(protocol.Tops(tops))

    def leave_within(self, in_ms: int) -> None:
        """Say `bye`: come back after this time."""
        self.out.reply(protocol.Bye(in_ms, "restart"))

    async def finish(self) -> None:
        """The socket has ended: let go of everything."""
        self.chat.part(self)
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        self.chat.states.remove_desk(self)
        for _, errand in self._errands:
            errand.close()
        self._reaching.finish(lambda _, errand: self.chat.spawn(_unless_refused(errand)))
        self.reader.leave_all()
        await self.out.finish()

    # ------------------------------------------------------------ frames of the client

    def receive(self, frame: protocol.ClientFrame) -> None:
        """Act on one frame; never waits."""
        if self._pace.frames.take(asyncio.get_running_loop().time()):
            self.close(Close.ABUSE)
            return
        match frame:
            case protocol.Send():
                self._send(frame)
            case protocol.Sub(c, cur, ep, purpose):
                self._subscribe(c, Cursor(cur, ep, purpose))
            case protocol.Unsub(c):
                self._unsubscribe(c)
            case protocol.Get():
                self._run(frame.c, self.reader.get(frame))
            case protocol.Read(c, upto):
                self._reach(c, Reached(read=upto))
            case protocol.Received(c, upto):
                self._reach(c, Reached(received=upto))
            case protocol.Typing(c):
                self._type(c)
            case protocol.Ping(n):
                self.out.tell(("pong",), protocol.write(protocol.Pong(n, self.reader.tops())))

    def begin(self, subs: dict[str, Cursor]) -> None:
        """Pick up where the client stood, then say how far each log goes."""
        self._beginning = subs
        self._run(None, self._begin_or_end())

    async def _begin_or_end(self) -> None:
        """With the database away the socket ends: one that stayed open would hold a client that hears nothing."""
        try:
            await self._begin(list(self._beginning.items()))
        except FAULTS:
            self.close(Close.INTERNAL)
        finally:
            self._beginning = {}

    async def _begin(self, subs: Sequence[tuple[str, Cursor]]) -> None:
        if self._wants_inbox:
            await self.chat.core.database.write(_note_inbox, self.caller, now=clock.now())
            self.chat.states.add_desk(self)
        for conversation_id, cursor in subs[: protocol.SUBSCRIPTIONS]:
            if self.out.is_ending:
                return
            await self._resume(conversation_id, cursor)
        for conversation_id, _ in subs[protocol.SUBSCRIPTIONS :]:
            await self.out.room()
            self._refuse(too_many_open(), c=conversation_id)
        self.out.reply(protocol.Tops(self.reader.tops()))

    async def _resume(self, conversation_id: str, cursor: Cursor) -> None:
        try:
            await self.reader.subscribe(conversation_id, cursor)
        except NotFound:
            self.out.reply(protocol.Gone(conversation_id))
        except Refusal as refusal:
            self._refuse(refusal, c=conversation_id)

    def _subscribe(self, conversation_id: str, cursor: Cursor) -> None:
        if self._run(conversation_id, self.reader.subscribe(conversation_id, cursor)):
            self._leaving.pop(conversation_id, None)

    def _unsubscribe(self, conversation_id: str) -> None:
        """Leave at once, or after what was asked before and still waits; this is never refused."""
        if not self._awaits(conversation_id):
            self.reader.leave(conversation_id)
        elif conversation_id not in self._leaving:
            self._leaving[conversation_id] = None
            self._errands.append((conversation_id, self._leave(conversation_id)))

    def _awaits(self, conversation_id: str) -> bool:
        """Whether something is being done, or waits, that may open the conversation."""
        is_running = self._runner is not None and self._running == conversation_id
        return is_running or conversation_id in {each for each, _ in self._errands} | self._beginning.keys()

    async def _leave(self, conversation_id: str) -> None:
        self._leaving.pop(conversation_id, None)
        self.reader.leave(conversation_id)

    def _send(self, frame: protocol.Send) -> None:
        self._sending.send(frame, self.out.reply)
        if self._sending.is_abuse:
            self.close(Close.ABUSE)

    def _refuse(self, refusal: Refusal, *, c: str | None = None) -> None:
        self.out.reply(refused(refusal, self.lang, c=c))

    def _type(self, conversation_id: str) -> None:
        if self.reader.holds(conversation_id) and not self._pace.typing.take(asyncio.get_running_loop().time()):
            self.chat.core.hub.publish(hub.TYPING, hub.hint(conversation_id, self.caller.ref))

    def _reach(self, conversation_id: str, reached: Reached) -> None:
        if self.reader.holds(conversation_id) and max(reached.read, reached.received) > 0:
            self._reaching.note(conversation_id, reached)

    async def _fetch(self) -> list[str]:
        return [text for page in (await self.reader.fetch()).values() for text in page]

    # ------------------------------------------------------------ errands

    def _run(self, conversation_id: str | None, errand: Coroutine[Any, Any, None]) -> bool:
        """Have it done in its turn; False when it was refused."""
        if len(self._errands) >= ERRANDS:
            errand.close()
            self._refuse(Unavailable("busy", retry_ms=1_000), c=conversation_id)
            return False
        self._errands.append((conversation_id, errand))
        if self._runner is None:
            self._runner = asyncio.get_running_loop().create_task(self._run_all(), name="chat-errands")
        return True

    async def _run_all(self) -> None:
        try:
            while self._errands:
                await self.out.room()
                await self._guarded(*self._errands.pop(0))
        finally:
            self._runner = None

    async def _guarded(self, conversation_id: str | None, errand: Coroutine[Any, Any, None]) -> None:
        self._running = conversation_id
        try:
            await errand
        except NotFound:
            self.out.reply(protocol.Gone(conversation_id or ""))
        except Refusal as refusal:
            self._refuse(refusal, c=conversation_id)
        except FAULTS:
            self._refuse(Unavailable(retry_ms=2_000), c=conversation_id)


async def _unless_refused(errand: Coroutine[Any, Any, None]) -> None:
    """Nobody is there any more to be told why not."""
    with suppress(Refusal, *FAULTS):
        await errand


def _note_inbox(tx: Transaction, caller: Caller, *, now: int) -> None:
    """Cards show what shoppers wrote last: watching the inbox is a reading of content (clause 3(2))."""
    permissions.require(caller, Operation.READ_CONVERSATION)
    purpose = Purpose.P2_CONTRACT_AFTERSALES
    ledger.append(tx, caller=caller, action="inbox.watch", object=("inbox", "all"), purpose=purpose, now=now)
