"""Deadlines: until when a request must be answered; pure, and always counted from its receipt.

The clock starts when a request arrives, whoever's identity is still open, and is never paused (clause 5(2)2). A day
ends where the operator is.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from core.policy import Policy

LAST_HOUR, LAST_MINUTE = 23, 59


def due_ms(since_ms: int, days: int, zone: str) -> int:
    """23:59 on the day that lies `days` calendar days after the day of `since_ms`, in that zone."""
    day = datetime.fromtimestamp(since_ms / 1000, tz=UTC).astimezone(ZoneInfo(zone)).date() + timedelta(days=days)
    end = datetime(day.year, day.month, day.day, LAST_HOUR, LAST_MINUTE, tzinfo=ZoneInfo(zone))
    return int(end.timestamp() * 1000)


def days_left(due: int, zone: str, *, now: int) -> int:
    """Calendar days until the day of `due`: 0 on that day, less when it is over."""
    place = ZoneInfo(zone)
    last, today = (datetime.fromtimestamp(at / 1000, tz=UTC).astimezone(place).date() for at in (due, now))
    return (last - today).days


def alarms_due(policy: Policy, due: int, zone: str, *, now: int) -> int:
    """How many of the alarms should have rung; each keeps its distance from the end when that is moved."""
    answer = policy.days("answer")
    left = days_left(due, zone, now=now)
    return sum(left <= answer - int(day) for day in policy.codes("alarm_days"))
