"""Epochs: which telling of its log a conversation is in; numbers of one telling mean nothing in another.

Danger. A log that lost its end (a back-up was put back, or a standby took over that had not received everything) and
has grown since: whoever stood at 100 when the log went back to 90 would take the new 101 for the next event and never
learn of 91 to 100. And a client that lies about where it stands must not make everybody else start afresh.

Principle. Numbers are good within one epoch, 64 random bits in the conversation's row. A restore renews every epoch. A
tail lost unnoticed has two witnesses. A room of ours knows how far the log went in the database: it is believed. A
client that may read the conversation and stands beyond its end is believed once an hour for each conversation;
within the hour it starts afresh alone. All a liar gains is that those who watch her own conversation load its latest
page again, and an entry in the ledger with her name on it.

Boundary. The verbs run in their caller's transaction. What was lost, and that it was, is checked on the locked row;
the ledger entry stands with the new epoch or not at all; rooms learn of it by a hint after the commit.
"""

import secrets
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Row, literal_column, select, update

from chat.audiences import Audience
from chat.statements import CONVERSATION
from core import ledger
from core.clock import HOUR
from core.database import Transaction, row_lock
from core.hub import EPOCH, Hub, hint
from core.identity.callers import SYSTEM, Caller
from core.ledger import ENTRY

log = structlog.get_logger("chat")

ACTION = "conversation.tail_lost"
BELIEVED_EVERY_MS = HOUR
_SQLITE = "lower(hex(randomblob(8)))"
_POSTGRES = "left(gen_random_uuid()::text, 8) || right(gen_random_uuid()::text, 8)"


@dataclass(frozen=True, slots=True)
class Lost:
    """What a witness says: in this epoch the log has reached `upto`, in the numbering of that side."""

    conversation_id: str
    epoch: str
    upto: int
    audience: Audience = Audience.STAFF


def fresh() -> str:
    """64 random bits."""
    return secrets.token_hex(8)


def renew_all(tx: Transaction) -> int:
    """Another epoch for every conversation, each its own: what a restore does; returns how many there are."""
    drawn: ColumnElement[str] = literal_column(_POSTGRES if tx.is_postgres else _SQLITE)
    return len(tx.execute(update(CONVERSATION).values(epoch=drawn).returning(CONVERSATION.c.id)).all())


def believe_room(tx: Transaction, hub: Hub, lost: Lost, *, now: int) -> None:
    """A room of ours has seen more of the log than there is."""
    row = _shorter(tx, lost)
    if row is not None and row.epoch == lost.epoch:
        _renew(tx, hub, SYSTEM, lost, now)


def believe_client(tx: Transaction, hub: Hub, caller: Caller, lost: Lost, *, now: int) -> str:
    """A client who may read it stands beyond the end of the log; returns the epoch that holds now."""
    row = _shorter(tx, lost)
    if row is None or row.epoch != lost.epoch or _was_believed(tx, lost.conversation_id, now):
        return str(row.epoch) if row else lost.epoch
    return _renew(tx, hub, caller, lost, now)


def _shorter(tx: Transaction, lost: Lost) -> Row[Any] | None:  # Any: columns of the conversation
    """The conversation, locked, if its log ends before what the witness has seen."""
    last = CONVERSATION.c.last_seq if lost.audience is Audience.STAFF else CONVERSATION.c.last_pub_seq
    statement = select(CONVERSATION.c.epoch).where(CONVERSATION.c.id == lost.conversation_id, last < lost.upto)
    return tx.execute(row_lock(tx, statement)).one_or_none()


def _was_believed(tx: Transaction, conversation_id: str, now: int) -> bool:
    about = (ENTRY.c.object_id == conversation_id) & (ENTRY.c.action == ACTION)
    recent = select(ENTRY.c.seq).where(about, ENTRY.c.at_ms > now - BELIEVED_EVERY_MS).limit(1)
    return tx.execute(recent).first() is not None


def _renew(tx: Transaction, hub: Hub, witness: Caller, lost: Lost, now: int) -> str:
    epoch = fresh()
    tx.execute(update(CONVERSATION).where(CONVERSATION.c.id == lost.conversation_id).values(epoch=epoch))
    about = ("conversation", lost.conversation_id)
    ledger.append(tx, caller=witness, action=ACTION, object=about, result=f"seen-{lost.upto}", now=now)

    def announce() -> None:
        log.warning("log_tail_lost", conversation=lost.conversation_id, kind=witness.kind)
        hub.publish(EPOCH, hint(lost.conversation_id))

    tx.after_commit(announce)
    return epoch
