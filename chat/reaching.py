"""How far one client says to have come: written at once, and then at most once a second for each conversation.

A mark is a maximum, so whatever comes meanwhile goes into the next write and nothing is lost by waiting; what still
waits when the client goes is written then.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from chat.marks import Reached

PAUSE_S = 1.0

Write = Callable[[str, Reached], Coroutine[Any, Any, None]]
Run = Callable[[str, Coroutine[Any, Any, None]], object]


class Reaching:
    """The marks of one client on their way; `run` is given each write, and may refuse by closing it."""

    def __init__(self, write: Write, run: Run) -> None:
        self._write = write
        self._run = run
        self._waiting: dict[str, Reached] = {}
        self._pauses: dict[str, asyncio.TimerHandle] = {}

    def note(self, conversation_id: str, reached: Reached) -> None:
        """The client has come so far."""
        waiting = self._waiting.get(conversation_id)
        self._waiting[conversation_id] = waiting.further(reached) if waiting else reached
        if conversation_id not in self._pauses:
            self._next(conversation_id)

    def finish(self, run: Run) -> None:
        """The client has gone: write what waits, by somebody who stays."""
        for pause in self._pauses.values():
            pause.cancel()
        self._pauses.clear()
        for conversation_id, reached in self._waiting.items():
            run(conversation_id, self._write(conversation_id, reached))
        self._waiting.clear()

    def _next(self, conversation_id: str) -> None:
        self._pauses.pop(conversation_id, None)
        reached = self._waiting.pop(conversation_id, None)
        if reached is not None:
            later = asyncio.get_running_loop().call_later(PAUSE_S, self._next, conversation_id)
            self._pauses[conversation_id] = later
            self._run(conversation_id, self._write(conversation_id, reached))
