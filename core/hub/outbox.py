"""The outbox of a shared hub: hints that wait to be sent, at most so many, each said once.

Filled from any thread, emptied by the one task that sends.
"""

import threading
from collections.abc import Sequence
from typing import Final

from core.hub.hints import DESK, LOG, TYPING, Note, parts

LIMIT: Final = 8_192
_Key = tuple[str, bytes]


class Outbox:
    """What waits: of a log only how far it goes, of everything else each hint once."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._waiting: dict[_Key, bytes] = {}
        self._lock = threading.Lock()
        self.dropped = 0

    def put(self, channel: str, packed: bytes) -> bool:
        """Take a hint in; says whether it is the first, so that somebody must be woken. A full outbox drops it."""
        key = _key(channel, packed)
        with self._lock:
            was_empty = not self._waiting
            held = self._waiting.get(key)
            if held is not None:
                self._waiting[key] = _further(held, packed)
            elif len(self._waiting) < self._limit:
                self._waiting[key] = packed
            else:
                self.dropped += 1
            return was_empty

    def take(self) -> list[Note]:
        """Everything that waits, in its order."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        return [(channel, packed) for (channel, _), packed in waiting.items()]

    def put_back(self, notes: Sequence[Note]) -> None:
        """What could not be sent waits again, before the rest; that somebody was typing is not worth it."""
        with self._lock:
            newer, self._waiting = self._waiting, {}
            again = [(channel, packed) for channel, packed in notes if channel != TYPING]
            for channel, packed in [*again, *((key[0], packed) for key, packed in newer.items())]:
                key = _key(channel, packed)
                if key in self._waiting:
                    self._waiting[key] = _further(self._waiting[key], packed)
                elif len(self._waiting) < self._limit:
                    self._waiting[key] = packed
                else:
                    self.dropped += 1


def _key(channel: str, packed: bytes) -> _Key:
    return (channel, packed.partition(b"|")[0] if channel in (LOG, DESK) else packed)


def _further(held: bytes, packed: bytes) -> bytes:
    """Of two hints about one log the one that goes further; of two equal ones either."""
    return packed if packed == held or int(parts(packed)[1]) > int(parts(held)[1]) else held
