"""The transcript of one conversation: opened for a purpose, entered in the ledger, then laid out line by line.

Danger. A reading that nobody can account for.

Principle. The entry is written in the transaction that opens the text, before anything is returned; a reading that
cannot be entered does not happen. The layout is pure: events in, turns out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from chat import amendments, audiences, cards, conversations, log
from chat.amendments import Fate
from chat.audiences import Audience, Event
from chat.log import Span
from core import ledger
from core.database import Transaction
from core.identity import Caller, permissions
from core.identity.permissions import Operation
from core.refusals import NotFound
from core.services import Core
from support.review import finding
from support.review.finding import Reading

LONGEST = 2_000


@dataclass(frozen=True)
class Amended:
    """What became of a line: revised, retracted or redacted, by whom and when."""

    how: str
    by: str
    ts: int
    reason: str


@dataclass(frozen=True)
class Turn:
    """One line of the transcript; `sort` is said, note or event, `is_for_self` that somebody took the conversation.

    Any: JSON values of the event's body.
    """

    seq: int
    ts: int
    kind: str
    sort: str
    name: str
    is_staff: bool
    text: str
    media: dict[str, Any] | None
    values: dict[str, Any]
    is_for_self: bool
    is_unavailable: bool
    amended: Amended | None


@dataclass(frozen=True)
class Sheet:
    """A whole transcript; `is_cut` when only its newest part is laid out, `entry` is the ledger's number."""

    id: str
    title: str
    proof: str
    state: str
    created_ms: int
    orders: Sequence[str]
    turns: Sequence[Turn]
    is_cut: bool
    entry: int


def open_(tx: Transaction, core: Core, caller: Caller, conversation_id: str, reading: Reading, *, now: int) -> Sheet:
    """The transcript, once the reading is in the ledger.

    Raises:
        NotFound: not there or not theirs. NotAllowed: the purpose does not permit it, or needs a case.
    """
    row = conversations.get(tx, conversation_id, now=now)
    thing = log.resource(row)
    permissions.require(caller, Operation.REVIEW_TRANSCRIPT, thing, reading.purpose, case=reading.reference)
    made = cards.make(tx, core, [row])
    if not made:
        raise NotFound
    start = max(1, row.last_seq - LONGEST + 1)
    events = log.read(tx, core, row, Audience.STAFF, Span(limit=LONGEST, start=start))
    entry = ledger.append(
        tx,
        caller=caller,
        action="transcript.read",
        object=("conversation", row.id),
        purpose=reading.purpose,
        case=reading.reference,
        now=now,
    )
    return Sheet(
        id=row.id,
        title=made[0].title,
        proof=row.proof,
        state=row.state,
        created_ms=row.created_ms,
        orders=finding.order_numbers(tx, core, row.id),
        turns=lay_out(events),
        is_cut=start > 1,
        entry=entry,
    )


def lay_out(events: Iterable[Event]) -> list[Turn]:
    """The events as lines. Pure."""
    held = list(events)
    known = amendments.fates(held)
    return [_turn(event, known.get(event.seq, amendments.UNTOUCHED)) for event in held]


def _turn(event: Event, fate: Fate) -> Turn:
    speaker = audiences.who(event.sender, event.name, Audience.STAFF)
    attachment = event.body.get("attachment")
    return Turn(
        seq=event.seq,
        ts=event.created_ms,
        kind=event.kind,
        sort={"message": "said", "media": "said", "note": "note"}.get(event.kind, "event"),
        name=speaker.name,
        is_staff=speaker.kind == "agent",
        text=str(event.body.get("text") or ""),
        media=attachment if isinstance(attachment, dict) else None,
        values=event.body,
        is_for_self=event.sender == f"staff:{event.body.get('to')}",
        is_unavailable=bool(event.body.get("unavailable")),
        amended=_amended(fate.redacted or fate.retracted or fate.revised),
    )


def _amended(by: Event | None) -> Amended | None:
    if by is None:
        return None
    name = audiences.who(by.sender, by.name, Audience.STAFF).name
    return Amended(by.kind, name, by.created_ms, str(by.body.get("reason", "")))
