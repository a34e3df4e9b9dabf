"""Where one client stands in each conversation, and what it is given from there.

Danger. A hole or a repetition in what a client receives.

Principle. Nothing is given before `chat.opening` has let the client in. A cursor moves by one; a number that does not
follow ends the socket so that the client resumes.

Boundary. Runs on the event loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from prometheus_client import Counter

from chat import audiences, conversations, epochs, log, marks, protocol, rooms, states
from chat.audiences import Audience, Event
from chat.epochs import Lost
from chat.log import Span
from chat.marks import Reached
from chat.opening import Open, Opened, Wish
from chat.outlet import MESSAGE_BYTES
from chat.protocol import Close, Cursor
from chat.standing import Standing
from chat.watchers import Connection
from chat.watching import Room
from core import clock
from core.database import FAULTS, Transaction
from core.identity.callers import Caller
from core.identity.permissions import Operation, Purpose
from core.refusals import Invalid, NotAllowed, NotFound, Refusal

GAPS = Counter("aftercare_client_gap", "Holes that clients saw in what they were given; there should be none.")

MOST_EMPTY_PAGES = 3


@dataclass
class Subscription:
    """Where the client stands in one conversation."""

    room: Room
    cursor: int
    purpose: Purpose | None
    marks: int


def page_of(frame: protocol.Get, events: Sequence[Event], audience: Audience) -> list[protocol.ServerFrame]:
    """The answer to a `get`: what was found, closed by a `page`."""
    upto = frame.to if frame.before is None and frame.to is not None else None
    frames = [each for event in events if (each := audiences.frame(event, audience))]
    frames = [each for each in frames if upto is None or each.s <= upto]
    first, last = (frames[0].s, frames[-1].s) if frames else (0, 0)
    return [*frames, protocol.Page(frame.c, first, last, first > 1)]


def resume(row: Standing, audience: Audience, cursor: Cursor) -> tuple[int, str | None]:
    """After which number to go on, and why the client must forget what it holds, if it must."""
    last = row.last_seq if audience is Audience.STAFF else row.last_pub_seq
    newest = max(0, last - protocol.NEWEST)
    if cursor.cur is None:
        return newest, None
    if cursor.ep != row.epoch:
        return newest, "epoch"
    if not 0 <= cursor.cur <= last:
        return newest, "ahead"
    return (newest, "far") if last - cursor.cur > protocol.FAR else (cursor.cur, None)


class Out(Protocol):
    """Where a reader puts what the client is to get."""

    def reply(self, *frames: protocol.ServerFrame) -> None:
        """Answer something the client asked."""

    def say(self, *frames: str) -> None:
        """As `reply`, for frames that are text already."""

    def wake(self) -> None:
        """There are events to fetch."""


class Reader:
    """The subscriptions of one socket, or of one poll."""

    def __init__(self, chat: "rooms.Chat", watcher: Connection, out: Out, open_: Open) -> None:
        self._chat = chat
        self._watcher = watcher
        self._caller = watcher.caller
        self._audience = watcher.audience
        self._out = out
        self._open = open_
        self._subscriptions: dict[str, Subscription] = {}
        self._dirty: dict[str, None] = {}  # an empty set is three times as big
        self._witnessed: dict[str, None] = {}
        self._empty_pages = 0

    def holds(self, conversation_id: str) -> bool:
        """Whether the client watches this conversation."""
        return conversation_id in self._subscriptions

    def purpose_of(self, conversation_id: str) -> Purpose | None:
        """For what a member of staff opened it."""
        subscription = self._subscriptions.get(conversation_id)
        return subscription.purpose if subscription else None

    def marks_of(self, conversation_id: str) -> int:
        """The version of the read marks when it was opened."""
        return self._subscriptions[conversation_id].marks

    def wake(self, conversation_id: str) -> None:
        """There are new events to fetch."""
        if conversation_id in self._subscriptions:
            self._dirty[conversation_id] = None
            self._out.wake()

    def tops(self) -> dict[str, tuple[str, int]]:
        """How far each log goes, in this side's numbering."""
        return {
            conversation_id: (each.room.epoch, each.room.last(self._audience))
            for conversation_id, each in self._subscriptions.items()
        }

    def leave(self, conversation_id: str) -> bool:
        """Stop watching; says whether it was watched."""
        if self._subscriptions.pop(conversation_id, None) is None:
            return False
        self._dirty.pop(conversation_id, None)
        self._chat.leave(conversation_id, self._watcher)
        return True

    def leave_all(self) -> None:
        """The socket has ended."""
        for conversation_id in list(self._subscriptions):
            self.leave(conversation_id)

    async def subscribe(self, conversation_id: str, cursor: Cursor) -> None:
        """Let the client in and send what it lacks. Raises: Refusal."""
        if len(self._subscriptions) >= protocol.SUBSCRIPTIONS and not self.holds(conversation_id):
            raise too_many_open()
        purpose = purpose_named(self._caller, cursor.purpose)
        async with self._chat.entering(conversation_id) as room:  # before the read, so that no hint is missed
            try:
                opened = await self._open_in(room, purpose)
                start, why = resume(opened.row, self._audience, cursor)
                if why == "ahead" and await self._has_witnessed(opened.row, cursor.cur or 0):
                    opened = await self._open_in(room, purpose)  # we have waited: the answer may be from before
                    start, _ = resume(opened.row, self._audience, cursor)
            except NotFound:
                self.leave(conversation_id)
                raise
            room.begin(opened.row)
            room.add(self._watcher)
            version = marks.version(opened.marks, self._audience)
            self._subscriptions[room.id] = Subscription(room, start, purpose, version)
            self._let_in(opened, start, why)

    async def _open_in(self, room: Room, purpose: Purpose | None) -> Opened:
        """Ask again when the conversation changed hands while we asked: the answer may be from before."""
        while True:
            handovers = room.handovers
            opened = await self._open(self._chat.core, Wish(self._caller, room.id, purpose))
            if room.handovers == handovers:
                return opened

    async def _has_witnessed(self, row: Standing, cursor: int) -> bool:
        """The client has seen what is not there: its word is heard once on each socket (chat.epochs)."""
        if row.id in self._witnessed or cursor <= 0:
            return False
        self._witnessed[row.id] = None
        lost = Lost(row.id, row.epoch, cursor, self._audience)
        core = self._chat.core
        await core.database.write(epochs.believe_client, core.hub, self._caller, lost, now=clock.now())
        return True

    def _let_in(self, opened: Opened, start: int, why: str | None) -> None:
        self._say_where(opened.row.id, start, why)
        self._out.say(*self._states(opened))
        self.wake(opened.row.id)

    def restart(self, conversation_id: str) -> None:
        """The log is another telling now: say so, and go on from its latest events."""
        subscription = self._subscriptions.get(conversation_id)
        if subscription is None:
            return
        start = max(0, subscription.room.last(self._audience) - protocol.NEWEST)
        self._subscriptions[conversation_id] = replace(subscription, cursor=start)
        self._say_where(conversation_id, start, "epoch")
        self.wake(conversation_id)

    def _say_where(self, conversation_id: str, start: int, why: str | None) -> None:
        subscription = self._subscriptions[conversation_id]
        room, last = subscription.room, subscription.room.last(self._audience)
        if why is not None:
            self._out.reply(protocol.Reset(room.id, room.epoch, last, why))
        self._out.reply(protocol.SubOk(room.id, room.epoch, last, start + 1, subscription.marks))

    def _states(self, opened: Opened) -> list[str]:
        marked = states.shown_marks(opened.marks, self._audience).values()
        room = self._subscriptions[opened.row.id].room
        marking = (mark.participant for mark in opened.marks)
        self._chat.states.notice(room, {self._caller.ref, opened.row.owner, *marking})
        here = self._chat.states.presence_frames(room, room.seen - {self._caller.ref}, self._audience)
        return [*map(protocol.write, marked), *here.values()]

    async def get(self, frame: protocol.Get) -> None:
        """History the client asks for, oldest first, closed by a `page`. Raises: Refusal."""
        subscription = self._subscriptions.get(frame.c)
        if subscription is None:
            raise Invalid("not_open", "Open the conversation first.")
        count_gap(frame)
        events = await self._events(subscription, span_of(frame))
        self._out.reply(*page_of(frame, events, self._audience))

    async def _events(self, subscription: Subscription, span: Span) -> list[Event]:
        """Read once more when something was taken back or changed while we read."""
        room = subscription.room
        while True:
            amendments = room.amendments
            events = await self._chat.core.database.read(self._read, room.id, subscription.purpose, span)
            if amendments == room.amendments:
                return events

    def _read(self, tx: Transaction, conversation_id: str, purpose: Purpose | None, span: Span) -> list[Event]:
        row = conversations.find(
            tx, self._caller, conversation_id, Operation.READ_CONVERSATION, purpose, now=clock.now()
        )
        return log.read(tx, self._chat.core, row, self._audience, span)

    async def mark(self, conversation_id: str, reached: Reached) -> None:
        """Move the client's marks. Raises: Refusal."""
        core = self._chat.core
        await core.database.write(conversations.mark, core, self._caller, conversation_id, reached, now=clock.now())

    async def fetch(self) -> dict[str, list[str]]:
        """The next events of every conversation that has some, about one WebSocket message's worth each time."""
        dirty, self._dirty = {each: self._subscriptions.get(each) for each in self._dirty}, {}
        pages: dict[str, list[str]] = {}
        size = 0
        for conversation_id, subscription in dirty.items():
            if size >= MESSAGE_BYTES:
                self.wake(conversation_id)
                continue
            pages[conversation_id] = await self._next(conversation_id, subscription)
            size += sum(map(protocol.size, pages[conversation_id]))
        return {each: page for each, page in pages.items() if self._subscriptions.get(each) is dirty[each]}

    async def _next(self, conversation_id: str, subscription: Subscription | None) -> list[str]:
        if subscription is None or self._subscriptions.get(conversation_id) is not subscription:
            return []  # opened anew since: its own frames wait behind its `reset`
        try:
            page = await subscription.room.after(self._audience, subscription.cursor)
        except (Refusal, *FAULTS):
            self._watcher.close(Close.INTERNAL)
            return []
        if self._subscriptions.get(conversation_id) is not subscription:
            return []  # left, lost or opened anew while we read
        frames: list[str] = []
        size = 0
        for number, text in page:
            if number != subscription.cursor + 1:
                self._watcher.close(Close.INCONSISTENT)
                return []
            subscription.cursor = number
            frames.append(text)
            size += protocol.size(text)
            if size >= MESSAGE_BYTES:
                break
        self._go_on(conversation_id, subscription, is_empty=not page)
        return frames

    def _go_on(self, conversation_id: str, subscription: Subscription, *, is_empty: bool) -> None:
        self._empty_pages = self._empty_pages + 1 if is_empty else 0
        if subscription.cursor >= subscription.room.last(self._audience):
            self._empty_pages = 0
        elif self._empty_pages >= MOST_EMPTY_PAGES:
            self._watcher.close(Close.INCONSISTENT)
        else:
            self.wake(conversation_id)


def too_many_open() -> Refusal:
    """More than `protocol.SUBSCRIPTIONS` at once."""
    return Invalid("too_many_open", "Too many conversations are open at once.")


def purpose_named(caller: Caller, named: str | None) -> Purpose | None:
    """What staff open a conversation for: to help with an order or a product unless they say otherwise."""
    if not caller.is_staff:
        return None
    try:
        return Purpose(named) if named else Purpose.P2_CONTRACT_AFTERSALES
    except ValueError:
        raise NotAllowed("purpose_refused", "Conversations may not be used for this purpose.") from None


def count_gap(frame: protocol.Get) -> None:
    """Whoever names both ends of what they ask for has seen a hole between what they were given."""
    if frame.from_ is not None and frame.to is not None:
        GAPS.inc()


def span_of(frame: protocol.Get) -> Span:
    """Which events a `get` asks for; at most a page."""
    limit = min(max(1, frame.limit), protocol.PAGE)
    if frame.before is not None:
        return Span(limit, before=min(max(1, frame.before), 2**62))
    start = min(max(1, frame.from_ or 1), 2**62)
    if frame.to is not None:
        limit = min(max(1, frame.to - start + 1), protocol.PAGE)
    return Span(limit, start)
