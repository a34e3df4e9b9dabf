"""The whole house of the privacy tests, its worker, and its doors for browsers that keep cookies."""

from core.jobs import Runner
from support import schedule
from support.house import House
from tests.support.privacy.conftest import house

__all__ = ["house", "work"]


async def work(house: House, *, now: int | None = None) -> None:
    """What the worker does with all that is due."""
    await Runner(house.core, schedule.handlers(house)).run_due(now)
