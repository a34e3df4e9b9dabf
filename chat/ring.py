"""The ring: the frames of a log's latest events as one side sees them. Pure."""

RING = 256

Frames = list[tuple[int, str]]


class Ring:
    """The latest frames of one side: numbers `first` to `last`, without a gap."""

    def __init__(self, last: int) -> None:
        self.first = last + 1
        self._frames: list[str] = []

    @property
    def last(self) -> int:
        """The highest number held, or the one before the first to come."""
        return self.first + len(self._frames) - 1

    def push(self, frame: str) -> None:
        """Add the next frame; forget the oldest when there are too many."""
        self._frames.append(frame)
        if len(self._frames) >= 2 * RING:
            del self._frames[:RING]
            self.first += RING

    def skip(self) -> None:
        """Count an event that nobody of this side watches."""
        self.first = self.last + 2
        self._frames.clear()

    def forget(self) -> None:
        """Hold nothing any more of what came so far."""
        self.first = self.last + 1
        self._frames.clear()

    def after(self, cursor: int, limit: int) -> Frames | None:
        """The frames that follow a cursor; None when the ring does not reach back so far."""
        if cursor + 1 < self.first:
            return None
        start = cursor + 1 - self.first
        return list(enumerate(self._frames[start : start + limit], cursor + 1))
