"""The sending half of a socket: one task writes, only while there is something to write.

Danger. A reader that stalls and makes memory grow, or waits for ever with its task; two tasks that write at once.

Principle. Events are not queued, they are fetched by cursor when the socket is ready. Long answers wait for room, one
at a time; a client that has more short answers waiting than a reader ever could is cut. States are kept under their
key, so a newer one replaces an older; signs of life are dropped first. When `send` hangs, `sending_since` says since
when, and the service cuts the connection.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from chat import protocol
from chat.waiting import Gate

STATES = 64
MESSAGE_BYTES = 65_536
REPLIES = 2_048
ROOM_CHARACTERS = 65_536

Send = Callable[[dict[str, Any]], Awaitable[None]]  # Any: an ASGI message
Fetch = Callable[[], Awaitable[list[str]]]


class Outlet:
    """Writes frames to one socket, in the order in which they were given."""

    def __init__(self, send: Send, abort: Callable[[], None], fetch: Fetch) -> None:
        self.sending_since: float | None = None
        self.is_open = True
        self._send = send
        self._abort = abort
        self._fetch = fetch
        self._replies: list[str] = []
        self._characters = 0
        self._states: dict[tuple[str, ...], str] = {}
        self._wanted = False
        self._close_code: int | None = None
        self._pump_task: asyncio.Task[None] | None = None
        self._room = Gate()

    def reply(self, *frames: protocol.ServerFrame) -> None:
        """Answer something the client sent."""
        self.say(*map(protocol.write, frames))

    def say(self, *frames: str) -> None:
        """As `reply`, for frames that are text already."""
        self._replies += frames
        self._characters += sum(map(len, frames))
        if self._characters > ROOM_CHARACTERS:
            self._room.clear()
        if len(self._replies) > REPLIES:
            self.abort()
        self._kick()

    def tell(self, key: tuple[str, ...], frame: str) -> None:
        """Show a state; the newest under its key is what gets written. A paused socket loses signs of life first."""
        if key not in self._states and len(self._states) >= STATES:
            oldest = next((each for each in self._states if each[0] == "typing"), next(iter(self._states)))
            del self._states[oldest]
        self._states[key] = frame
        self._kick()

    def wake(self) -> None:
        """There are events to fetch."""
        self._wanted = True
        self._kick()

    def close(self, code: int) -> None:
        """Write what is waiting, then end the socket with this code."""
        if self._close_code is None:
            self._close_code = int(code)
            self._kick()

    def abort(self) -> None:
        """End the connection at once, whatever is waiting."""
        self.is_open = False
        self._abort()
        if self._pump_task is not None:
            self._pump_task.cancel()

    @property
    def is_ending(self) -> bool:
        """Whether nothing the client still says is of any use."""
        return self._close_code is not None or not self.is_open

    async def room(self) -> None:
        """Wait until there is room for a long answer."""
        await self._room.wait()

    async def finish(self) -> None:
        """The socket has ended: stop writing."""
        self.is_open = False
        if self._pump_task is not None:
            self._pump_task.cancel()
            await asyncio.gather(self._pump_task, return_exceptions=True)

    def _kick(self) -> None:
        if self.is_open and self._pump_task is None:
            self._pump_task = asyncio.get_running_loop().create_task(self._pump(), name="chat-outlet")

    async def _pump(self) -> None:
        try:
            while self.is_open and (self._replies or self._states or self._wanted):
                frames = self._take()
                if self._wanted:
                    self._wanted = False
                    frames += await self._fetch()
                await self._write(frames)
            if self.is_open and self._close_code is not None:
                self.is_open = False
                await self._send({"type": "websocket.close", "code": self._close_code, "reason": ""})
        except OSError:
            self.is_open = False  # the other side has gone; the receive loop learns it too
        finally:
            self._pump_task = None
            self.sending_since = None

    def _take(self) -> list[str]:
        frames = [*self._replies, *self._states.values()]
        self._replies.clear()
        self._states.clear()
        self._characters = 0
        self._room.set()
        return frames

    async def _write(self, frames: list[str]) -> None:
        clock = asyncio.get_running_loop().time
        start = size = 0
        for place, frame in enumerate(frames):
            if size and size + len(frame) > MESSAGE_BYTES:
                self.sending_since = clock()
                await self._send({"type": "websocket.send", "text": protocol.join(frames[start:place])})
                start, size = place, 0
            size += len(frame)
        if size:
            self.sending_since = clock()
            await self._send({"type": "websocket.send", "text": protocol.join(frames[start:])})
        self.sending_since = None
