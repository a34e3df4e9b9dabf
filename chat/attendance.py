"""Attendance: how the processes tell each other who is connected where, by hints.

Whoever starts, or has missed hints, hails the others, and they say at once whom they have. While the hub is down
each process goes by what it knows itself, and what it was told lapses.
"""

import asyncio
from collections.abc import Callable, Sequence

from chat.presence import REFRESH_S, Presence
from core import hub, ids

IN_A_HINT = 50


class Attendance:
    """Keeps one process's presence in step with the others; `show` is told of everyone whose presence changed."""

    def __init__(self, presence: Presence, carrier: hub.Hub, show: Callable[[str], None]) -> None:
        self._presence = presence
        self._hub = carrier
        self._show = show
        self._process = ids.new()
        self._told_s = 0.0

    def open(self) -> None:
        """Ask who is where, and say whom we have."""
        self._hub.publish(hub.HAIL, hub.hint(self._process))
        self._tell(self._presence.own())

    def arrive(self, ref: str) -> None:
        """One more connection of this person."""
        if self._presence.arrive(ref):
            self._tell([ref])
            self._show(ref)

    def leave(self, ref: str) -> None:
        """One connection less."""
        self._presence.leave(ref, _now())

    def pulse(self) -> None:
        """Settle who left, forget what has lapsed, and say again whom we have when it is time."""
        now = _now()
        for ref in self._presence.settle(now):
            self._hub.publish(hub.AWAY, hub.hint(self._process, ref))
            self._show(ref)
        for ref in self._presence.lapse(now):
            self._show(ref)
        if now - self._told_s >= REFRESH_S:
            self._told_s = now
            self._tell(self._presence.own())

    def hear(self, channel: str, process: str, refs: Sequence[str]) -> None:
        """What another process says; our own hints are nothing new."""
        if process == self._process:
            return
        if channel == hub.HAIL:
            self._tell(self._presence.own())
        elif channel == hub.HERE:
            for ref in self._presence.hear_here(process, refs, _now()):
                self._show(ref)
        elif self._presence.hear_away(process, refs[0]):
            self._show(refs[0])

    def _tell(self, refs: Sequence[str]) -> None:
        for start in range(0, len(refs), IN_A_HINT):
            self._hub.publish(hub.HERE, hub.hint(self._process, *refs[start : start + IN_A_HINT]))


def _now() -> float:
    return asyncio.get_running_loop().time()
