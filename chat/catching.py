"""Catching up: what rooms lack of their logs, read for many of them in one transaction.

A hint from another process comes for each conversation that has grown; a reading for each of them would cost more than
the events that it brings. What is asked for while the last reading runs goes into the next (`core.gathering`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chat import amendments, audiences, conversations, sealing, statements
from chat.audiences import Audience, Event
from chat.models import Conversation
from core.database import Transaction
from core.refusals import Refusal
from core.services import Core
from core.vault.keys import DataKey

_NUMBER = {Audience.STAFF: "seq", Audience.PUBLIC: "pub_seq"}


@dataclass(frozen=True, slots=True)
class Lack:
    """What a room lacks: at most `limit` events from a number of this side's counting on."""

    core: Core
    conversation_id: str
    audience: Audience
    start: int
    limit: int

    @property
    def span(self) -> tuple[str, int, int]:
        """The log, its first number and its last."""
        return self.conversation_id, self.start, self.start + self.limit - 1


@dataclass(frozen=True, slots=True)
class _Found:
    key: DataKey
    events: list[Event]

    @property
    def span(self) -> tuple[str, int, int]:
        """The numbers of the events, and of those that they amend."""
        numbers = [event.seq for event in self.events] + [each.target_seq for each in self.events if each.target_seq]
        return self.events[0].conversation_id, min(numbers), max(numbers)


def read(tx: Transaction, lacks: Sequence[Lack], *, now: int) -> list[list[Event] | Refusal]:
    """The events of each, as their amendments leave them; nothing of a conversation that is gone."""
    rows = conversations.several(tx, list({lack.conversation_id for lack in lacks}), now=now)
    written = {
        side: statements.between(tx, _NUMBER[side], [lack.span for lack in lacks if lack.audience is side])
        for side in {lack.audience for lack in lacks}
    }
    found = [_open(lack, rows.get(lack.conversation_id), written[lack.audience]) for lack in lacks]
    spans = [each.span for each in found if isinstance(each, _Found) and each.events]
    amending = statements.between(tx, "target_seq", spans) if spans else {}
    return [_standing(lack, each, amending) for lack, each in zip(lacks, found, strict=True)]


def _open(lack: Lack, row: Conversation | None, written: statements.Rows) -> _Found | Refusal | None:
    if row is None:
        return None
    try:
        key = sealing.key_of(lack.core.vault, row)
    except Refusal as refusal:
        return refusal
    _, first, last = lack.span
    events = [sealing.open_row(key, lack.core.settings.tenant, each) for each in written.get(row.id, ())]
    mine = [each for each in events if first <= (audiences.position(each, lack.audience) or 0) <= last]
    return _Found(key, mine)


def _standing(lack: Lack, found: _Found | Refusal | None, amending: statements.Rows) -> list[Event] | Refusal:
    if not isinstance(found, _Found):
        return found or []
    tenant = lack.core.settings.tenant
    known = amendments.fates(sealing.open_row(found.key, tenant, row) for row in amending.get(lack.conversation_id, ()))
    return [amendments.standing(event, known) for event in found.events]
