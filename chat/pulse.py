"""The pulse: what the chat service does again and again, whether or not anybody writes.

Danger. A hint that was lost and never made good; a stalled reader that is never cut; a sign-in that ended unheard; a
pulse that has stopped, which nobody would notice.

Principle. Every 15 seconds the beacon compares what the rooms know with the database, more often while the hub is
unwell, and at once after a gap. Sign-ins are asked about every minute. A send that has hung for 15 seconds when its
connection is looked at ends it. Whatever fails, however it fails, is tried again with the next pulse and keeps nothing
else from its turn.
"""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Iterable, Iterator
from typing import Protocol

import structlog
from prometheus_client import Counter

from chat.attendance import Attendance
from chat.watchers import Connection
from core.services import Core

logger = structlog.get_logger("chat")
CUT = Counter("aftercare_sockets_cut", "Sockets cut because the other side had stopped reading.")

PULSE_S = 1.0
PULSES = 5  # between two looks at the connections: ten thousand of them are not looked at every second for nothing
BEACON_S = 15.0
BEACON_UNWELL_S = 2.0
SIGN_IN_CHECK_S = 60.0
SEND_DEADLINE_S = 15.0
LONG_AGO = float("-inf")


class Service(Protocol):
    """What has a pulse."""

    @property
    def core(self) -> Core: ...

    @property
    def connections(self) -> Iterable[Connection]: ...

    async def beacon(self) -> None: ...

    async def check_sign_ins(self) -> None: ...

    async def settle(self) -> None: ...


class Pulse:
    """Runs until it is cancelled."""

    def __init__(self, chat: Service, attendance: Attendance, heard_gap: asyncio.Event) -> None:
        self._chat = chat
        self._attendance = attendance
        self._heard_gap = heard_gap
        self._beaconed = self._checked = LONG_AGO
        self._spread = 1.0

    async def beat(self) -> None:
        """Two rounds, each once a second; a database that hangs holds up only the one that asks it."""
        await asyncio.gather(self._look_around(), self._ask())

    async def _look_around(self) -> None:
        """The stalled, those who left, and what each socket has to say now and then."""
        for turn in itertools.count():
            await asyncio.sleep(PULSE_S)
            with _alone("attendance"):
                self._attendance.pulse()
            if turn % PULSES == 0:
                self._look_at_connections(asyncio.get_running_loop().time())

    async def _ask(self) -> None:
        """What is still open; now and then, and after a gap, the beacon and the sign-ins."""
        while True:
            await self._hints_missed_within(PULSE_S)
            now = asyncio.get_running_loop().time()
            with _alone("settle"):
                await self._chat.settle()
            with _alone("beacon"):
                await self._beacon(now)
            with _alone("sign_ins"):
                await self._check_sign_ins(now)

    async def _hints_missed_within(self, seconds: float) -> None:
        """Wait for a pulse, or less when hints were lost: then everything is due, and the others are asked anew who is
        where."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._heard_gap.wait(), seconds)
        if self._heard_gap.is_set():
            self._heard_gap.clear()
            self._beaconed = self._checked = LONG_AGO
            with _alone("attendance"):
                self._attendance.open()

    async def _beacon(self, now: float) -> None:
        if now - self._beaconed >= self._until_beacon() * self._spread:
            await self._chat.beacon()
            self._beaconed = now
            self._spread = random.uniform(0.8, 1.2)  # noqa: S311  (keeps processes out of step)

    def _until_beacon(self) -> float:
        return BEACON_S if self._chat.core.hub.healthy else BEACON_UNWELL_S

    async def _check_sign_ins(self, now: float) -> None:
        if now - self._checked >= SIGN_IN_CHECK_S:
            await self._chat.check_sign_ins()
            self._checked = now

    def _look_at_connections(self, now: float) -> None:
        for connection in list(self._chat.connections):
            with _alone("connection"):
                since = connection.sending_since
                if since is not None and now - since > SEND_DEADLINE_S:
                    CUT.inc()
                    connection.abort()
                else:
                    connection.pulse(now)


@contextlib.contextmanager
def _alone(step: str) -> Iterator[None]:
    """What fails in here is over with, and due again."""
    try:
        yield
    except Exception as error:
        logger.warning("pulse_failed", name=step, kind=type(error).__name__)
