"""A journal: what one client sent, was told and received, in the order in which it happened to it.

Times are seconds of one monotonic clock, shared by every client of a run. Of an event only a print is kept (who,
which kind, which body, as this side sees it), so a journal may be stored and shown.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from chat.protocol import Ack, Ev
from chat.witness import Witness


@dataclass(frozen=True)
class Sent:
    """A message went onto the wire, for the first time or again."""

    conversation: str
    client_id: str
    at: float


@dataclass(frozen=True)
class Acked:
    """The server says that it has the message, at this number of the client's numbering."""

    conversation: str
    client_id: str
    number: int
    duplicate: bool
    at: float


@dataclass(frozen=True)
class Refused:
    """The server will never take this message."""

    conversation: str
    client_id: str
    code: str
    at: float


@dataclass(frozen=True)
class Opened:
    """A view begins, or begins anew, in front of this number."""

    conversation: str
    epoch: str
    first: int
    at: float


@dataclass(frozen=True)
class Received:
    """An event was delivered; `asked` when the client had asked for this very stretch."""

    conversation: str
    number: int
    kind: str
    fingerprint: str
    at: float
    asked: bool = False


@dataclass(frozen=True)
class Connected:
    """The socket was welcomed."""

    at: float


@dataclass(frozen=True)
class Lost:
    """The connection ended without being asked to."""

    at: float


Entry = Sent | Acked | Refused | Opened | Received | Connected | Lost


@dataclass
class Journal(Witness):
    """Everything that happened to one client, who is one side of the conversations it takes part in."""

    ref: str
    audience: Literal["public", "staff"]
    entries: list[Entry] = field(default_factory=list)

    def write(self, entry: Entry) -> None:
        self.entries.append(entry)

    def sent(self, conversation: str, client_id: str, at: float) -> None:
        self.write(Sent(conversation, client_id, at))

    def acked(self, ack: Ack, at: float) -> None:
        self.write(Acked(ack.c, ack.m, ack.s, ack.dup, at))

    def refused(self, conversation: str, client_id: str, code: str, at: float) -> None:
        self.write(Refused(conversation, client_id, code, at))

    def opened(self, conversation: str, epoch: str, first: int, at: float) -> None:
        self.write(Opened(conversation, epoch, first, at))

    def received(self, event: Ev, at: float, *, asked: bool) -> None:
        mark = fingerprint(event.from_.ref, event.k, event.b)
        self.write(Received(event.c, event.s, event.k, mark, at, asked=asked))

    def connected(self, at: float) -> None:
        self.write(Connected(at))

    def lost(self, at: float) -> None:
        self.write(Lost(at))


@dataclass(frozen=True)
class Logged:
    """One event of the final log: number and print as staff see it, and as customers do if they may."""

    seq: int
    kind: str
    staff: str
    client_id: str | None = None
    pub: int | None = None
    public: str | None = None


def fingerprint(sender: str, kind: str, body: object) -> str:
    """What two parties compare instead of the event itself."""
    return hashlib.sha256(msgspec.json.encode((sender, kind, body), order="deterministic")).hexdigest()[:16]
