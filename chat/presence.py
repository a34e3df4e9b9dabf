"""Presence: who is here, counted by people and not by tabs; leaving is believed after a while, so a reload does not
flicker. Pure: the caller brings the time in seconds of a steady clock.

Each process knows its own people and tells the others, at each coming and going and again every 15 seconds. What
another process told is believed for 45 seconds by our own clock, so that a process which was killed takes its people
along, and no two clocks are ever compared.
"""

from collections.abc import Iterable

LINGER_S = 15.0
REFRESH_S = 15.0
BELIEVED_S = 45.0


class Presence:
    """Who holds at least one live connection, here or at another process."""

    def __init__(self) -> None:
        self._connections: dict[str, int] = {}
        self._leaving: dict[str, float] = {}
        self._elsewhere: dict[str, dict[str, float]] = {}  # person: process: believed until

    def arrive(self, ref: str) -> bool:
        """One more connection of this person; says whether they were away from this process."""
        self._connections[ref] = self._connections.get(ref, 0) + 1
        was_leaving = self._leaving.pop(ref, None) is not None
        return self._connections[ref] == 1 and not was_leaving

    def leave(self, ref: str, at_s: float) -> None:
        """One connection less; the last one starts the wait."""
        self._connections[ref] -= 1
        if not self._connections[ref]:
            del self._connections[ref]
            self._leaving[ref] = at_s + LINGER_S

    def count(self, ref: str) -> int:
        """How many live connections this person holds to this process."""
        return self._connections.get(ref, 0)

    def is_here(self, ref: str) -> bool:
        """Whether the person is here or elsewhere, or left only just now."""
        return ref in self._connections or ref in self._leaving or ref in self._elsewhere

    def own(self) -> list[str]:
        """The people of this process."""
        return sorted({*self._connections, *self._leaving})

    def settle(self, at_s: float) -> list[str]:
        """Those whose wait at this process is over; the others may be told."""
        away = [ref for ref, until in self._leaving.items() if until <= at_s]
        for ref in away:
            del self._leaving[ref]
        return away

    def hear_here(self, process: str, refs: Iterable[str], at_s: float) -> list[str]:
        """Another process has these people; returns those who were away until now."""
        new = []
        for ref in refs:
            if not self.is_here(ref):
                new.append(ref)
            self._elsewhere.setdefault(ref, {})[process] = at_s + BELIEVED_S
        return new

    def hear_away(self, process: str, ref: str) -> bool:
        """Another process has lost somebody; says whether they are away now."""
        processes = self._elsewhere.get(ref)
        if processes is None or processes.pop(process, None) is None:
            return False
        if not processes:
            del self._elsewhere[ref]
        return not self.is_here(ref)

    def lapse(self, at_s: float) -> list[str]:
        """Forget what has not been told again; returns those who are away now."""
        old = [
            (process, ref)
            for ref, processes in self._elsewhere.items()
            for process, until in processes.items()
            if until <= at_s
        ]
        return [ref for process, ref in old if self.hear_away(process, ref)]
