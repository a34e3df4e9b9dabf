"""The chat service of a process: rooms, connections, hints, and the beacon that heals hints which got lost.

Danger. A lost hint that leaves somebody without a message; a socket that outlives the sign-in or the right it was
opened with; a stalled reader that is never cut.

Principle. The log is the truth; hints only make it quick. Every 15 seconds the beacon compares what the rooms know
with the database, more often while the hub is unwell. Rights are asked again when a conversation changes hands, and
every minute for every sign-in. A send that hangs for 15 seconds ends the connection.

Boundary. Everything here runs on one event loop; the database does its work in its own threads.
"""

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any, Protocol

import structlog
from prometheus_client import Counter, Gauge
from sqlalchemy.exc import DBAPIError

from chat import beacon, conversations, log, standing
from chat.attendance import Attendance
from chat.audiences import Audience, Event
from chat.batches import Batches
from chat.log import Ack, Draft, Prepare, Span, Top
from chat.pace import Paces
from chat.presence import Presence
from chat.protocol import Close
from chat.standing import Standing
from chat.states import States
from chat.watching import Room, Watcher
from core import clock, hub
from core.database import Transaction
from core.identity import codes, permissions, signins
from core.identity.callers import Caller
from core.identity.permissions import Operation, Purpose
from core.refusals import NotFound, Refusal
from core.services import Core
from media.uploads import Media

logger = structlog.get_logger("chat")
SOCKETS = Gauge("aftercare_sockets", "Signed-in sockets that are open.")
CUT = Counter("aftercare_sockets_cut", "Sockets cut because the other side had stopped reading.")

PULSE_S = 1.0
BEACON_S = 15.0
BEACON_UNWELL_S = 2.0
SIGN_IN_CHECK_S = 60.0
SEND_DEADLINE_S = 15.0
CHUNK = 500
DRAIN_S = 20.0
LEAVE_STEP_S = 0.1
LEAVE_AT_ONCE = 20
SEE_OFF_S = 2.0


class Connection(Watcher, Protocol):
    """What the service needs of a socket."""

    @property
    def sending_since(self) -> float | None:
        """Since when (steady clock, seconds) a write has been waiting for the other side."""

    def close(self, code: Close) -> None:
        """End it in good order."""

    def abort(self) -> None:
        """End it at once: the other side has stopped reading."""

    def leave_within(self, in_ms: int) -> None:
        """Say `bye`: come back after this time."""


