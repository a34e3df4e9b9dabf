"""Rooms: a conversation that somebody watches, the frames of its latest events, and who is there.

Danger. A frame sent twice, out of order, or to the wrong side; a slow reader that makes the others wait or memory grow.

Principle. A room keeps one ring of serialised frames per side and no queue per reader: a reader owns a cursor and asks
for what comes after it. What the ring no longer holds is read from the log, once for all readers who stand at the same
place. A hint only says how far the log goes. When an event comes that takes back or changes an earlier one, the rings
forget all that was before it: whoever is behind reads the log, which shows what is left.

Boundary. Everything runs on the event loop and is touched by one task at a time; the log is read through `Reading`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import structlog

from chat import audiences, protocol
from chat.audiences import AMENDING_KINDS, Audience, Event
from chat.ring import Frames, Ring
from chat.standing import Standing
from chat.watchers import Watcher
from core.database import FAULTS
from core.identity.permissions import Resource
from core.refusals import Refusal

log = structlog.get_logger("chat")

PAGE = 100

ReadEvents = Callable[[str, Audience, int, int], Awaitable[list[Event]]]


class Room:
    """One watched conversation in this process."""

    def __init__(self, conversation_id: str, read_events: ReadEvents) -> None:
        self.id = conversation_id
        self.epoch = ""
        self.known = 0
        self.at_the_door = 0
        self.handovers = 0
        self.amendments = 0
        self.watchers: set[Watcher] = set()
        self.looked_at: Resource | None = None  # what the permission of everybody here was last asked about
        self.seen: set[str] = set()
        self._rings: dict[Audience, Ring] = {}
        self._read_events = read_events
        self._pages: dict[tuple[str, Audience, int, int], asyncio.Task[Frames]] = {}
        self._catching: asyncio.Task[None] | None = None

    def begin(self, row: Standing) -> None:
        """Start from what the database says; hints that came before are compared with it."""
        if not self._rings:
            self._start(row)
        elif self.epoch != row.epoch:
            self.renew(row)
        self.hear(row.last_seq)

    def renew(self, row: Standing) -> None:
        """The log is another telling than the one known here: forget its frames, and let every watcher start afresh."""
        self.handovers += 1  # whoever asked before must ask again: the answer names the old epoch
        self._start(row)
        for watcher in list(self.watchers):
            watcher.restart(self.id)

    def _start(self, row: Standing) -> None:
        self.epoch = row.epoch
        self.known = row.last_seq
        self._rings = {Audience.STAFF: Ring(row.last_seq), Audience.PUBLIC: Ring(row.last_pub_seq)}

    def last(self, audience: Audience) -> int:
        """The highest number that this side can be given now."""
        return self._rings[audience].last if self._rings else 0

    def hear(self, last_seq: int) -> None:
        """A hint: the log goes up to here."""
        self.known = max(self.known, last_seq)
        if self._rings and self.known > self.last(Audience.STAFF) and self._catching is None:
            self._catching = asyncio.get_running_loop().create_task(self._catch_up(), name="chat-catch-up")

    def offer(self, events: Sequence[Event]) -> None:
        """Events that this process has just committed; taken if they follow what is here, else looked up."""
        if not self._rings:
            self.known = max(self.known, events[-1].seq)
            return
        self._push_all(events)
        self.hear(events[-1].seq)
        self._wake()

    async def after(self, audience: Audience, cursor: int) -> Frames:
        """The frames that follow a cursor of this side, from the ring or else from the log.

        A ring that is known to be behind waits for the log, and what was amended while we read is read again: nobody
        is given what had been taken back by then.
        """
        while True:
            if self._catching is not None:
                await asyncio.wait([self._catching])
            held = self._rings[audience].after(cursor, PAGE)
            if held is not None:
                return held
            amendments = self.amendments
            page = await asyncio.shield(self._reading(audience, cursor))
            if amendments == self.amendments:
                return page

    def _reading(self, audience: Audience, cursor: int) -> "asyncio.Task[Frames]":
        place = (self.epoch, audience, cursor, self.amendments)
        page = self._pages.get(place)
        if page is None:
            page = self._pages[place] = asyncio.get_running_loop().create_task(self._page(audience, cursor))
            page.add_done_callback(lambda _: self._pages.pop(place, None))
        return page

    async def close(self) -> None:
        """End what still reads the log for this room. A page somebody waits for is left to end by itself: she has gone
        from here, and her socket has other rooms."""
        if self._catching is not None:
            self._catching.cancel()
        pending = [task for task in (self._catching, *self._pages.values()) if task]
        await asyncio.gather(*pending, return_exceptions=True)

    def add(self, watcher: Watcher) -> None:
        """Somebody watches from now on."""
        self.watchers.add(watcher)
        self.looked_at = None

    def show(self, key: tuple[str, ...], frames: Mapping[Audience, str], but: str = "") -> None:
        """Show a state or a sign of life to everyone here on the sides it is for, except the one it is about."""
        for watcher in self.watchers:
            if watcher.caller.ref != but and watcher.audience in frames:
                watcher.tell(key, frames[watcher.audience])

    async def _page(self, audience: Audience, cursor: int) -> Frames:
        events = await self._read_events(self.id, audience, cursor + 1, PAGE)
        frames = filter(None, (audiences.frame(event, audience) for event in events))
        return [(frame.s, protocol.write(frame)) for frame in frames]

    async def _catch_up(self) -> None:
        """Read up to what is known; what fails here is tried again by the beacon."""
        try:
            while self.known > self.last(Audience.STAFF):
                before, epoch = self.last(Audience.STAFF), self.epoch
                events = await self._read_events(self.id, Audience.STAFF, before + 1, PAGE)
                if epoch != self.epoch:
                    continue  # what we read may be of the old telling
                self._push_all(events)
                if self.last(Audience.STAFF) == before:
                    self.known = before  # the hint was wrong, or the log is gone
                self._wake()
        except (Refusal, *FAULTS):
            log.warning("catch_up_failed", conversation=self.id)
        finally:
            self._catching = None

    def _push_all(self, events: Sequence[Event]) -> None:
        """Take those that follow what is here, one after the other."""
        watched = {watcher.audience for watcher in self.watchers}
        for event in events:
            if event.seq == self._rings[Audience.STAFF].last + 1:
                self._push(event, watched)

    def _push(self, event: Event, watched: Collection[Audience]) -> None:
        is_amending = event.kind in AMENDING_KINDS
        self.amendments += is_amending
        for audience, ring in self._rings.items():
            number = audiences.position(event, audience)
            if number is None:
                continue
            if is_amending:
                ring.forget()
            if audience in watched:
                ring.push(protocol.write(audiences.frame_at(number, event, audience)))
            else:
                ring.skip()

    def _wake(self) -> None:
        for watcher in self.watchers:
            watcher.wake(self.id)
