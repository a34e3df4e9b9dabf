"""The time: UTC milliseconds since 1970, asked for once by the outermost caller."""

import time

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def now() -> int:
    """Milliseconds since 1970-01-01T00:00Z by the wall clock."""
    return time.time_ns() // 1_000_000
