"""Read marks: how far each participant has received and read; a maximum, so order and repetition do no harm.

A mark is kept in both numberings, because a shopper counts public events and staff count all. What moves for staff
alone (somebody read a note) must not show on the public side, not even as a version that rises.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct
from sqlalchemy import bindparam, func, select, update

from chat.audiences import Audience, of_caller
from chat.models import Conversation
from chat.statements import EVENT, MARK
from core.database import Transaction, insert_ignore, row_lock
from core.identity.callers import Caller


class Mark(Struct, frozen=True):
    """How far one participant has come in one conversation."""

    conversation_id: str
    participant: str
    read_seq: int
    read_pub_seq: int
    received_seq: int
    received_pub_seq: int
    version: int


_OF_ONE = select(*(MARK.c[name] for name in Mark.__struct_fields__)).where(
    MARK.c.conversation_id == bindparam("conversation_id")
)


@dataclass(frozen=True, slots=True)
class Reached:
    """How far somebody says to have come, in their own numbering; 0 says nothing."""

    read: int = 0
    received: int = 0

    def further(self, other: "Reached") -> "Reached":
        """Both together."""
        return Reached(max(self.read, other.read), max(self.received, other.received))


def move(tx: Transaction, caller: Caller, conversation: Conversation, reached: Reached) -> frozenset[Audience]:
    """Move the caller's marks forward; a mark never goes back nor beyond the log. Says for which sides any moved."""
    name = {"conversation_id": conversation.id, "participant": caller.ref}
    zeros = dict.fromkeys(("read_seq", "read_pub_seq", "received_seq", "received_pub_seq", "version"), 0)
    insert_ignore(tx, MARK, [name | zeros], ["conversation_id", "participant"])
    is_mine = (MARK.c.conversation_id == conversation.id) & (MARK.c.participant == caller.ref)
    before = tx.execute(row_lock(tx, select(MARK).where(is_mine))).one()
    read = _both(tx, conversation, of_caller(caller), reached.read)
    received = _both(tx, conversation, of_caller(caller), max(reached.read, reached.received))
    after = {
        "read_seq": max(before.read_seq, read[0]),
        "read_pub_seq": max(before.read_pub_seq, read[1]),
        "received_seq": max(before.received_seq, received[0]),
        "received_pub_seq": max(before.received_pub_seq, received[1]),
    }
    moved = {column for column, value in after.items() if getattr(before, column) != value}
    if not moved:
        return frozenset()
    tx.execute(update(MARK).where(is_mine).values(after | {"version": before.version + 1}))
    return frozenset(Audience) if moved & {"read_pub_seq", "received_pub_seq"} else frozenset({Audience.STAFF})


def version(found: Sequence[Mark], audience: Audience) -> int:
    """A number that rises whenever a mark moves for this side."""
    if audience is Audience.STAFF:
        return sum(mark.version for mark in found)
    return sum(mark.read_pub_seq + mark.received_pub_seq for mark in found)


def of(tx: Transaction, conversation_id: str) -> list[Mark]:
    """Every participant's marks."""
    found: Iterable[Any] = tx.execute(_OF_ONE, {"conversation_id": conversation_id})  # Any: rows of a mark's columns
    return [Mark(*row) for row in found]


def _both(tx: Transaction, conversation: Conversation, audience: Audience, upto: int) -> tuple[int, int]:
    """A position of one side in both numberings, `(seq, pub_seq)`."""
    here = EVENT.c.conversation_id == conversation.id
    if upto <= 0:
        return 0, 0
    if audience is Audience.PUBLIC:
        public = min(upto, conversation.last_pub_seq)
        seq = tx.execute(select(EVENT.c.seq).where(here, EVENT.c.pub_seq == public)).scalar()
        return int(seq or 0), public
    seq = min(upto, conversation.last_seq)
    found = tx.execute(select(func.max(EVENT.c.pub_seq)).where(here, EVENT.c.seq <= seq)).scalar()
    return seq, int(found or 0)
