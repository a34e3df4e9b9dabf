"""Token buckets: how fast one client may go, and one sign-in with all its clients.

Pure: the caller brings the time in seconds of a steady clock.
"""

from collections import OrderedDict
from collections.abc import Callable

FRAME_RATE, FRAME_BURST = 50.0, 400
TYPING_RATE, TYPING_BURST = 1 / 3, 2
MOST_PACES = 10_000
FORGOTTEN_AFTER_S = 600.0


class Bucket:
    """Lets `burst` through at once and `rate` a second in the long run."""

    __slots__ = ("_burst", "_filled_at", "_rate", "_tokens")

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._filled_at: float | None = None

    def take(self, now_s: float, wanted: int = 1) -> int:
        """Take some or none; 0, or the milliseconds until there will be that many."""
        if self._filled_at is not None:
            self._tokens = min(self._burst, self._tokens + (now_s - self._filled_at) * self._rate)
        self._filled_at = now_s
        if self._tokens < wanted:
            return max(1, int((wanted - self._tokens) / self._rate * 1_000))
        self._tokens -= wanted
        return 0


class Pace:
    """How fast one client may go: messages, frames of whatever kind, signs of typing."""

    def __init__(self, rate: float, burst: int) -> None:
        self.messages = Bucket(rate, burst)
        self.frames = Bucket(max(FRAME_RATE, 10 * rate), max(FRAME_BURST, 10 * burst))
        self.typing = Bucket(TYPING_RATE, TYPING_BURST)


class Paces:
    """The paces of sign-ins, for all their sockets and requests together.

    One that was not used for ten minutes has long filled up again, so forgetting it changes nothing; of too many, the
    longest unused go first.
    """

    def __init__(self) -> None:
        self._paces: OrderedDict[str, tuple[Pace, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._paces)

    def of(self, key: str, now_s: float, make: Callable[[], Pace]) -> Pace:
        """The pace under this key, as it was left."""
        pace = self._paces.pop(key, (None, now_s))[0] or make()
        self._paces[key] = (pace, now_s)
        while len(self._paces) > MOST_PACES or next(iter(self._paces.values()))[1] < now_s - FORGOTTEN_AFTER_S:
            self._paces.popitem(last=False)
        return pace
