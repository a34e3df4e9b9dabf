"""The log: how an event gets its number, and how events are read back.

Danger. A message acknowledged and lost, stored twice, out of its sender's order, or answered to somebody who may not
have it; two numbers given to one place; a whole batch refused because of one bad message.

Principle. The number is taken under the lock of the conversation row and written in the same transaction, so numbers
are dense and a reader never sees n+1 before n. Whether an id is known already, and whether the one it follows is there,
is looked up after the lock. A resend gets the same answer for ever. An `after` that is not there stores nothing
(sender order across retries); a `seen` that is behind stores nothing (an agent answers what she has read).

Boundary. `append_batch` is one transaction of a handful of set-based statements for many drafts of many conversations;
`append_in` is the same for one draft inside somebody else's transaction. Hints go out after the commit. A draft that
is refused is refused alone and leaves nothing behind; an error of the database fails the batch, which the caller then
repeats draft by draft (`chat.batches`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select

from chat import amendments, audiences, sealing
from chat.audiences import STAFF_ONLY_KINDS, Audience, Event
from chat.drafts import Ack, Announce, DifferentPayload, Draft, Outcome, OutOfOrder, Prepare, Stale, Top
from chat.models import Conversation
from chat.numbering import Batch, resource, state_of
from chat.statements import EVENT
from core import hub
from core.database import Transaction
from core.refusals import Refusal
from core.services import Core
from core.vault.keys import DataKey

__all__ = [
    "Ack",
    "Announce",
    "DifferentPayload",
    "Draft",
    "OutOfOrder",
    "Outcome",
    "Prepare",
    "Span",
    "Stale",
    "Top",
    "announce_hints",
    "append_batch",
    "append_in",
    "read",
    "read_as_written",
    "resource",
    "rows_of",
    "state_of",
]


def append_in(tx: Transaction, core: Core, draft: Draft, *, now: int) -> Ack:
    """Append one draft inside a transaction of the caller's. Raises: Refusal."""
    outcome = append_batch(tx, core, [draft], now=now)[0]
    if isinstance(outcome, Refusal):
        raise outcome
    return outcome


def append_batch(
    tx: Transaction, core: Core, drafts: Sequence[Draft], announce: Announce | None = None, *, now: int
) -> list[Outcome]:
    """Append the drafts in their order; one outcome for each, in the same order."""
    batch = Batch(tx, core, now)
    batch.lock({draft.conversation for draft in drafts})
    batch.look_up(drafts)
    outcomes: list[Outcome] = []
    for draft in drafts:
        try:
            outcomes.append(batch.number(draft))
        except Refusal as refusal:
            outcomes.append(refusal)
    grown = batch.write()
    if grown:
        events = batch.events
        tx.after_commit(lambda: announce(events, grown) if announce else announce_hints(core, grown))
    return outcomes


def announce_hints(core: Core, tops: Sequence[Top]) -> None:
    """Tell every process that these logs have grown."""
    for top in tops:
        core.hub.publish(hub.LOG, hub.hint(top.conversation_id, top.last_seq))
        core.hub.publish(hub.DESK, hub.hint(top.conversation_id, top.version))


@dataclass(frozen=True, slots=True)
class Span:
    """Which part of a log: at most `limit` events from number `start` on, or those before number `before`."""

    limit: int
    start: int = 1
    before: int | None = None


def read(tx: Transaction, core: Core, conversation: Conversation, audience: Audience, span: Span) -> list[Event]:
    """Events of the span in this side's numbering, oldest first, as their amendments leave them."""
    key = sealing.key_of(core.vault, conversation)
    events = _opened(tx, core, key, conversation.id, audience, span)
    known = amendments.of(tx, key, core.settings.tenant, events)
    return [amendments.standing(event, known) for event in events]


def read_as_written(tx: Transaction, core: Core, conversation: Conversation, span: Span) -> list[Event]:
    """Events of the span for the copy of the shopper whose log it is: what she took back is hers to have."""
    key = sealing.key_of(core.vault, conversation)
    events = _opened(tx, core, key, conversation.id, Audience.PUBLIC, span)
    known = amendments.of(tx, key, core.settings.tenant, events)
    return [amendments.as_written(event, known) for event in events]


def _opened(  # noqa: PLR0917  (a span of one log, for one side, with its key)
    tx: Transaction, core: Core, key: DataKey, conversation_id: str, audience: Audience, span: Span
) -> list[Event]:
    number = EVENT.c.seq if audience is Audience.STAFF else EVENT.c.pub_seq
    statement = select(EVENT).where(EVENT.c.conversation_id == conversation_id).limit(span.limit)
    if audience is Audience.PUBLIC:
        statement = statement.where(EVENT.c.pub_seq.is_not(None), EVENT.c.kind.not_in(STAFF_ONLY_KINDS))
    if span.before is None:
        statement = statement.where(number >= span.start).order_by(number)
    else:
        statement = statement.where(number < span.before).order_by(number.desc())
    events = [sealing.open_row(key, core.settings.tenant, row) for row in tx.execute(statement)]
    mine = [event for event in events if audiences.position(event, audience) is not None]
    return mine if span.before is None else mine[::-1]


def rows_of(tx: Transaction, conversation_id: str) -> list[Row[Any]]:  # Any: rows of the whole table
    """The whole log as it lies there, for the verification of its chain."""
    return list(tx.execute(select(EVENT).where(EVENT.c.conversation_id == conversation_id).order_by(EVENT.c.seq)))
