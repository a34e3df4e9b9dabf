"""Watchers: what a room, and the chat service, ask of whoever reads along."""

from typing import Protocol

from chat.audiences import Audience
from chat.protocol import Close
from core.identity.callers import Caller
from core.identity.permissions import Purpose


class Watcher(Protocol):
    """What a room needs of a reader."""

    audience: Audience
    caller: Caller

    def purpose_of(self, conversation_id: str) -> Purpose | None:
        """For what a member of staff opened the conversation."""

    def wake(self, conversation_id: str) -> None:
        """There are new events to fetch."""

    def tell(self, key: tuple[str, ...], frame: str) -> None:
        """Show a state; a newer one under the same key replaces it."""

    def lose(self, conversation_id: str) -> None:
        """The right to this conversation has ended."""

    def restart(self, conversation_id: str) -> None:
        """The log is another telling now: whatever was shown of it must be forgotten."""


class Connection(Watcher, Protocol):
    """What the service needs of a socket."""

    @property
    def sending_since(self) -> float | None:
        """Since when (steady clock, seconds) a write has been waiting for the other side."""

    def close(self, code: Close) -> None:
        """End it in good order."""

    def abort(self) -> None:
        """End it at once: the other side has stopped reading."""

    def pulse(self, now_s: float) -> None:
        """Comes every few seconds: say what is to be said now and then."""

    def leave_within(self, in_ms: int) -> None:
        """Say `bye`: come back after this time."""
