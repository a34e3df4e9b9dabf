"""Hints: the kinds there are, what each carries, and how several travel in one letter.

Danger. A letter comes from outside the process. A malformed one must not end the task that hears all the others, and
none may ever carry a word that somebody wrote.

Principle. Every kind has a shape, made of ids and numbers. What does not match is dropped where it comes in.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

Listener = Callable[[str, bytes], None]
Note = tuple[str, bytes]  # the kind, the hint

LOG: Final = "log"  # conversation, last seq
DESK: Final = "desk"  # conversation, version of its row
MARK: Final = "mark"  # conversation, participant, and STAFF_ONLY when nobody else may know
TYPING: Final = "typing"  # conversation, participant
SIGN_OUT: Final = "signout"  # sign-in
ACCESS: Final = "access"  # conversation whose owner or assignment has changed
EPOCH: Final = "epoch"  # conversation whose log is another telling now
KEYS: Final = "keys"  # data keys that were destroyed or have a new owner
ROTATED: Final = "rotated"  # epoch of the key-encryption keys that was destroyed
HAIL: Final = "hail"  # process that wants to know who is where
HERE: Final = "here"  # process, people who are connected to it
AWAY: Final = "away"  # process, person who has left it
GAP: Final = "gap"  # nothing; made by a hub for its own process and never sent

STAFF_ONLY: Final = "staff"
ONE: Final = rb"[\w:.-]{1,64}"
SHAPES: Final[Mapping[str, re.Pattern[bytes]]] = {
    LOG: re.compile(ONE + rb"\|\d{1,18}"),
    DESK: re.compile(ONE + rb"\|\d{1,18}"),
    MARK: re.compile(ONE + rb"\|" + ONE + rb"(\|staff)?"),
    TYPING: re.compile(ONE + rb"\|" + ONE),
    SIGN_OUT: re.compile(ONE),
    ACCESS: re.compile(ONE),
    EPOCH: re.compile(ONE),
    KEYS: re.compile(rb"\d{1,19}(\|\d{1,19})*"),
    ROTATED: re.compile(rb"\d{1,9}"),
    HAIL: re.compile(ONE),
    HERE: re.compile(ONE + rb"(\|" + ONE + rb")+"),
    AWAY: re.compile(ONE + rb"\|" + ONE),
}
OF_CONVERSATIONS: Final = frozenset({LOG, DESK, MARK, TYPING, ACCESS, EPOCH})


class Hub(Protocol):
    """What carries hints; `healthy` is false while hints may be getting lost."""

    @property
    def healthy(self) -> bool: ...

    def publish(self, channel: str, hint: bytes) -> None: ...

    def subscribe(self, listener: Listener) -> Callable[[], None]: ...

    def running(self) -> AbstractAsyncContextManager[None]: ...


def hint(*parts: str | int) -> bytes:
    """Pack ids and numbers."""
    return "|".join(str(part) for part in parts).encode()


def parts(packed: bytes) -> list[str]:
    """Unpack what `hint` packed."""
    return packed.decode().split("|")


def letter(origin: str, notes: Sequence[Note]) -> bytes:
    """Several hints as one letter: its origin, then one hint a line."""
    return b"\n".join([origin.encode(), *(channel.encode() + b"|" + packed for channel, packed in notes)])


def opened(sent: bytes) -> tuple[str, Iterator[Note]]:
    """The origin of a letter and every hint in it that has the shape of its kind."""
    origin, *lines = sent.split(b"\n")
    return origin.decode("ascii", "replace"), _well_shaped(lines)


def _well_shaped(lines: Sequence[bytes]) -> Iterator[Note]:
    for line in lines:
        name, _, packed = line.partition(b"|")
        channel = name.decode("ascii", "replace")
        shape = SHAPES.get(channel)
        if shape is not None and shape.fullmatch(packed):
            yield channel, packed
