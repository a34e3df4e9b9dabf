"""The worker: letters, sweeps and other durable jobs, beside the server or in a process of its own."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator

from core import generation
from core.jobs import Runner
from core.settings import Settings
from support.house import House, opened
from support.schedule import every, handlers


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
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    async with opened(settings) as house, working(house):
        await stop.wait()