class Chat:
    """Built once per process, `async with chat.running()`, then `await chat.append(draft)`."""

    def __init__(self, core: Core, media: Media) -> None:
        self.core = core
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

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Chat"]:
        """Listen to the hub and keep the pulse; on leaving, finish what is queued."""
        end = self.core.hub.subscribe(self._hear)
        self._attendance.open()
        pulse = asyncio.create_task(self._pulse(), name="chat-pulse")
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
        return await asyncio.shield(self.submit(draft))

    def submit(self, draft: Draft, size: int = 512) -> "asyncio.Future[Ack]":
        """As `append`, without waiting: for a socket's receive loop. Raises: Unavailable."""
        return self._batches.put(draft, size)

    async def drain(self) -> None:
        """Take nothing new, finish what is queued, and send every socket away, not all at the same moment."""
        self.is_draining = True
        leaving = list(self.connections)
        step = max(LEAVE_AT_ONCE, math.ceil(len(leaving) * LEAVE_STEP_S / DRAIN_S))
        spread_s = len(leaving) / step * LEAVE_STEP_S
        for connection in leaving:
            connection.leave_within(random.randint(0, int(spread_s * 1_000)))  # noqa: S311  (spreads the reconnects)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._batches.finish(), DRAIN_S)
        for start in range(0, len(leaving), step):
            for connection in leaving[start : start + step]:
                connection.close(Close.RESTARTING)
            await asyncio.sleep(LEAVE_STEP_S if start + step < len(leaving) else 0)
        await self._see_off()

    async def _see_off(self) -> None:
        """Until the last close is written, with all that was to be said before it; who does not read it is cut."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEE_OFF_S):
                while self.connections:
                    self._parted.clear()
                    await self._parted.wait()
        for connection in list(self.connections):
            connection.abort()

    def claiming(self, conversation_id: str, caller: Caller) -> Prepare:
        """What makes an attachment part of a message, inside the message's own transaction."""

        def claim(tx: Transaction, body: dict[str, Any]) -> dict[str, Any]:  # Any: JSON values
            attachment = body["attachment"]
            facts = self.media.claim(tx, attachment, scope=conversation_id, uploader=caller.ref, now=clock.now())
            return body | {"attachment": facts}

        return claim

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
        return await self.core.database.read(self._read, conversation_id, audience, Span(limit, start))

    def _read(self, tx: Transaction, conversation_id: str, audience: Audience, span: Span) -> list[Event]:
        try:
            row = conversations.get(tx, conversation_id, now=clock.now())
        except NotFound:
            return []
        return log.read(tx, self.core, row, audience, span)

    def join(self, connection: Connection) -> None:
        """A signed-in socket."""
        self.connections.add(connection)
        SOCKETS.inc()
        self._attendance.arrive(connection.caller.ref)

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
        for conversation_id, following in fresh.items():
            room = self.rooms[conversation_id]
            if following[-1].seq <= room.last(Audience.STAFF):  # it has read ahead, or the log has lost its end
                self.spawn(self.compare([conversation_id]))
            room.offer(following)
        log.announce_hints(self.core, tops)

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
                room.hear(int(last_seq))
            case hub.MARK, [participant]:
                self.states.meet(room, participant)
                self.spawn(self.states.show_mark(room, participant))
            case hub.TYPING, [participant]:
                self.states.meet(room, participant)
                self.states.show_typing(room, participant)
            case hub.EPOCH, _:
                self.spawn(self.compare([room.id]))
            case hub.ACCESS, _:
                room.handovers += 1
                self.spawn(self._check_access([room.id]))

    def _sign_out(self, sign_ins: set[str]) -> None:
        for connection in list(self.connections):
            if connection.caller.sign_in in sign_ins:
                connection.close(Close.NOT_SIGNED_IN)

    async def _check_access(self, conversation_ids: Sequence[str]) -> None:
        """Take the conversation from everyone who may no longer have it."""
        rows = await self.core.database.read(standing.several, conversation_ids, now=clock.now())
        self._take_from_strangers(conversation_ids, rows)

    def _take_from_strangers(self, conversation_ids: Sequence[str], rows: Mapping[str, Standing]) -> None:
        for conversation_id in conversation_ids:
            room, row = self.rooms.get(conversation_id), rows.get(conversation_id)
            for watcher in list(room.watchers) if room else ():
                if row is None or not _may_read(watcher, row, watcher.purpose_of(conversation_id)):
                    watcher.lose(conversation_id)

    # ------------------------------------------------------------ the pulse

    async def _pulse(self) -> None:
        """Once a second: the stalled, those who left; now and then, and after a gap, the beacon and the sign-ins."""
        loop = asyncio.get_running_loop()
        beaconed = checked = loop.time() - SIGN_IN_CHECK_S
        spread = 1.0
        while True:
            missed = await self._missed_hints_within(PULSE_S)
            now = loop.time()
            self._cut_stalled(now)
            self._attendance.pulse()
            try:
                if missed or now - beaconed >= self._until_beacon() * spread:
                    beaconed, spread = now, random.uniform(0.8, 1.2)  # noqa: S311  (keeps processes out of step)
                    await self.beacon()
                if missed or now - checked >= SIGN_IN_CHECK_S:
                    checked = now
                    await self._check_sign_ins()
            except (Refusal, DBAPIError):
                logger.warning("pulse_failed")
                beaconed = checked = now - SIGN_IN_CHECK_S

    async def _missed_hints_within(self, seconds: float) -> bool:
        """Wait for a pulse, or less when hints were lost: then the others are asked anew who is where."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._heard_gap.wait(), seconds)
        missed = self._heard_gap.is_set()
        self._heard_gap.clear()
        if missed:
            self._attendance.open()
        return missed

    def _until_beacon(self) -> float:
        return BEACON_S if self.core.hub.healthy else BEACON_UNWELL_S

    def _cut_stalled(self, now: float) -> None:
        for connection in list(self.connections):
            if connection.sending_since is not None and now - connection.sending_since > SEND_DEADLINE_S:
                CUT.inc()
                connection.abort()

    async def beacon(self) -> None:
        """Compare every room with the database: how far its log goes, and who may still be in it."""
        watched = list(self.rooms)
        for start in range(0, len(watched), CHUNK):
            await self.compare(watched[start : start + CHUNK])
        if not self.core.hub.healthy:
            await self.states.deal_lately()

    async def compare(self, conversation_ids: Sequence[str]) -> None:
        """What these rooms know against the database; who may no longer have one loses it."""
        self._take_from_strangers(conversation_ids, await beacon.compare(self.core, self.rooms, conversation_ids))

    async def _check_sign_ins(self) -> None:
        held = sorted({each.caller.sign_in for each in self.connections if each.caller.sign_in})
        for start in range(0, len(held), CHUNK):
            chunk = held[start : start + CHUNK]
            self._sign_out(set(chunk) - await self.core.database.read(signins.live, chunk, now=clock.now()))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something small that the service owns until it stops."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.warning("task_failed", kind=type(error).__name__)


def _may_read(watcher: Watcher, row: Standing, purpose: Purpose | None) -> bool:
    return permissions.can(watcher.caller, Operation.READ_CONVERSATION, log.resource(row), purpose)
