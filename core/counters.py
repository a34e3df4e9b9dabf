"""Counters in memory for `core.limits`, whose cost does not grow with how many keys are being counted.

The library's own store asks a thread about every key it holds after every try. With ten thousand open sockets that was
all that the process did: 40 sockets a second could open, and a third of a core was busy with nobody doing anything.
"""

import time
from itertools import takewhile

from limits.aio.storage import MemoryStorage

SWEEP_AFTER = 1_024


class Counters(MemoryStorage):
    """Keeps when each key was tried; only the moving window is for us."""

    STORAGE_SCHEME = ["async+counters"]  # noqa: RUF012  (as the library has it)

    def __init__(self) -> None:
        super().__init__()
        self._tries: dict[str, list[float]] = {}
        self._until: dict[str, float] = {}
        self._sweep_in = SWEEP_AFTER

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count `amount` tries unless that makes more than `limit` within `expiry` seconds."""
        now = time.time()
        recent = self._recent(key, now - expiry)
        if len(recent) + amount > limit:
            return False
        self._tries[key] = recent + [now] * amount
        self._until[key] = now + expiry
        self._sweep(now)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Since when the window runs (seconds), and how many tries are in it."""
        now = time.time()
        recent = self._recent(key, now - expiry)
        return (recent[0] if recent else now), len(recent)

    async def clear(self, key: str) -> None:
        """Forget the key."""
        self._tries.pop(key, None)
        self._until.pop(key, None)

    def _recent(self, key: str, since: float) -> list[float]:
        tries = self._tries.get(key, [])
        return tries[sum(1 for _ in takewhile(lambda tried: tried <= since, tries)) :]

    def _sweep(self, now: float) -> None:
        """Forget what has run out, now and then: each try pays for a small share."""
        self._sweep_in -= 1
        if self._sweep_in > 0:
            return
        for key in [key for key, until in self._until.items() if until <= now]:
            del self._tries[key], self._until[key]
        self._sweep_in = max(SWEEP_AFTER, len(self._until))
