"""The `aftercare` command with something broken or hurried on purpose: `python -m tests.patched serve`.

`PATCHES` in the environment names what; the product itself knows nothing of it.
"""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import core.web.health
from chat import leaving, rooms
from core import generation
from core.holdings import Holding
from core.jobs import Runner
from core.services import Core
from media.uploads import Media
from support import cli, house, server, watchdog
from support.backup import settling
from support.backup.settling import Settled
from tests.chaos.patching import exchange


async def sit_on_the_loop(_: Request) -> Response:
    """Block the event loop, as a forgotten blocking call would."""
    time.sleep(3_600)
    return Response()


async def hold_the_interpreter(_: Request) -> Response:
    """Block every thread, as one endless call into C would."""
    re.match(r"(a+)+$", "a" * 64 + "b")
    return Response()


async def sit_on_the_job(_: Runner, now: int | None = None) -> int:
    """Block the worker's loop as it looks for due jobs."""
    time.sleep(3_600)
    return now or 0


async def wait_for_ever(_: rooms.Chat) -> None:
    """A drain that never ends."""
    await asyncio.Event().wait()


def offer(path: str, door: Callable[[Request], Awaitable[Response]]) -> None:
    """One more door of the house."""
    core.web.health.routes.append(Route(path, door))


def blocking() -> None:
    """A page that blocks the loop."""
    offer("/block", sit_on_the_loop)


def holding() -> None:
    """A page that holds the interpreter, which may cost two seconds of processor time."""
    offer("/hold", hold_the_interpreter)
    watchdog.INTERPRETER_CPU_S = 2.0


def impatient() -> None:
    """The watchdog gives the loop two seconds instead of ten."""
    watchdog.QUESTION_S = 0.2


def leisurely() -> None:
    """Sockets leave one by one, half a second apart."""
    leaving.LEAVE_AT_ONCE, leaving.LEAVE_STEP_S = 1, 0.5


def stuck() -> None:
    """The drain never ends."""
    rooms.Chat.drain = wait_for_ever  # type: ignore[assignment,method-assign]


def impatient_stop() -> None:
    """A drain is given up after a second."""
    server.PATIENCE_S = 1.0


def wait_for(file: Path) -> None:
    """Until somebody has made it."""
    while not file.exists():
        time.sleep(0.05)


def waiting_to_settle() -> None:
    """Data that were put back are settled only when a file named `go` lies beside them."""
    settle = settling.settle_if_behind

    async def settle_when_told(core: Core, media: Media, kept: Sequence[Holding]) -> Settled | None:
        if await generation.missed(core) is not None:
            os.write(1, b"waits to settle\n")
            await asyncio.to_thread(wait_for, core.settings.data / "go")
        return await settle(core, media, kept)

    exchange(house, "settle_if_behind", settle_when_told)


def blocking_worker() -> None:
    """The first look for due jobs never comes back."""
    Runner.run_due = sit_on_the_job  # type: ignore[assignment,method-assign]


PATCHES = {
    each.__name__: each
    for each in (
        blocking,
        holding,
        impatient,
        leisurely,
        stuck,
        impatient_stop,
        waiting_to_settle,
        blocking_worker,
    )
}

if __name__ == "__main__":
    for name in os.environ["PATCHES"].split():
        PATCHES[name]()
    cli.main()
