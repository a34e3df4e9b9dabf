"""Token buckets: how fast one connection may write. Pure: the caller brings the time in seconds of a steady clock."""


class Bucket:
    """Lets `burst` through at once and `rate` a second in the long run."""

    __slots__ = ("_burst", "_filled_at", "_rate", "_tokens")

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._filled_at: float | None = None

    def take(self, now_s: float) -> int:
        """Take one; 0, or the milliseconds until there will be one."""
        if self._filled_at is not None:
            self._tokens = min(self._burst, self._tokens + (now_s - self._filled_at) * self._rate)
        self._filled_at = now_s
        if self._tokens < 1:
            return max(1, int((1 - self._tokens) / self._rate * 1_000))
        self._tokens -= 1
        return 0
