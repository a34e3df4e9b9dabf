"""Presence: who is here, counted by people and not by tabs; leaving is believed after a while, so a reload does not
flicker. Pure: the caller brings the time in seconds of a steady clock.
"""

LINGER_S = 15.0
MOST_AT_ONCE = 30


class Presence:
    """Who holds at least one live connection."""

    def __init__(self) -> None:
        self._connections: dict[str, int] = {}
        self._leaving: dict[str, float] = {}

    def arrive(self, ref: str) -> bool:
        """One more connection of this person; says whether they were away."""
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
        """How many live connections this person holds."""
        return self._connections.get(ref, 0)

    def is_here(self, ref: str) -> bool:
        """Whether the person is here, or left only just now."""
        return ref in self._connections or ref in self._leaving

    def settle(self, at_s: float) -> list[str]:
        """Those whose wait is over: they are away now."""
        away = [ref for ref, until in self._leaving.items() if until <= at_s]
        for ref in away:
            del self._leaving[ref]
        return away
