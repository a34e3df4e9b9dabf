"""Inbox cards: one conversation at a glance for staff, the last line opened, names masked."""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, func, select

from chat import audiences, sealing
from chat.models import Conversation
from chat.statements import CONVERSATION, EVENT, MARK
from core.database import Transaction
from core.identity import staff
from core.services import Core
from core.vault.refusals import ContentUnavailable

_BY_SHOPPERS = EVENT.c.sender.like("visitor:%") | EVENT.c.sender.like("person:%")


class Named(msgspec.Struct):
    """A member of staff, as colleagues see them."""

    id: str
    name: str


class Line(msgspec.Struct):
    """The last thing that was written."""

    kind: str
    text: str
    from_: str = msgspec.field(name="from")
    ts: int


class Card(msgspec.Struct):
    """One conversation in the inbox; a card with a higher `version` replaces the one before."""

    id: str
    version: int
    title: str
    proof: str
    locale: str
    topic: str
    assignee: Named | None
    state: str
    last: Line | None
    waiting_since_ms: int | None
    unread: int
    last_seq: int


def make(tx: Transaction, core: Core, rows: Sequence[Conversation]) -> list[Card]:
    """The cards of these conversations, in their order; one whose key is gone has no card."""
    lines = _last_lines(tx, rows)
    unread = _unread(tx, [row.id for row in rows])
    names = {row.assignee: _name(tx, row.assignee) for row in rows if row.assignee}
    cards = []
    for row in rows:
        try:
            cards.append(_card(core, row, lines.get(row.id), names, unread.get(row.id, 0)))
        except ContentUnavailable:
            continue
    return cards


def name_of(tx: Transaction, core: Core, conversation_id: str, ref: str) -> str:
    """A participant's name; empty when nobody knows it any more."""
    kind, _, named = ref.partition(":")
    if kind == "staff":
        return _name(tx, named)
    row = tx.session.get(Conversation, conversation_id)
    if row is None or row.owner != ref or not row.title_sealed:
        return ""
    try:
        return core.vault.open_field(sealing.key_of(core.vault, row), "conversation", row.id, "title", row.title_sealed)
    except ContentUnavailable:
        return ""


def _card(core: Core, row: Conversation, line: Row[Any] | None, names: dict[str, str], unread: int) -> Card:
    key = sealing.key_of(core.vault, row)
    topic = row.topic_sealed and core.vault.open_field(key, "conversation", row.id, "topic", row.topic_sealed)
    title = row.title_sealed and core.vault.open_field(key, "conversation", row.id, "title", row.title_sealed)
    last = None
    if line is not None:
        event = sealing.open_row(key, core.settings.tenant, line)
        speaker = audiences.who(event.sender, event.name, audiences.Audience.STAFF)
        last = Line(event.kind, audiences.line(event), speaker.kind, event.created_ms)
    return Card(
        id=row.id,
        version=row.version,
        title=audiences.masked(row.owner, title or ""),
        proof=row.proof,
        locale=row.locale,
        topic=topic or "",
        assignee=Named(row.assignee, names[row.assignee]) if row.assignee else None,
        state=row.state,
        last=last,
        waiting_since_ms=row.waiting_since_ms,
        unread=unread,
        last_seq=row.last_seq,
    )


def _last_lines(tx: Transaction, rows: Sequence[Conversation]) -> dict[str, Row[Any]]:
    places = [(row.id, row.last_line_seq) for row in rows if row.last_line_seq]
    if not places:
        return {}
    wanted = CONVERSATION
    statement = (
        select(EVENT)
        .join(wanted, (EVENT.c.conversation_id == wanted.c.id) & (EVENT.c.seq == wanted.c.last_line_seq))
        .where(wanted.c.id.in_([place[0] for place in places]))
    )
    return {line.conversation_id: line for line in tx.execute(statement)}


def _unread(tx: Transaction, conversation_ids: Sequence[str]) -> dict[str, int]:
    """Shoppers' lines that no member of staff has read yet."""
    seen = (
        select(MARK.c.conversation_id, func.max(MARK.c.read_seq).label("upto"))
        .where(MARK.c.conversation_id.in_(conversation_ids), MARK.c.participant.like("staff:%"))
        .group_by(MARK.c.conversation_id)
        .subquery()
    )
    statement = (
        select(EVENT.c.conversation_id, func.count())
        .outerjoin(seen, seen.c.conversation_id == EVENT.c.conversation_id)
        .where(EVENT.c.conversation_id.in_(conversation_ids), EVENT.c.kind.in_(("message", "media")), _BY_SHOPPERS)
        .where(EVENT.c.seq > func.coalesce(seen.c.upto, 0))
        .group_by(EVENT.c.conversation_id)
    )
    counted: Sequence[Any] = tx.execute(statement).all()  # Any: rows of two columns
    return {row[0]: int(row[1]) for row in counted}


def _name(tx: Transaction, staff_id: str) -> str:
    member = staff.by_id(tx, staff_id)
    return member.name if member else ""
