"""Leaving: how a process that is about to stop sends its sockets away, so that they do not all come back at once."""

import asyncio
import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Collection

from chat.protocol import Close
from chat.watchers import Connection

DRAIN_S = 20.0
LEAVE_STEP_S = 0.1
LEAVE_AT_ONCE = 20
SEE_OFF_S = 2.0


class Leaving:
    """The sockets that are open, what tells that one has ended, and what is still to be written to the log."""

    def __init__(
        self, connections: Collection[Connection], parted: asyncio.Event, finish: Callable[[], Awaitable[None]]
    ) -> None:
        self._connections = connections
        self._parted = parted
        self._finish = finish

    async def all(self) -> None:
        """Tell every socket when to come back, write what is queued, and end them, some at a time."""
        leaving = list(self._connections)
        step = max(LEAVE_AT_ONCE, math.ceil(len(leaving) * LEAVE_STEP_S / DRAIN_S))
        spread_s = len(leaving) / step * LEAVE_STEP_S
        for connection in leaving:
            connection.leave_within(random.randint(0, int(spread_s * 1_000)))  # noqa: S311  (spreads the reconnects)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._finish(), DRAIN_S)
        for start in range(0, len(leaving), step):
            for connection in leaving[start : start + step]:
                connection.close(Close.RESTARTING)
            await asyncio.sleep(LEAVE_STEP_S if start + step < len(leaving) else 0)
        await self._see_off()

    async def _see_off(self) -> None:
        """Until the last close is written, with all that was to be said before it; who does not read it is cut."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEE_OFF_S):
                while self._connections:
                    self._parted.clear()
                    await self._parted.wait()
        for connection in list(self._connections):
            connection.abort()
