"""A log that is slow to read, or cannot be read: what the database does when it is busy, or away."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError

from chat.audiences import Audience, Event
from chat.models import Conversation
from tests.chat.line import House


class Held:
    """Whoever reads this conversation's log waits until `release`."""

    def __init__(self, house: House, chat: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
        self._chat = chat
        self._read = house.chat.read_events
        self._begun = asyncio.Event()
        self._released = asyncio.Event()
        monkeypatch.setattr(house.chat, "read_events", self._read_in_time)

    async def begun(self) -> None:
        """Until somebody reads."""
        await asyncio.wait_for(self._begun.wait(), 5)

    def release(self) -> None:
        """Let everybody read."""
        self._released.set()

    async def _read_in_time(self, conversation_id: str, audience: Audience, start: int, limit: int) -> list[Event]:
        if conversation_id == self._chat.id:
            self._begun.set()
            await self._released.wait()
        return await self._read(conversation_id, audience, start, limit)


def away(house: House, error: Callable[[], Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no log can be read."""

    async def fail(*_: object) -> list[Event]:
        raise error()

    monkeypatch.setattr(house.chat, "read_events", fail)


def broken() -> OperationalError:
    """What SQLAlchemy says when the server has closed the connection."""
    return OperationalError("select", {}, Exception("server closed the connection"))
