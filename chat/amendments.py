"""Amendments: what a sender, or a supervisor, did to an earlier event, and what that event shows since.

Danger. Words that were taken back and reach a screen again: by a page of history, an inbox card, the text of an older
revision. Somebody else's words changed. What amends a note counted, or shown, on the shopper's side.

Principle. Nothing that was written is overwritten: an amendment is an event of its own that names its target. Whoever
reads the log gets the target as its amendments leave it: redacted beats retracted beats the latest revision, and a
revision that is not in force shows no text. Whether somebody may amend is asked under the lock, of the log itself.

Boundary. `fates`, `standing` and `as_written` are pure; the rest reads, and `settle` writes, in the transaction of the
amendment. What does not open amends nothing: the chain of the log shows that it was tampered with.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import ColumnElement, FromClause, Row, and_, exists, func, or_, select

from chat import sealing
from chat.audiences import AMENDING_KINDS, LINE_KINDS, STAFF_ONLY_KINDS, Audience, Event, is_shopper, of_caller
from chat.drafts import AlreadyGone, Draft, TooLate
from chat.statements import CONVERSATION, EVENT
from core import ledger
from core.clock import MINUTE
from core.database import Transaction
from core.refusals import NotFound
from core.vault.keys import DataKey
from media import uploads

CHANGE_WITHIN_MS = 5 * MINUTE
_REVISABLE = frozenset({"message", "note"})
_ANSWERING = ("message", "media")
_BY_SHOPPERS = EVENT.c.sender.like("visitor:%") | EVENT.c.sender.like("person:%")


class Fate(Struct, frozen=True):
    """What became of one event: the amendments in force."""

    redacted: Event | None = None
    retracted: Event | None = None
    revised: Event | None = None

    @property
    def is_gone(self) -> bool:
        """Whether its content is no longer shown."""
        return self.redacted is not None or self.retracted is not None


UNTOUCHED = Fate()
Fates = Mapping[int, Fate]


class Target(Struct, frozen=True):
    """The event that an amendment names; `pub_seq` is None when it is for staff."""

    seq: int
    pub_seq: int | None
    kind: str
    attachment_id: str | None


# ------------------------------------------------------------ reading


def fates(amendments: Iterable[Event]) -> dict[int, Fate]:
    """What became of each event that these amend, by its number; those of one event come in the order of the log."""
    found: dict[int, Fate] = {}
    for event in amendments:
        if event.target_seq is not None and event.kind in AMENDING_KINDS and "of" in event.body:
            found[event.target_seq] = replace(found.get(event.target_seq, UNTOUCHED), **{event.kind: event})
    return found


def standing(event: Event, known: Fates) -> Event:
    """The event as everybody may see it now."""
    if event.kind == "revised":
        return event if _is_in_force(event, known) else replace(event, body=_without_text(event.body))
    return replace(event, body=_shown(event.body, known.get(event.seq, UNTOUCHED)))


def as_written(event: Event, known: Fates) -> Event:
    """The event for the copy of the shopper whose log it is: her own words as she wrote them, unless redacted."""
    fate = known.get(event.target_seq or event.seq, UNTOUCHED)
    if fate.redacted or not is_shopper(event.sender):
        return standing(event, known)
    changed: dict[str, Any] = {"retracted": True} if fate.retracted else {}  # Any: JSON values
    changed |= {"revised": fate.revised.created_ms} if fate.revised else {}
    return event if event.kind in AMENDING_KINDS else replace(event, body=event.body | changed)


def of(tx: Transaction, key: DataKey, tenant: str, events: Sequence[Event]) -> Fates:
    """What became of these events of one log, and of those that they amend."""
    if not events:
        return {}
    numbers = [event.seq for event in events] + [event.target_seq for event in events if event.target_seq]
    here = EVENT.c.conversation_id == events[0].conversation_id
    statement = select(EVENT).where(here, EVENT.c.target_seq.between(min(numbers), max(numbers)))
    rows = tx.execute(statement.order_by(EVENT.c.target_seq, EVENT.c.seq))
    return fates(sealing.open_row(key, tenant, row) for row in rows)


def of_last_lines(tx: Transaction, conversation_ids: Sequence[str]) -> dict[str, list[Row[Any]]]:
    """The rows that amend the last line of each conversation, in the order of the log. Any: rows of the whole table."""
    last = (EVENT.c.conversation_id == CONVERSATION.c.id) & _amends(EVENT, CONVERSATION.c.last_line_seq)
    statement = select(EVENT).join(CONVERSATION, last).where(CONVERSATION.c.id.in_(conversation_ids))
    found: dict[str, list[Row[Any]]] = {}
    for row in sorted(tx.execute(statement), key=lambda row: row.seq):
        found.setdefault(row.conversation_id, []).append(row)
    return found


def is_retracted() -> ColumnElement[bool]:
    """The condition that a line of the log was taken back by its sender; for statements over `EVENT`."""
    by = EVENT.alias("taken_back")
    same = and_(by.c.conversation_id == EVENT.c.conversation_id, _amends(by, EVENT.c.seq))
    return exists().where(same, by.c.kind == "retracted")


def _amends(table: FromClause, number: ColumnElement[int] | int) -> ColumnElement[bool]:
    """That a row amends this event. SQLite takes every log for a short one and, asked for equality, reads all of it."""
    return table.c.target_seq.between(number, number)


def _is_in_force(event: Event, known: Fates) -> bool:
    fate = known.get(event.target_seq or 0, UNTOUCHED)
    return not fate.is_gone and fate.revised is not None and fate.revised.seq == event.seq


def _shown(body: dict[str, Any], fate: Fate) -> dict[str, Any]:  # Any: JSON values
    if fate.redacted is not None:
        told = fate.redacted.body
        return {"redacted": True} | {name: told[name] for name in ("reason", "text") if name in told}
    if fate.retracted is not None:
        return {"retracted": True}
    if fate.revised is not None:
        return {"text": fate.revised.body["text"], "revised": fate.revised.created_ms}
    return body


def _without_text(body: dict[str, Any]) -> dict[str, Any]:  # Any: JSON values
    return {name: value for name, value in body.items() if name != "text"}


# ------------------------------------------------------------ writing


def target(tx: Transaction, draft: Draft, senders: Collection[str], *, now: int) -> Target:
    """The event that the draft amends, if its sender may do that to it now.

    `senders` are the names under which the sender wrote.

    Raises: NotFound (not there or not hers), AlreadyGone, TooLate.
    """
    number = EVENT.c.seq if of_caller(draft.sender) is Audience.STAFF else EVENT.c.pub_seq
    here = EVENT.c.conversation_id == draft.conversation
    row = tx.execute(select(EVENT).where(here, number == draft.body["of"])).one_or_none()
    if row is None or not _is_open_to(draft, row, senders):
        raise NotFound
    done = set(tx.execute(select(EVENT.c.kind).where(here, _amends(EVENT, row.seq))).scalars())
    if "redacted" in done or ("retracted" in done and draft.kind != "redacted"):
        raise AlreadyGone
    if draft.kind != "redacted" and now - row.created_ms > CHANGE_WITHIN_MS:
        raise TooLate(CHANGE_WITHIN_MS // MINUTE)
    return Target(row.seq, None if row.kind in STAFF_ONLY_KINDS else row.pub_seq, row.kind, row.attachment_id)


def _is_open_to(draft: Draft, row: Row[Any], senders: Collection[str]) -> bool:  # Any: a row of the whole table
    if of_caller(draft.sender) is Audience.PUBLIC and row.kind in STAFF_ONLY_KINDS:
        return False
    if draft.kind == "redacted":
        return row.kind in LINE_KINDS
    return row.kind in (_REVISABLE if draft.kind == "revised" else LINE_KINDS) and row.sender in senders


def settle(tx: Transaction, draft: Draft, named: Target, *, now: int) -> dict[str, Any]:  # Any: JSON values
    """Do what follows from an accepted amendment; returns the facts that are sealed with it."""
    facts: dict[str, Any] = {"of": named.seq, "of_pub": named.pub_seq}
    if draft.kind == "redacted":
        _enter(tx, draft, now)
    if named.attachment_id is not None and draft.kind != "revised":
        uploads.withdraw(tx, named.attachment_id, how=draft.kind)
    if draft.kind == "retracted" and named.kind in _ANSWERING:
        facts["waiting_since_ms"] = _waiting_since(tx, draft.conversation, named.seq)
    return facts


def _enter(tx: Transaction, draft: Draft, now: int) -> None:
    """No redaction without its entry in the ledger."""
    ledger.append(
        tx,
        caller=draft.sender,
        action="message.redact",
        object=("conversation", draft.conversation),
        purpose=draft.purpose,
        reason=draft.body["reason"],
        case=draft.case,
        now=now,
    )


def _waiting_since(tx: Transaction, conversation_id: str, gone: int) -> int | None:
    """Since when a shopper waits once event `gone` no longer counts: her first line after the last answer."""
    stands = and_(EVENT.c.conversation_id == conversation_id, EVENT.c.seq != gone, ~is_retracted())
    said = EVENT.c.kind.in_(_ANSWERING)
    ends = or_(and_(said, ~_BY_SHOPPERS), EVENT.c.kind == "resolved")
    answered = tx.execute(select(func.max(EVENT.c.seq)).where(stands, ends)).scalar() or 0
    waits = select(func.min(EVENT.c.created_ms)).where(stands, said, _BY_SHOPPERS, EVENT.c.seq > answered)
    since: int | None = tx.execute(waits).scalar()
    return since
