"""Where one socket stands in each conversation, and what it is given from there.

Danger. Content shown before the permission and, for staff, before the ledger entry; a hole or a repetition in what a
client receives.

Principle. Opening a conversation is one transaction: permission, ledger entry, row, marks; only then does anything
leave. A cursor moves by one; a number that does not follow ends the socket so that the client resumes.

Boundary. `open_for` is the transaction; the rest runs on the event loop.
"""

from dataclasses import dataclass

from chat import audiences, conversations, log, marks, protocol, rooms, states
from chat.audiences import Audience
from chat.log import Span
from chat.marks import Reached
from chat.models import Conversation, ReadMark
from chat.outlet import MESSAGE_BYTES, Outlet
from chat.protocol import Close, Cursor
from chat.watching import Room
from core import clock, ledger
from core.database import Transaction
from core.identity.callers import Caller
from core.identity.permissions import Operation, Purpose
from core.refusals import Invalid, NotAllowed, NotFound, Refusal

MOST_EMPTY_PAGES = 3


@dataclass
class Subscription:
    """Where the client stands in one conversation."""

    room: Room
    cursor: int
    purpose: Purpose | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A conversation as a transaction found it, for a caller who may have it."""

    row: Conversation
    marks: list[ReadMark]


def open_for(tx: Transaction, caller: Caller, conversation_id: str, purpose: Purpose | None, *, now: int) -> Opened:
    """Let the caller in; a member of staff leaves an entry in the ledger (clause 3(2)). Raises: Refusal."""
    row = conversations.find(tx, caller, conversation_id, Operation.READ_CONVERSATION, purpose, now=now)
    if caller.is_staff:
        seen = ("conversation", row.id)
        ledger.append(tx, caller=caller, action="conversation.read", object=seen, purpose=purpose, now=now)
    return Opened(row, marks.of(tx, row.id))


def resume(row: Conversation, audience: Audience, cursor: Cursor) -> tuple[int, str | None]:
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


class Reader:
    """The subscriptions of one socket."""

    def __init__(self, chat: "rooms.Chat", watcher: "rooms.Connection", out: Outlet) -> None:
        self._chat = chat
        self._watcher = watcher
        self._caller = watcher.caller
        self._audience = watcher.audience
        self._out = out
        self._subscriptions: dict[str, Subscription] = {}
        self._dirty: set[str] = set()
        self._empty_pages = 0

    def holds(self, conversation_id: str) -> bool:
        """Whether the client watches this conversation."""
        return conversation_id in self._subscriptions

    def purpose_of(self, conversation_id: str) -> Purpose | None:
        """For what a member of staff opened it."""
        subscription = self._subscriptions.get(conversation_id)
        return subscription.purpose if subscription else None

    def wake(self, conversation_id: str) -> None:
        """There are new events to fetch."""
        if conversation_id in self._subscriptions:
            self._dirty.add(conversation_id)
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
        self._dirty.discard(conversation_id)
        self._chat.leave(conversation_id, self._watcher)
        return True

    def leave_all(self) -> None:
        """The socket has ended."""
        for conversation_id in list(self._subscriptions):
            self.leave(conversation_id)

    async def subscribe(self, conversation_id: str, cursor: Cursor) -> None:
        """Let the client in and send what it lacks. Raises: Refusal."""
        if len(self._subscriptions) >= protocol.SUBSCRIPTIONS and not self.holds(conversation_id):
            raise Invalid("too_many_open", "Too many conversations are open at once.")
        purpose = purpose_named(self._caller, cursor.purpose)
        async with self._chat.entering(conversation_id) as room:  # before the read, so that no hint is missed
            try:
                opened = await self._open_in(room, purpose)
            except NotFound:
                self.leave(conversation_id)
                raise
            self._let_in(room, opened, cursor, purpose)

    async def _open_in(self, room: Room, purpose: Purpose | None) -> Opened:
        """Ask again when the conversation changed hands while we asked: the answer may be from before."""
        while True:
            handovers = room.handovers
            opened = await self._open(room.id, purpose)
            if room.handovers == handovers:
                return opened

    def _let_in(self, room: Room, opened: Opened, cursor: Cursor, purpose: Purpose | None) -> None:
        room.begin(opened.row)
        room.add(self._watcher)
        start, why = resume(opened.row, self._audience, cursor)
        self._subscriptions[room.id] = Subscription(room, start, purpose)
        last = room.last(self._audience)
        if why is not None:
            self._out.reply(protocol.Reset(room.id, room.epoch, last, why))
        self._out.reply(protocol.SubOk(room.id, room.epoch, last, start + 1))
        self._out.say(*self._states(opened))
        self.wake(room.id)

    async def _open(self, conversation_id: str, purpose: Purpose | None) -> Opened:
        database, now = self._chat.core.database, clock.now()
        if self._caller.is_staff:
            return await database.write(open_for, self._caller, conversation_id, purpose, now=now)
        return await database.read(open_for, self._caller, conversation_id, purpose, now=now)

    def _states(self, opened: Opened) -> list[str]:
        marked = [
            states.mark_frame(mark, what, self._audience) for mark in opened.marks for what in ("read", "received")
        ]
        seen = self._subscriptions[opened.row.id].room.seen
        seen.update({mark.participant for mark in opened.marks}, {opened.row.owner})
        here = [
            self._chat.states.presence_frame(opened.row.id, ref, self._audience)
            for ref in sorted(seen - {self._caller.ref})
        ]
        return marked + here

    async def get(self, frame: protocol.Get) -> None:
        """History the client asks for, oldest first, closed by a `page`. Raises: Refusal."""
        subscription = self._subscriptions.get(frame.c)
        if subscription is None:
            raise Invalid("not_open", "Open the conversation first.")
        span = _span(frame)
        events = await self._chat.core.database.read(self._read, frame.c, subscription.purpose, span)
        upto = frame.to if frame.before is None and frame.to is not None else None
        frames = [each for event in events if (each := audiences.frame(event, self._audience))]
        frames = [each for each in frames if upto is None or each.s <= upto]
        first, last = (frames[0].s, frames[-1].s) if frames else (0, 0)
        self._out.reply(*frames, protocol.Page(frame.c, first, last, first > 1))

    def _read(
        self, tx: Transaction, conversation_id: str, purpose: Purpose | None, span: Span
    ) -> list[audiences.Event]:
        row = conversations.find(
            tx, self._caller, conversation_id, Operation.READ_CONVERSATION, purpose, now=clock.now()
        )
        return log.read(tx, self._chat.core, row, self._audience, span)

    async def mark(self, conversation_id: str, reached: Reached) -> None:
        """Move the client's marks. Raises: Refusal."""
        core = self._chat.core
        await core.database.write(conversations.mark, core, self._caller, conversation_id, reached, now=clock.now())

    async def fetch(self) -> list[str]:
        """The next events of every conversation that has some, about one WebSocket message's worth each time."""
        dirty, self._dirty = self._dirty, set()
        frames: list[str] = []
        size = 0
        for conversation_id in dirty:
            if size >= MESSAGE_BYTES:
                self.wake(conversation_id)
                continue
            got = await self._next(conversation_id)
            size += sum(map(len, got))
            frames += got
        return frames

    async def _next(self, conversation_id: str) -> list[str]:
        subscription = self._subscriptions.get(conversation_id)
        if subscription is None:
            return []
        try:
            page = await subscription.room.after(self._audience, subscription.cursor)
        except Refusal:
            self._watcher.close(Close.INTERNAL)
            return []
        if self._subscriptions.get(conversation_id) is not subscription:
            return []  # left, lost or opened anew while we read
        for number, _ in page:
            if number != subscription.cursor + 1:
                self._watcher.close(Close.INCONSISTENT)
                return []
            subscription.cursor = number
        self._go_on(conversation_id, subscription, is_empty=not page)
        return [text for _, text in page]

    def _go_on(self, conversation_id: str, subscription: Subscription, *, is_empty: bool) -> None:
        self._empty_pages = self._empty_pages + 1 if is_empty else 0
        if subscription.cursor >= subscription.room.last(self._audience):
            self._empty_pages = 0
        elif self._empty_pages >= MOST_EMPTY_PAGES:
            self._watcher.close(Close.INCONSISTENT)
        else:
            self.wake(conversation_id)


def purpose_named(caller: Caller, named: str | None) -> Purpose | None:
    """What staff open a conversation for: to help with an order or a product unless they say otherwise."""
    if not caller.is_staff:
        return None
    try:
        return Purpose(named) if named else Purpose.P2_CONTRACT_AFTERSALES
    except ValueError:
        raise NotAllowed("purpose_refused", "Conversations may not be used for this purpose.") from None


def _span(frame: protocol.Get) -> Span:
    limit = min(max(1, frame.limit), protocol.PAGE)
    if frame.before is not None:
        return Span(limit, before=min(max(1, frame.before), 2**62))
    start = min(max(1, frame.from_ or 1), 2**62)
    if frame.to is not None:
        limit = min(max(1, frame.to - start + 1), protocol.PAGE)
    return Span(limit, start)
