"""The pulse: what the chat service does again and again, whether or not anybody writes.

Danger. A hint that was lost and never made good; a stalled reader that is never cut; a sign-in that ended unheard.

Principle. Every 15 seconds the beacon compares what the rooms know with the database, more often while the hub is
unwell, and at once after a gap. Sign-ins are asked about every minute. A send that hangs for 15 seconds ends the
connection. What fails is tried again with the next pulse.
"""

import asyncio
import contextlib
import random
from collections.abc import Iterable
from typing import Protocol

import structlog
from prometheus_client import Counter
from sqlalchemy.exc import DBAPIError

from chat.attendance import Attendance
from chat.watchers import Connection
from core.refusals import Refusal
from core.services import Core

logger = structlog.get_logger("chat")
CUT = Counter("aftercare_sockets_cut", "Sockets cut because the other side had stopped reading.")

PULSE_S = 1.0
BEACON_S = 15.0
BEACON_UNWELL_S = 2.0
SIGN_IN_CHECK_S = 60.0
SEND_DEADLINE_S = 15.0


class Service(Protocol):
    """What has a pulse."""

    @property
    def core(self) -> Core: ...

    @property
    def connections(self) -> Iterable[Connection]: ...

    async def beacon(self) -> None: ...

    async def check_sign_ins(self) -> None: ...


class Pulse:
    """Runs until it is cancelled."""

    def __init__(self, chat: Service, attendance: Attendance, heard_gap: asyncio.Event) -> None:
        self._chat = chat
        self._attendance = attendance
        self._heard_gap = heard_gap

    async def beat(self) -> None:
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
                    await self._chat.beacon()
                if missed or now - checked >= SIGN_IN_CHECK_S:
                    checked = now
                    await self._chat.check_sign_ins()
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
        return BEACON_S if self._chat.core.hub.healthy else BEACON_UNWELL_S

    def _cut_stalled(self, now: float) -> None:
        for connection in list(self._chat.connections):
            if connection.sending_since is not None and now - connection.sending_since > SEND_DEADLINE_S:
                CUT.inc()
                connection.abort()
