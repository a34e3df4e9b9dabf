"""The hub of several processes: hints go over a wire that may be cut, frozen or restarted at any time.

Danger. A wire that reconnects in silence: hints of the time between are gone and nobody knows. A publisher that waits
for a dead wire while people wait for it; a queue that grows for as long as the wire is down; a hint that is done twice.

Principle. Whoever publishes only puts into an outbox: one task sends, everything that has come together at once, and
no sending lasts longer than a second. One task listens and hands over without waiting. The process's own hints are
delivered at once and ignored when they come back. Each time the wire has been away, listeners are told `GAP`: compare
what you know with the database. Until a minute after that, and after every failed sending, the hub is unwell.

Boundary. Runs on the loop of `running`; `publish` may be called from any thread, never blocks and never raises.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Protocol

import structlog

from core import ids
from core.hub.hints import GAP, Listener, Note, opened
from core.hub.local import LocalHub
from core.hub.outbox import Outbox

SEND_S: Final = 1.0
AGAIN_S: Final = 0.25
UNWELL_S: Final = 60.0

logger = structlog.get_logger("hub")


class WireDown(Exception):
    """The other side cannot be reached, or has been away."""


class Wire(Protocol):
    """What carries letters between processes."""

    async def listen(self, ready: Callable[[], None], hear: Callable[[bytes], None]) -> None:
        """Say `ready` once subscribed, then `hear` every letter. Raises: WireDown, as soon as one may be missing."""

    async def send(self, origin: str, notes: Sequence[Note]) -> None:
        """Send hints to every process. Raises: WireDown."""

    async def close(self) -> None:
        """Disconnect."""


class SharedHub:
    """Hints to the listeners of this process and, over a wire, to those of all others."""

    def __init__(
        self, wire: Wire, *, outbox: Outbox | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wire = wire
        self._monotonic = monotonic
        self._here = LocalHub()
        self._outbox = outbox or Outbox()
        self._origin = ids.new()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._filled = asyncio.Event()
        self._tried = asyncio.Event()
        self._is_listening = False
        self._has_missed = False
        self._unwell_until = 0.0

    @property
    def healthy(self) -> bool:
        """False while the wire is down, and for a minute after it came back or a hint could not be sent."""
        return self._is_listening and self._monotonic() >= self._unwell_until

    def publish(self, channel: str, hint: bytes) -> None:
        """Tell every listener here, and soon those of the other processes."""
        self._here.publish(channel, hint)
        dropped = self._outbox.dropped
        must_wake = self._outbox.put(channel, hint)
        if self._outbox.dropped > dropped:
            self._ail()
        if must_wake and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended, and this process with it
                self._loop.call_soon_threadsafe(self._filled.set)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Listen on the running loop; returns what ends it."""
        return self._here.subscribe(listener)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the wire while the block runs; on leaving, send what still waits."""
        self._loop = asyncio.get_running_loop()
        tasks = [
            self._loop.create_task(self._listen_on(), name="hub-listener"),
            self._loop.create_task(self._send_on(), name="hub-sender"),
        ]
        try:
            await self._tried.wait()  # the wire's own limits end this
            yield
        finally:
            self._loop = None
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if notes := self._outbox.take():
                await self._sent(notes)
            await self._wire.close()

    async def _listen_on(self) -> None:
        while True:
            try:
                await self._wire.listen(self._arrive, self._hear)
            except WireDown:
                self._lose()
            await asyncio.sleep(AGAIN_S * random.uniform(1, 3))  # noqa: S311  (keeps processes out of step)

    def _arrive(self) -> None:
        self._is_listening = True
        self._tried.set()
        self._filled.set()
        if self._has_missed:
            self._ail()
            logger.info("hub_gap")
            self._here.publish(GAP, b"")

    def _lose(self) -> None:
        if self._is_listening or not self._has_missed:
            logger.warning("hub_lost")
        self._is_listening = False
        self._has_missed = True
        self._tried.set()

    def _ail(self) -> None:
        self._unwell_until = self._monotonic() + UNWELL_S

    def _hear(self, sent: bytes) -> None:
        """Hand over what others say; whoever fails at it does not make this process deaf."""
        origin, notes = opened(sent)
        if origin != self._origin:
            for channel, packed in notes:
                asyncio.get_running_loop().call_soon(self._here.publish, channel, packed)

    async def _send_on(self) -> None:
        """What has come together goes out together; what could not be sent waits for the next time."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while notes := self._outbox.take():
                if not await self._sent(notes):
                    self._outbox.put_back(notes)
                    await asyncio.sleep(AGAIN_S)

    async def _sent(self, notes: Sequence[Note]) -> bool:
        try:
            async with asyncio.timeout(SEND_S):
                await self._wire.send(self._origin, notes)
        except (WireDown, TimeoutError):
            self._ail()
            return False
        return True
