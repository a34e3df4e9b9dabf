"""The heartbeat of sockets: one timer for all of them, which asks each in its turn whether it still hears us.

Principle. Sockets sit on the spokes of a wheel, a new one on the next spoke, so that those who came at the same moment
are not asked at the same moment. A spoke's turn comes once in an interval. The wheel stands still when it is empty.

Boundary. Runs on the event loop; a loop has one wheel for each interval.
"""

import asyncio
from typing import Protocol
from weakref import WeakKeyDictionary

SPOKES = 200


class Beating(Protocol):
    """A socket that can be asked."""

    def beat(self) -> None:
        """Ask, or give up when there was no answer since the last time."""


class Wheel:
    """Asks every socket on it once in `interval_s` seconds."""

    def __init__(self, interval_s: float) -> None:
        self._step_s = interval_s / SPOKES
        self._spokes: list[set[Beating]] = [set() for _ in range(SPOKES)]
        self._at = self._after = self._count = 0
        self._is_turning = False

    def add(self, socket: Beating) -> int:
        """Put the socket on a spoke whose turn comes in half an interval or more; returns which, for `remove`."""
        self._after = (self._after + 1) % (SPOKES // 2)
        spoke = (self._at + SPOKES // 2 + self._after) % SPOKES
        self._spokes[spoke].add(socket)
        self._count += 1
        self._go_on()
        return spoke

    def remove(self, socket: Beating, spoke: int) -> None:
        """Leave the socket in peace."""
        if socket in self._spokes[spoke]:
            self._spokes[spoke].remove(socket)
            self._count -= 1

    def _turn(self) -> None:
        self._at = (self._at + 1) % SPOKES
        for socket in list(self._spokes[self._at]):
            socket.beat()
        self._is_turning = False
        self._go_on()

    def _go_on(self) -> None:
        if self._count and not self._is_turning:
            self._is_turning = True
            asyncio.get_running_loop().call_later(self._step_s, self._turn)


_wheels: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, Wheel]] = WeakKeyDictionary()


def wheel(interval_s: float) -> Wheel:
    """The running loop's wheel of this interval."""
    wheels = _wheels.setdefault(asyncio.get_running_loop(), {})
    if interval_s not in wheels:
        wheels[interval_s] = Wheel(interval_s)
    return wheels[interval_s]
