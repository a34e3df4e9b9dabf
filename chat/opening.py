"""Opening a conversation: who is let in, and what is written down about it first.

Danger. Content shown before the permission and, for staff, before the ledger entry.

Principle. Opening is one transaction: permission, row, read marks and ledger entry; only then does anything leave.
Those who leave no entry are let in many at a time, each with an answer of her own.

Boundary. `look_in`, `open_for` and `read_for` are verbs of one transaction.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from chat import audiences, conversations, log, standing
from chat.audiences import Event
from chat.log import Span
from chat.marks import Mark
from chat.models import Conversation
from chat.standing import Standing
from core import clock, ids, ledger
from core.database import Transaction
from core.identity import permissions
from core.identity.callers import Caller
from core.identity.permissions import Operation, Purpose
from core.refusals import NotFound, Refusal
from core.services import Core


@dataclass(frozen=True, slots=True)
class Opened:
    """A conversation as a transaction found it, for a caller who may have it."""

    row: Standing
    marks: Sequence[Mark]


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants to be let in where, and for what."""

    caller: Caller
    conversation_id: str
    purpose: Purpose | None = None


Open = Callable[[Core, Wish], Awaitable[Opened]]


def look_in(tx: Transaction, wishes: Sequence[Wish], *, now: int) -> list[Opened | Refusal]:
    """Let each caller in as far as the door: no content may leave on this alone."""
    wanted = {wish.conversation_id for wish in wishes if ids.is_id(wish.conversation_id)}
    found = standing.several_marked(tx, wanted, now=now)
    return [_answer(wish, *found.get(wish.conversation_id, (None, ()))) for wish in wishes]


def _answer(wish: Wish, row: Standing | None, marked: Sequence[Mark]) -> Opened | Refusal:
    if row is None:
        return NotFound()
    try:
        permissions.require(wish.caller, Operation.READ_CONVERSATION, log.resource(row), wish.purpose)
    except Refusal as refusal:
        return refusal
    return Opened(row, marked)


def open_for(tx: Transaction, wish: Wish, *, now: int) -> Opened:
    """Let the caller in; a member of staff leaves an entry in the ledger (clause 3(2)). Raises: Refusal."""
    (opened,) = look_in(tx, [wish], now=now)
    if isinstance(opened, Refusal):
        raise opened
    _note(tx, wish, now=now)
    return opened


def _note(tx: Transaction, wish: Wish, *, now: int) -> None:
    if wish.caller.is_staff:
        seen = ("conversation", wish.conversation_id)
        ledger.append(tx, caller=wish.caller, action="conversation.read", object=seen, purpose=wish.purpose, now=now)


async def open_unnoted(core: Core, wish: Wish) -> Opened:
    """Let in somebody who leaves no entry, or not yet. Raises: Refusal."""
    return await core.database.read_together(look_in, wish)


async def open_noted(core: Core, wish: Wish) -> Opened:
    """Let a socket in: what staff are then sent as it comes rests on this one entry. Raises: Refusal."""
    if wish.caller.is_staff:
        return await core.database.write(open_for, wish, now=clock.now())
    return await open_unnoted(core, wish)


def read_for(tx: Transaction, core: Core, wish: Wish, *, span: Span) -> tuple[Conversation, list[Event]]:
    """History for somebody who holds no subscription; staff leave the same entry. Raises: Refusal."""
    now = clock.now()
    row = conversations.find(tx, wish.caller, wish.conversation_id, purpose=wish.purpose, now=now)
    _note(tx, wish, now=now)
    return row, log.read(tx, core, row, audiences.of_caller(wish.caller), span)
