"""The sending half of a socket: one task writes, only while there is something to write.

Danger. A reader that stalls and makes memory grow, or waits for ever with its task; two tasks that write at once.

Principle. Events are not queued, they are fetched by cursor when the socket is ready. Long answers wait for room, one
at a time. States are kept under their key, so a newer one replaces an older. A client that has more short answers or
states waiting than a reader ever could is cut; signs of life are dropped before. When `send` hangs, `sending_since`
says since when, and the service cuts the connection. What fails in here ends the connection too: the client comes back
and loses nothing, while one that stayed connected would wait for what was never written.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from chat import protocol
from chat.waiting import Gate

log = structlog.get_logger("chat")

STATES = 2_048
MESSAGE_BYTES = 65_536
REPLIES = 2_048
NO_RIGHT = (protocol.Close.NOT_SIGNED_IN, protocol.Close.FORBIDDEN)
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
        if self._has_no_right:
            return
        self._replies += frames
        self._characters += sum(map(len, frames))
        if self._characters > ROOM_CHARACTERS:
            self._room.clear()
        if len(self._replies) > REPLIES:
            self.abort()
        self._kick()

    def tell(self, key: tuple[str, ...], frame: str) -> None:
        """Show a state; the newest under its key is what gets written."""
        if self.is_ending:
            return
        if key not in self._states and len(self._states) >= STATES:
            self._make_room()
        self._states[key] = frame
        self._kick()

    def _make_room(self) -> None:
        """Drop the oldest sign of life; a card that was dropped would be a person who waits and whom nobody sees."""
        oldest = next((each for each in self._states if each[0] == "typing"), None)
        if oldest is None:
            self.abort()
        else:
            del self._states[oldest]

    def wake(self) -> None:
        """There are events to fetch."""
        if not self.is_ending:
            self._wanted = True
            self._kick()

    def close(self, code: int) -> None:
        """End the socket with this code. What was answered is written before, but nothing more is fetched or shown;
        to somebody who may not be here any more nothing is said at all. The time for it runs from now."""
        if self.is_ending:
            return
        self._close_code = int(code)
        self._wanted = False
        self._states.clear()
        if self._has_no_right:
            self._take()
        self.sending_since = self.sending_since or asyncio.get_running_loop().time()
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

    @property
    def _has_no_right(self) -> bool:
        return self._close_code in NO_RIGHT

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
                events = await self._events()  # first: what is taken while something else is awaited may be lost
                await self._write([*self._take(), *events])
            if self.is_open and self._close_code is not None:
                self.is_open = False
                await self._send({"type": "websocket.close", "code": self._close_code, "reason": ""})
        except OSError:
            self.is_open = False  # the other side has gone; the receive loop learns it too
        except Exception as error:
            log.warning("outlet_failed", kind=type(error).__name__)
            self.is_open = False
            self._abort()
        finally:
            self._pump_task = None
            self.sending_since = None

    async def _events(self) -> list[str]:
        if not self._wanted:
            return []
        self._wanted = False
        events = await self._fetch()
        return [] if self._has_no_right else events

    def _take(self) -> list[str]:
        frames = [*self._replies, *self._states.values()]
        self._replies.clear()
        self._states.clear()
        self._characters = 0
        self._room.set()
        return frames

    async def _write(self, frames: list[str]) -> None:
        start = size = 0
        for place, frame in enumerate(frames):
            length = protocol.size(frame) + 1  # and a comma
            if size and size + length > MESSAGE_BYTES:
                await self._send_together(frames[start:place])
                start, size = place, 0
            size += length
        if size:
            await self._send_together(frames[start:])

    async def _send_together(self, frames: list[str]) -> None:
        if self._has_no_right:
            return
        if self._close_code is None:
            self.sending_since = asyncio.get_running_loop().time()
        await self._send({"type": "websocket.send", "text": protocol.join(frames)})
