"""A short visit: a watcher that comes with its cursors, waits for news, takes one message's worth and goes.

Danger. News lost between two visits; content given to staff without an entry in the ledger; a room kept for somebody
who has gone.

Principle. A visit is a socket that lives for one answer: the same reader, the same rooms, the same numbers, and the
client brings everything it wants remembered. For staff every answer that carries events, or that was asked for
without a cursor, asks for the right once more and leaves an entry before it leaves the house; a visit that ends with
nothing to tell has shown no content and leaves none, or a day of waiting would be thousands of entries that bury the
ones that matter (clause 3(2)).

Boundary. Runs on the event loop inside one request; whoever makes it calls `leave` at the end.
"""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress

from chat import audiences, protocol, rooms
from chat.leaving import DRAIN_S
from chat.opening import Wish, open_for, open_unnoted
from chat.outlet import MESSAGE_BYTES
from chat.protocol import Close, Cursor
from chat.reader import Reader
from chat.sending import refused
from core import clock
from core.database import FAULTS, Transaction
from core.identity.callers import Caller
from core.identity.permissions import Purpose
from core.refusals import NotFound, NotSignedIn, Refusal, Unavailable


class Visit:
    """One poll: `await visit.answer(subs, wait_s)`, then `visit.leave()`."""

    sending_since: float | None = None  # the server writes the answer when the visit is over

    def __init__(self, chat: "rooms.Chat", caller: Caller, lang: str) -> None:
        self.caller = caller
        self.audience = audiences.of_caller(caller)
        self._chat = chat
        self._lang = lang
        self._reader = Reader(chat, self, self, open_unnoted)
        self._told_of = ""
        self._openings: dict[str, list[str]] = {}
        self._news: set[str] = set()
        self._pages: dict[str, list[str]] = {}
        self._states: dict[tuple[str, ...], str] = {}
        self._notices: list[str] = []
        self._is_wanted = False
        self._is_over = False
        self._has_gone = False
        self._ended_by: Close | None = None
        self._changed = asyncio.Event()

    async def answer(self, subs: Mapping[str, Cursor], wait_s: float) -> list[str]:
        """The frames a socket would be sent now; waits for some when there are none.

        Raises: NotSignedIn, Unavailable.
        """
        until = asyncio.get_running_loop().time() + wait_s
        self._chat.join(self)
        if self._chat.is_draining:
            self.leave_within(random.randint(0, int(DRAIN_S * 1_000)))  # noqa: S311  (spreads the reconnects)
        else:
            await self._open_all(subs)
        await self._collect()
        while not self._has_news and not self._is_over:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._changed.wait()
            if not self._changed.is_set():
                break
            self._changed.clear()
            await self._collect()
        return await self._told(subs)

    def hang_up(self) -> None:
        """Whoever asked has gone: nothing is shown to anybody."""
        self._has_gone = True
        self._end()

    def leave(self) -> None:
        """Let go of every room."""
        self._chat.part(self)
        self._reader.leave_all()

    # ------------------------------------------------------------ what the service and the rooms ask of a watcher

    def purpose_of(self, conversation_id: str) -> Purpose | None:
        """For what a member of staff opened the conversation."""
        return self._reader.purpose_of(conversation_id)

    def tell(self, key: tuple[str, ...], frame: str) -> None:
        """Show a state."""
        self._states[key] = frame
        self._changed.set()

    def lose(self, conversation_id: str) -> None:
        """The right to this conversation has ended."""
        if self._reader.leave(conversation_id):
            self._forget(conversation_id)
            self._changed.set()

    def restart(self, conversation_id: str) -> None:
        """The log is another telling now: what was fetched of the one before is not told."""
        self._pages.pop(conversation_id, None)
        self._reader.restart(conversation_id)

    def close(self, code: Close) -> None:
        """The visit ends for a reason that a socket would close for."""
        self._ended_by = code
        self._end()

    def abort(self) -> None:
        """Nothing is being written while the visit lasts."""

    def pulse(self, now_s: float) -> None:
        """Every answer ends with how far each log goes."""

    def leave_within(self, in_ms: int) -> None:
        """Say `bye`: come back after this time."""
        self._notices.append(protocol.write(protocol.Bye(in_ms, "restart")))
        self._end()

    # ------------------------------------------------------------ where the reader puts what it has

    def wake(self, conversation_id: str | None = None) -> None:
        """There are events to fetch: a room says in which conversation, the reader only that there are some."""
        if conversation_id is not None:
            self._reader.wake(conversation_id)
            return
        self._is_wanted = True
        self._changed.set()

    def reply(self, *frames: protocol.ServerFrame) -> None:
        """What opening a conversation answers, or beginning it anew while another is being opened."""
        for frame in frames:
            if isinstance(frame, protocol.Reset | protocol.SubOk):
                self._told_of = frame.c
            if isinstance(frame, protocol.Reset):
                self._news.add(frame.c)
            self.say(protocol.write(frame))

    def say(self, *frames: str) -> None:
        """As `reply`, for frames that are text already: they belong to the conversation that was answered last."""
        self._openings.setdefault(self._told_of, []).extend(frames)

    # ------------------------------------------------------------ the visit

    def _end(self) -> None:
        self._is_over = True
        self._changed.set()

    @property
    def _has_news(self) -> bool:
        return bool(self._news or self._notices or self._states)

    async def _open_all(self, subs: Mapping[str, Cursor]) -> None:
        for conversation_id, cursor in subs.items():
            if self._is_over:
                return
            try:
                await self._reader.subscribe(conversation_id, cursor)
            except NotFound:
                self._forget(conversation_id)
            except Refusal as refusal:
                self._notices.append(protocol.write(refused(refusal, self._lang, c=conversation_id)))
            except FAULTS:
                unavailable = refused(Unavailable(retry_ms=2_000), self._lang, c=conversation_id)
                self._notices.append(protocol.write(unavailable))
            else:
                if cursor.cur is None or cursor.marks not in (None, self._reader.marks_of(conversation_id)):
                    self._news.add(conversation_id)

    async def _collect(self) -> None:
        """Fetch what follows the cursors, until there is a message's worth."""
        while self._is_wanted and not self._is_over and self._size() < MESSAGE_BYTES:
            self._is_wanted = False
            for conversation_id, page in (await self._reader.fetch()).items():
                if page:
                    self._pages.setdefault(conversation_id, []).extend(page)
                    self._news.add(conversation_id)

    def _size(self) -> int:
        return sum(protocol.size(text) for page in self._pages.values() for text in page)

    async def _told(self, subs: Mapping[str, Cursor]) -> list[str]:
        if self._ended_by is not None and self._ended_by is not Close.RESTARTING:
            raise NotSignedIn if self._ended_by is Close.NOT_SIGNED_IN else Unavailable(retry_ms=1_000)
        if self._has_gone:
            return []
        await self._note(subs)
        frames: list[str] = []
        for conversation_id in subs:
            if conversation_id in self._news:
                frames += self._openings.get(conversation_id, ())
        frames += self._fitting()
        frames += [*self._states.values(), *self._notices]
        return [*frames, protocol.write(protocol.Tops(self._reader.tops()))]

    async def _note(self, subs: Mapping[str, Cursor]) -> None:
        """Before content leaves: staff are asked once more, and an entry is made."""
        shown = {each for each in self._news if each in self._pages or subs[each].cur is None}
        if not self.caller.is_staff or not shown:
            return
        purposes = {each: self.purpose_of(each) for each in sorted(shown)}
        kept = await self._chat.core.database.write(_note, self.caller, purposes, now=clock.now())
        for conversation_id in shown - kept:
            self.lose(conversation_id)

    def _fitting(self) -> list[str]:
        """What goes into one message; the client asks for the rest with its next cursor."""
        frames: list[str] = []
        size = 0
        for text in (text for page in self._pages.values() for text in page):
            size += protocol.size(text)
            if frames and size > MESSAGE_BYTES:
                break
            frames.append(text)
        return frames

    def _forget(self, conversation_id: str) -> None:
        self._pages.pop(conversation_id, None)
        self._news.discard(conversation_id)
        self._states = {key: frame for key, frame in self._states.items() if conversation_id not in key}
        self._notices.append(protocol.write(protocol.Gone(conversation_id)))


def _note(tx: Transaction, caller: Caller, purposes: Mapping[str, Purpose | None], *, now: int) -> set[str]:
    """Which of the conversations the caller may still have, each with its entry."""
    kept = set()
    for conversation_id, purpose in purposes.items():
        with suppress(Refusal):
            open_for(tx, Wish(caller, conversation_id, purpose), now=now)
            kept.add(conversation_id)
    return kept
