"""The server: uvicorn with our own opening and our own shutdown, so that a deploy drains instead of cutting.

On the first SIGTERM: not ready any more, every socket is told `bye` and given time to leave, the writer finishes what
it holds, then the process ends. A second signal ends it at once, which is only a crash, and crashes are safe.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import FrameType

import uvicorn
import uvloop
from starlette.applications import Starlette

from chat.server import SocketProtocol
from core.settings import Settings
from support import app
from support.commands import COMMANDS
from support.control import listening
from support.house import House, opened
from support.worker import working

DRAIN_SECONDS = 5.0
LEAVE_SECONDS = 5

Greeting = Callable[[House], Awaitable[None]]


def serve(settings: Settings, greet: Greeting) -> None:
    """Serve until a signal asks us to stop. Raises: Refusal, when the house cannot be opened."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, greet))


async def _serve(settings: Settings, greet: Greeting) -> None:
    async with contextlib.AsyncExitStack() as stack:
        house = await stack.enter_async_context(opened(settings))
        await stack.enter_async_context(house.chat.running())
        if settings.is_embedded:
            await stack.enter_async_context(working(house))
            await stack.enter_async_context(listening(house, COMMANDS))
        await Server(house, greet).serve()


class Server(uvicorn.Server):
    """A uvicorn server that greets when it serves and drains its chats before it stops."""

    def __init__(self, house: House, greet: Greeting) -> None:
        self._house = house
        self._greet = greet
        self._app = app.create(house)
        self._loop = asyncio.get_running_loop()
        self._draining: asyncio.Task[None] | None = None
        super().__init__(config(self._app, house.core.settings))

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Open the port, then say so."""
        await super().startup(sockets)  # type: ignore[arg-type]  # sockets are passed on as they come
        if self.started:
            await self._greet(self._house)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain on the first signal, leave on the second."""
        if self._app.state.draining or not self.started:
            self.should_exit = self.force_exit = True
            return
        self._app.state.draining = True
        self._loop.call_soon_threadsafe(self._drain)

    def _drain(self) -> None:
        async def drain() -> None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._house.chat.drain(), DRAIN_SECONDS)
            self.should_exit = True

        self._draining = asyncio.create_task(drain())


def config(application: Starlette, settings: Settings) -> uvicorn.Config:
    """How uvicorn serves us (reliability: frames of 64 KiB, no compression, dead peers found in 40 seconds)."""
    return uvicorn.Config(
        application,
        host=settings.host,
        port=settings.port,
        ws=SocketProtocol,
        ws_max_size=65_536,
        ws_max_queue=16,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        ws_per_message_deflate=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
        server_header=False,
        access_log=False,
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=LEAVE_SECONDS,
    )
