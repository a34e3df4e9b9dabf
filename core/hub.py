"""Hints between rooms and processes: "something has happened there, look it up", never what has happened.

The log is the truth and a hint is only a hint: losing, repeating or swapping hints delays a message and can do no
more. A hint therefore carries ids and numbers and never a word that somebody wrote.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

Listener = Callable[[str, bytes], None]

LOG = "log"  # conversation, last seq
DESK = "desk"  # conversation, version of its row
MARK = "mark"  # conversation, participant
TYPING = "typing"  # conversation, participant
SIGN_OUT = "signout"  # sign-in
ACCESS = "access"  # conversation whose owner or assignment has changed
EPOCH = "epoch"  # conversation whose log is another telling now


class Hub(Protocol):
    """What carries hints; `healthy` is false while hints may be getting lost."""

    @property
    def healthy(self) -> bool: ...

    def publish(self, channel: str, hint: bytes) -> None: ...

    def subscribe(self, listener: Listener) -> Callable[[], None]: ...


class LocalHub:
    """The hub of a single process: a hint is a call on the loop that subscribed.

    `publish` may be called from any thread; a listener always runs on its own loop.
    """

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
            elif loop.is_closed():
                self._listeners.pop(listener, None)
            else:
                loop.call_soon_threadsafe(listener, channel, hint)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Listen on the running loop; returns what ends it."""
        self._listeners[listener] = asyncio.get_running_loop()

        def end() -> None:
            self._listeners.pop(listener, None)

        return end


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def hint(*parts: str | int) -> bytes:
    """Pack ids and numbers."""
    return "|".join(str(part) for part in parts).encode()


def parts(packed: bytes) -> list[str]:
    """Unpack what `hint` packed."""
    return packed.decode().split("|")
