"""The server: uvicorn with our own opening and our own shutdown, so that a deploy drains instead of cutting.

On the first SIGTERM: not ready any more, every socket is told `bye` and given its turn to leave, the writer finishes
what it holds, requests that are under way get their answer, then the process ends. The more sockets there are, the
longer that takes, up to twenty seconds; with none it is over at once. `support.stopping` has the last word.
"""

import asyncio
import contextlib
import os
import resource
from collections.abc import Awaitable, Callable
from types import FrameType

import uvicorn
import uvloop
from starlette.applications import Starlette

from chat.leaving import DRAIN_S
from chat.server import HttpProtocol, SocketProtocol
from core import garbage
from core.settings import Settings
from support import app
from support.commands import COMMANDS
from support.control import listening
from support.house import House, opened
from support.stopping import Stopping, end_with_the_runner
from support.watchdog import watching
from support.worker import working

PATIENCE_S = DRAIN_S + 5.0
MOST_FILES = 65_536

Greeting = Callable[[House], Awaitable[None]]


def serve(settings: Settings, greet: Greeting) -> None:
    """Serve until a signal asks us to stop. Raises: Refusal, when the house cannot be opened."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, greet))


async def _serve(settings: Settings, greet: Greeting) -> None:
    end_with_the_runner(os.environ)
    _allow_many_sockets()
    async with contextlib.AsyncExitStack() as stack:
        house = await stack.enter_async_context(opened(settings))
        stack.enter_context(watching())
        await stack.enter_async_context(house.chat.running())
        if settings.is_embedded:
            await stack.enter_async_context(working(house))
            await stack.enter_async_context(listening(house, COMMANDS))
        server = Server(house, greet)
        garbage.set_aside()
        await server.serve()


class Server(uvicorn.Server):
    """A uvicorn server that greets when it serves and drains its chats before it stops."""

    def __init__(self, house: House, greet: Greeting) -> None:
        self._house = house
        self._greet = greet
        self._app = app.create(house)
        self._stopping = Stopping(self._leave, PATIENCE_S)
        self._draining: asyncio.Task[None] | None = None
        super().__init__(config(self._app, house.core.settings))

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Open the port, then say so."""
        await super().startup(sockets)  # type: ignore[arg-type]  # sockets are passed on as they come
        if self.started:
            await self._greet(self._house)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Not ready from this moment on."""
        self._app.state.draining = True
        self._stopping.signalled()

    def _leave(self) -> None:
        async def drain() -> None:
            await self._house.chat.drain()
            self.should_exit = True

        self._draining = asyncio.create_task(drain(), name="drain")


def _allow_many_sockets() -> None:
    """A socket is an open file, and many systems allow a process 1,024 unless it asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def config(application: Starlette, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves us (reliability: frames of 64 KiB, no compression, dead peers found in 40 seconds)."""
    return uvicorn.Config(
        application,
        interface="asgi3",  # not found out by asking whether `__call__` is a coroutine function: it is not
        host=settings.host,
        port=settings.port,
        http=HttpProtocol,
        ws=SocketProtocol,
        ws_max_size=65_536,
        ws_max_queue=16,
        ws_ping_interval=20,
        ws_per_message_deflate=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        server_header=False,
        access_log=False,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=int(DRAIN_S),
    )
