"""The chat service of a process: rooms, connections, hints, and the beacon that heals hints which got lost.

Danger. A lost hint that leaves somebody without a message; a socket that outlives the sign-in or the right it was
opened with.

Principle. The log is the truth; hints only make it quick. The beacon compares what the rooms know with the database.
Rights are asked again when a conversation changes hands, and by the pulse (`chat.pulse`) for every sign-in.

Boundary. Everything here runs on one event loop; the database does its work in its own threads.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from typing import Any

import structlog
from prometheus_client import Counter, Gauge

from chat import beacon, catching, log
from chat.attendance import Attendance
from chat.audiences import Audience, Event
from chat.batches import Answer, Batches, settling
from chat.catching import Lack
from chat.drafts import Admit, everyone
from chat.leaving import Leaving
from chat.log import Ack, Draft, Prepare, Top
from chat.pace import Paces
from chat.presence import Presence
from chat.protocol import Close
from chat.pulse import Pulse
from chat.standing import Standing
from chat.states import States
from chat.watchers import Connection, Watcher
from chat.watching import Room
from core import clock, hub
from core.database import Transaction
from core.identity import codes, permissions, signins
from core.identity.callers import Caller
from core.identity.permissions import Operation, Resource
from core.services import Core
from media.uploads import Media

logger = structlog.get_logger("chat")
SOCKETS = Gauge("aftercare_sockets", "Signed-in sockets that are open.")
NOT_BEGUN = Counter("aftercare_not_begun", "Small tasks of the chat service not begun because too many were running.")

CHUNK = 500
MOST_TASKS = 1_024
MOST_ENDED = 1_000


class Chat:
    """Built once per process, `async with chat.running()`, then `await chat.append(draft)`."""

    def __init__(self, core: Core, media: Media, admit: Admit = everyone) -> None:
        self.core = core
        self.admit = admit
        self.media = media
        self.presence = Presence()
        self.paces = Paces()
        self.connections: set[Connection] = set()
        self.is_draining = False
        self.rooms: dict[str, Room] = {}
        self._batches = Batches(core, self._announce)
        self._tasks: set[asyncio.Task[None]] = set()
        self._parted = asyncio.Event()
        self.states = States(self)
        self._attendance = Attendance(self.presence, core.hub, self.states.show_presence)
        self._heard_gap = asyncio.Event()
        self._doubted: dict[str, None] = {}
        self._is_asking = False
        self._ended: deque[str] = deque(maxlen=MOST_ENDED)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Chat"]:
        """Listen to the hub and keep the pulse; on leaving, finish what is queued."""
        end = self.core.hub.subscribe(self._hear)
        self._attendance.open()
        pulse = asyncio.create_task(Pulse(self, self._attendance, self._heard_gap).beat(), name="chat-pulse")
        try:
            yield self
        finally:
            end()
            pulse.cancel()
            await self._batches.finish()
            for room in list(self.rooms.values()):
                await room.close()
            await asyncio.gather(pulse, *self._tasks, return_exceptions=True)

    async def append(self, draft: Draft) -> Ack:
        """Put an event into the log; the answer comes after the commit. Raises: Refusal."""
        answered: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self.submit(draft, settling(answered))
        return await answered

    def submit(self, draft: Draft, answer: Answer, size: int = 512) -> None:
        """As `append`, without waiting: for a socket's receive loop. Raises: Unavailable."""
        self._batches.put(draft, answer, size)

    async def drain(self) -> None:
        """Take nothing new, finish what is queued, and send every socket away."""
        self.is_draining = True
        await Leaving(self.connections, self._parted, self._batches.finish).all()

    def claiming(self, conversation_id: str, caller: Caller) -> Prepare:
        """What makes an attachment part of a message, inside the message's own transaction."""

        def claim(tx: Transaction, body: dict[str, Any]) -> dict[str, Any]:  # Any: JSON values
            attachment = body["attachment"]
            facts = self.media.claim(tx, attachment, scope=conversation_id, uploader=caller.ref, now=clock.now())
            return body | {"attachment": facts}

        return claim

    def admitting(self, caller: Caller, own: Prepare | None) -> Prepare:
        """What refuses a message of somebody who may not write at all, before anything else is done for it."""

        def prepare(tx: Transaction, body: dict[str, Any]) -> dict[str, Any]:  # Any: JSON values
            self.admit(tx, self.core, caller)
            return own(tx, body) if own else body

        return prepare

    def hiding_codes(self, tx: Transaction, body: dict[str, Any]) -> dict[str, Any]:  # Any: JSON values
        """Take sign-in codes that are live now out of a text: nobody of ours ever asks for one."""
        return body | {"text": codes.hide_live(tx, self.core, body["text"], now=clock.now())}

    # ------------------------------------------------------------ rooms

    @contextlib.asynccontextmanager
    async def entering(self, conversation_id: str) -> AsyncIterator[Room]:
        """Keep the room while somebody asks to be let in: hints reach it, but nothing is shown before `room.add`."""
        room = self.rooms.setdefault(conversation_id, Room(conversation_id, self.read_events))
        room.at_the_door += 1
        try:
            yield room
        finally:
            room.at_the_door -= 1
            self._tidy(room)

    def leave(self, conversation_id: str, watcher: Watcher) -> None:
        """Stop watching; the last one out takes the room along."""
        room = self.rooms.get(conversation_id)
        if room is not None:
            room.watchers.discard(watcher)
            self._tidy(room)

    def _tidy(self, room: Room) -> None:
        if not room.watchers and not room.at_the_door and self.rooms.get(room.id) is room:
            del self.rooms[room.id]
            self.states.forget(room)
            self.spawn(room.close())

    async def read_events(self, conversation_id: str, audience: Audience, start: int, limit: int) -> list[Event]:
        """Events of the log from a number of this side's counting on; nothing of a conversation that is gone."""
        return await self.core.database.read_together(
            catching.read, Lack(self.core, conversation_id, audience, start, limit)
        )

    def join(self, connection: Connection) -> None:
        """A signed-in socket."""
        self.connections.add(connection)
        SOCKETS.inc()
        self._attendance.arrive(connection.caller.ref)
        if connection.caller.sign_in in self._ended:  # after it was looked up, before we knew whom to tell
            connection.close(Close.NOT_SIGNED_IN)

    def part(self, connection: Connection) -> None:
        """A socket has ended."""
        if connection in self.connections:
            self.connections.remove(connection)
            self._parted.set()
            SOCKETS.dec()
            self._attendance.leave(connection.caller.ref)

    # ------------------------------------------------------------ hints

    def _announce(self, events: Sequence[Event], tops: Sequence[Top]) -> None:
        """After a commit of this process: its rooms take the events as they are, everyone else gets hints."""
        fresh: dict[str, list[Event]] = {}
        for event in events:
            if event.conversation_id in self.rooms:
                fresh.setdefault(event.conversation_id, []).append(event)
        try:
            for conversation_id, following in fresh.items():
                self._offer(self.rooms[conversation_id], following)
        finally:
            log.announce_hints(self.core, tops)  # a room that could not take them hears of them as others do

    def _offer(self, room: Room, following: Sequence[Event]) -> None:
        if following[-1].seq <= room.last(Audience.STAFF):  # it has read ahead, or the log has lost its end
            self._doubt(room)
        room.offer(following)

    def _hear(self, channel: str, packed: bytes) -> None:
        named, *rest = hub.parts(packed)
        if channel == hub.GAP:
            self._heard_gap.set()
        elif channel in (hub.HAIL, hub.HERE, hub.AWAY):
            self._attendance.hear(channel, named, rest)
        elif channel == hub.SIGN_OUT:
            self._sign_out({named})
        else:
            self._hear_of(channel, named, rest)

    def _hear_of(self, channel: str, named: str, rest: Sequence[str]) -> None:
        if channel in (hub.DESK, hub.ACCESS):
            self.states.deal(named)
        room = self.rooms.get(named)
        if room is not None:
            self._hear_in(room, channel, rest)

    def _hear_in(self, room: Room, channel: str, rest: Sequence[str]) -> None:
        match channel, rest:
            case hub.LOG, [last_seq]:
                if int(last_seq) < room.last(Audience.STAFF):  # late, or of a log that has lost its end
                    self._doubt(room)
                room.hear(int(last_seq))
            case hub.MARK, [participant, *whose]:
                self.states.meet(room, participant)
                sides = {Audience.STAFF} if whose else set(Audience)
                self.spawn(self.states.show_mark(room, participant, sides))
            case hub.TYPING, [participant]:
                self.states.meet(room, participant)
                self.states.show_typing(room, participant)
            case hub.EPOCH, _:
                self._doubt(room)
            case hub.ACCESS, _:
                room.handovers += 1
                self._doubt(room)

    def _sign_out(self, sign_ins: set[str]) -> None:
        if not sign_ins:  # the pulse asks about all of them, and hardly ever finds one
            return
        self._ended.extend(sign_ins)
        for connection in list(self.connections):
            if connection.caller.sign_in in sign_ins:
                connection.close(Close.NOT_SIGNED_IN)

    def _doubt(self, room: Room) -> None:
        """Only the database can tell about this room; rooms that come while it is asked are asked about together."""
        self._doubted[room.id] = None
        if not self._is_asking:
            self._is_asking = self.spawn(self._ask())

    async def _ask(self) -> None:
        self._is_asking = True
        try:
            while self._doubted:
                asked = list(self._doubted)[:CHUNK]
                for conversation_id in asked:
                    del self._doubted[conversation_id]
                await self._compare_again(asked)
        finally:
            self._is_asking = False

    async def _compare_again(self, conversation_ids: Sequence[str]) -> None:
        try:
            await self.compare(conversation_ids)
        except Exception:
            self._doubted.update(dict.fromkeys(each for each in conversation_ids if each in self.rooms))
            raise

    def _take_from_strangers(self, room: Room, watchers: Collection[Watcher], row: Standing | None) -> None:
        """Ask the permission of each again, unless all were asked about the very same before."""
        resource = log.resource(row) if row else None
        if resource is not None and resource == room.looked_at:
            return
        room.looked_at = resource if room.watchers <= set(watchers) else None
        for watcher in watchers:
            if watcher in room.watchers and (resource is None or not _may_read(watcher, resource)):
                watcher.lose(room.id)

    # ------------------------------------------------------------ asked by the pulse

    async def beacon(self) -> None:
        """Compare every room with the database: how far its log goes, and who may still be in it."""
        watched = list(self.rooms)
        for start in range(0, len(watched), CHUNK):
            await self.compare(watched[start : start + CHUNK])
        if not self.core.hub.healthy:
            await self.states.deal_lately()

    async def compare(self, conversation_ids: Sequence[str]) -> None:
        """What these rooms know against the database; who may no longer have one loses it.

        Whoever came while we asked was let in by a later word than ours, and of a conversation that changed hands
        meanwhile ours is worth nothing: it is asked about again.
        """
        watched = [room for room in map(self.rooms.get, conversation_ids) if room]
        before = [(room, room.handovers, list(room.watchers)) for room in watched]
        rows = await beacon.compare(self.core, self.rooms, conversation_ids)
        for room, handovers, watchers in before:
            if room.handovers == handovers:
                self._take_from_strangers(room, watchers, rows.get(room.id))
            else:
                self._doubt(room)

    async def settle(self) -> None:
        """Begin again what has failed, or could not be begun."""
        self.states.resume()
        if not self._is_asking:
            await self._ask()

    async def check_sign_ins(self) -> None:
        """End the sockets whose sign-ins are over."""
        held = sorted({each.caller.sign_in for each in self.connections if each.caller.sign_in})
        for start in range(0, len(held), CHUNK):
            chunk = held[start : start + CHUNK]
            self._sign_out(set(chunk) - await self.core.database.read(signins.live, chunk, now=clock.now()))

    def spawn(self, work: Coroutine[Any, Any, None]) -> bool:
        """Run something small that the service owns until it stops; False, and it is not begun, when too much runs."""
        if len(self._tasks) >= MOST_TASKS:
            work.close()
            NOT_BEGUN.inc()
            return False
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return True

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.warning("task_failed", kind=type(error).__name__)


def _may_read(watcher: Watcher, resource: Resource) -> bool:
    purpose = watcher.purpose_of(resource.id)
    return permissions.can(watcher.caller, Operation.READ_CONVERSATION, resource, purpose)
