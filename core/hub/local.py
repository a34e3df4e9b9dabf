"""The hub of a single process: a hint is a call on the loop that subscribed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from core.hub.hints import Listener


class LocalHub:
    """Tells every listener of this process; may be called from any thread, a listener always runs on its own loop."""

    def __init__(self) -> None:
        self._listeners: dict[Listener, asyncio.AbstractEventLoop] = {}

    @property
    def healthy(self) -> bool:
        """Always: a call within a process does not get lost."""
        return True

    def publish(self, channel: str, hint: bytes) -> None:
        """Tell every listener; those of a loop that has ended are forgotten."""
        here = _running_loop()
        for listener, loop in list(self._listeners.items()):
            if loop is here:
                listener(channel, hint)
                continue
            try:
                loop.call_soon_threadsafe(listener, channel, hint)
            except RuntimeError:
                self._listeners.pop(listener, None)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Listen on the running loop; returns what ends it."""
        self._listeners[listener] = asyncio.get_running_loop()

        def end() -> None:
            self._listeners.pop(listener, None)

        return end

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Nothing has to run for it."""
        yield


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
