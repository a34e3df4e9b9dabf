"""The worker: letters, sweeps and other durable jobs, beside the server or in a process of its own."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from core import generation
from core.jobs import Runner
from core.settings import Settings
from support.house import House, opened
from support.schedule import every, handlers
from support.stopping import Stopping, end_with_the_runner, hearing
from support.watchdog import watching

PATIENCE_S = 25.0


@contextlib.asynccontextmanager
async def working(house: House) -> AsyncIterator[None]:
    """Run jobs while the block runs."""
    await generation.advance(house.core)
    stop = asyncio.Event()
    task = asyncio.create_task(Runner(house.core, handlers(house), every(house.core.policy)).run_forever(stop))
    try:
        yield
    finally:
        stop.set()
        await task


async def work(settings: Settings) -> None:
    """Run jobs until a signal asks us to stop."""
    end_with_the_runner(os.environ)
    stop = asyncio.Event()
    with hearing(Stopping(stop.set, PATIENCE_S)):
        async with opened(settings) as house, working(house):
            with watching():
                await stop.wait()
