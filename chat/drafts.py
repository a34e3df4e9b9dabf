"""Drafts and answers: what somebody wants in the log, and what the log says to it."""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct

from chat.audiences import Audience, Event
from core.database import Transaction
from core.identity.callers import Caller
from core.identity.permissions import Purpose
from core.refusals import Conflict, Refusal
from core.services import Core

Prepare = Callable[[Transaction, dict[str, Any]], dict[str, Any]]

Admit = Callable[[Transaction, Core, Caller], None]
"""Refuses whoever may not write at all, for example before agreeing to the policy in force."""


def everyone(_tx: Transaction, _core: Core, _caller: Caller) -> None:
    """Whoever may write into a conversation may write."""


class Draft(Struct, frozen=True):
    """An event that somebody wants in the log. `client_id` names it for ever; `seen` counts as staff count.

    `prepare` runs inside the transaction for a draft that is new and gives the body to be stored, for example with
    the facts of an attachment it has just claimed. `purpose` and `case` are for kinds whose permission asks for them.
    Any: JSON values whose shape the kind decides.
    """

    conversation: str
    sender: Caller
    client_id: str
    kind: str
    body: dict[str, Any]
    after: str | None = None
    seen: int | None = None
    prepare: Prepare | None = None
    purpose: Purpose | None = None
    case: str | None = None


class Ack(Struct, frozen=True):
    """Stored, and on disk: the number in both countings and the server's time in milliseconds."""

    seq: int
    pub_seq: int | None
    ts: int
    duplicate: bool = False

    def position(self, audience: Audience) -> int:
        """The number as this side counts."""
        return self.seq if audience is Audience.STAFF or self.pub_seq is None else self.pub_seq


class Top(Struct, frozen=True):
    """Where a log ends after a commit."""

    conversation_id: str
    last_seq: int
    version: int


Outcome = Ack | Refusal
Announce = Callable[[Sequence[Event], Sequence[Top]], None]


class OutOfOrder(Conflict):
    """The message before this one is not here; send again from there."""

    def __init__(self) -> None:
        super().__init__("order", "An earlier message is still on its way.", retry="order")


class Stale(Conflict):
    """The other side wrote meanwhile; `seq` is the first such event."""

    def __init__(self, seq: int) -> None:
        super().__init__("stale", "There is a newer message. Please read it first.", seq=seq)


class TooLate(Conflict):
    """Whoever wrote it may change it for a few minutes only."""

    def __init__(self, minutes: int) -> None:
        super().__init__("too_late", "A message can be changed for five minutes. It stays as it is.", minutes=minutes)


class AlreadyGone(Conflict):
    """It was taken back or redacted before."""

    def __init__(self) -> None:
        super().__init__("already_gone", "This message was removed already.")


class DifferentPayload(Conflict):
    """The id was used before, for something else."""

    def __init__(self) -> None:
        super().__init__("conflict", "This message was already sent with another text.")
