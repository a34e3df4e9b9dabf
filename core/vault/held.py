"""Held keys: the few data keys that stay in memory for a while, and how often each has sealed.

Danger. A key that stays in memory after it was destroyed; a count of sealings that starts again at nought whenever
a key leaves memory. So whoever fetches a key says when it began (`mark`), and nothing fetched before a destruction
is kept after it; and a key that leaves hands over its count, to be written down.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from core.vault.keys import DataKey


@dataclass(frozen=True)
class _Entry:
    key: DataKey
    scope: str
    owner: str
    until: float


class Held:
    """At most `limit` keys, each for `seconds`; safe to use from several threads."""

    def __init__(self, limit: int, seconds: float, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._monotonic = monotonic
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._uses: dict[int, int] = {}
        self._evictions = 0
        self._purge_at = monotonic() + seconds
        self._lock = threading.Lock()

    def get(self, dek_id: int, scope: str, owner: str) -> DataKey | None:
        """The key, when it is held for exactly this scope and owner."""
        with self._lock:
            entry = self._entries.get(dek_id)
            if entry is None or entry.scope != scope or entry.owner != owner:
                return None
            if entry.until <= self._monotonic():
                self._drop(dek_id)
                return None
            self._entries.move_to_end(dek_id)
            return entry.key

    def mark(self) -> int:
        """To be taken before a key is fetched and given to `keep`."""
        with self._lock:
            return self._evictions

    def keep(self, key: DataKey, scope: str, owner: str, mark: int) -> DataKey:
        """Hold a fetched key; return the one that is held, which another thread may have fetched first."""
        with self._lock:
            now = self._monotonic()
            if now >= self._purge_at:
                self._purge(now)
            entry = self._entries.get(key.id)
            if entry is not None and (entry.scope, entry.owner) == (scope, owner):
                return entry.key
            self._drop(key.id)
            key.count_from(max(key.uses, self._uses.get(key.id, 0)))
            if mark == self._evictions:
                self._entries[key.id] = _Entry(key, scope, owner, now + self._seconds)
                while len(self._entries) > self._limit:
                    self._drop(next(iter(self._entries)))
            return key

    def evict(self, dek_ids: Iterable[int]) -> None:
        """Let keys go at once, and let nothing in that was fetched before now."""
        with self._lock:
            self._evictions += 1
            for dek_id in dek_ids:
                self._drop(dek_id)

    def evict_all(self) -> None:
        """Let every key go."""
        with self._lock:
            self._evictions += 1
            for dek_id in list(self._entries):
                self._drop(dek_id)

    def take_uses(self) -> dict[int, int]:
        """The counts of the keys that have left since the last call, to be written down."""
        with self._lock:
            uses, self._uses = self._uses, {}
            return uses

    def _purge(self, now: float) -> None:
        self._purge_at = now + self._seconds / 5
        for dek_id in [dek_id for dek_id, entry in self._entries.items() if entry.until <= now]:
            self._drop(dek_id)

    def _drop(self, dek_id: int) -> None:
        entry = self._entries.pop(dek_id, None)
        if entry is not None and entry.key.uses > entry.key.noted_uses:
            self._uses[dek_id] = max(entry.key.uses, self._uses.get(dek_id, 0))
