"""Numbering: one batch of drafts under the locks of their conversations, from the look-up to the written rows.

Danger and principle are those of `chat.log`, which opens the transaction that a `Batch` lives in.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from msgspec.structs import astuple
from sqlalchemy import Row, select

from chat import amendments, sealing, statements
from chat.amendments import Target
from chat.audiences import AMENDING_KINDS, STAFF_ONLY_KINDS, Event
from chat.drafts import Ack, DifferentPayload, Draft, OutOfOrder, Stale, Top
from chat.models import Conversation
from chat.standing import Standing
from chat.state import State, fold
from chat.statements import EVENT, Known, Name
from core.database import Transaction
from core.identity import permissions
from core.identity.permissions import RESTRICTED, Operation, Purpose, Resource
from core.refusals import NotFound, Refusal
from core.services import Core
from core.vault.keys import DataKey


@dataclass
class _Open:
    """A locked conversation while its drafts are numbered. Any: a row of the whole table."""

    row: Row[Any]
    key: DataKey
    state: State
    link: bytes
    payload_key: bytes
    owner: str
    opened_by: str
    allowed: dict[tuple[int, Operation, Purpose | None, str | None], bool] = field(default_factory=dict)

    @property
    def is_changed(self) -> bool:
        return self.state.last_seq != int(self.row.last_seq)


@dataclass
class Batch:
    """The numbering of one batch: what is locked, what is known already, what is to be written."""

    tx: Transaction
    core: Core
    now: int
    opened: dict[str, _Open | Refusal] = field(default_factory=dict)
    known: dict[Name, Known] = field(default_factory=dict)
    rows: list[tuple[object, ...]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def lock(self, conversation_ids: set[str]) -> None:
        """Take the conversations' rows in the order of their ids, so that two batches cannot wait for each other."""
        for row in statements.locked(self.tx, conversation_ids):
            if row.expires_ms > self.now:
                self.opened[row.id] = self._open(row)

    def _open(self, row: Row[Any]) -> "_Open | Refusal":  # Any: a row of the whole table
        try:
            key = sealing.key_of(self.core.vault, row)
        except Refusal as refusal:
            return refusal
        return _Open(
            row, key, state_of(row), row.chain_hash, sealing.payload_key(self.core.vault, key), row.owner, row.opened_by
        )

    def look_up(self, drafts: Sequence[Draft]) -> None:
        """After the lock: what the log holds of the drafts' ids and of the ids they follow."""
        names: set[Name] = set()
        for draft in drafts:
            for sender in self._senders(draft):
                names.add((draft.conversation, sender, draft.client_id))
                if draft.after:
                    names.add((draft.conversation, sender, draft.after))
        self.known = statements.known(self.tx, names)

    def _senders(self, draft: Draft) -> tuple[str, ...]:
        """Under which senders an id may be stored: what a guest sent may be sent again once she has proved her name."""
        sender, conversation = draft.sender.ref, self.opened.get(draft.conversation)
        if isinstance(conversation, _Open) and sender == conversation.owner != conversation.opened_by:
            return sender, conversation.opened_by
        return (sender,)

    def _stored(self, draft: Draft, client_id: str) -> Known | None:
        for sender in self._senders(draft):
            if stored := self.known.get((draft.conversation, sender, client_id)):
                return stored
        return None

    def number(self, draft: Draft) -> Ack:
        """Give the draft the next number, or the answer it was given before. Raises: Refusal."""
        conversation = self.opened.get(draft.conversation)
        if isinstance(conversation, Refusal):
            raise conversation
        if conversation is None or not _may_append(draft, conversation):
            raise NotFound
        hashed = sealing.payload_hash(conversation.payload_key, draft.kind, draft.body)
        stored = self._stored(draft, draft.client_id)
        if stored is not None:
            if stored.payload_hash not in (hashed, b""):  # an erased event keeps its id and forgets its hash
                raise DifferentPayload
            return Ack(stored.seq, stored.pub_seq, stored.created_ms, duplicate=True)
        if draft.after and self._stored(draft, draft.after) is None:
            raise OutOfOrder
        self._refuse_stale(draft, conversation)
        body = draft.prepare(self.tx, draft.body) if draft.prepare else draft.body
        target = self._target(draft) if draft.kind in AMENDING_KINDS else None
        if target is not None:
            body = body | amendments.settle(self.tx, draft, target, now=self.now)
        event = _place(draft, conversation.state, body, target, self.now)
        self._seal(conversation, event, hashed)
        return Ack(event.seq, event.pub_seq, event.created_ms)

    def _target(self, draft: Draft) -> Target:
        """What the draft amends; that may be in this very batch, so its rows are written first. Raises: Refusal."""
        self._flush()
        return amendments.target(self.tx, draft, self._senders(draft), now=self.now)

    def _refuse_stale(self, draft: Draft, conversation: _Open) -> None:
        seen, mine = draft.seen, draft.sender.ref
        if seen is None or seen >= conversation.state.last_seq:
            return
        newer = (
            select(EVENT.c.seq)
            .where(EVENT.c.conversation_id == draft.conversation, EVENT.c.seq > seen, EVENT.c.sender != mine)
            .where(EVENT.c.pub_seq.is_not(None))
            .order_by(EVENT.c.seq)
            .limit(1)
        )
        found = self.tx.execute(newer).scalar()
        fresh = (
            event.seq
            for event in self.events
            if event.conversation_id == draft.conversation and event.seq > seen and event.sender != mine
            if event.pub_seq is not None
        )
        first = found if found is not None else next(fresh, None)
        if first is not None:
            raise Stale(int(first))

    def _seal(self, conversation: _Open, event: Event, hashed: bytes) -> None:
        context = sealing.place(self.core.settings.tenant, event)
        sealed = sealing.seal(conversation.key, context, event)
        conversation.link = sealing.next_link(conversation.link, context, sealed)
        conversation.state = fold(conversation.state, event)
        self.events.append(event)
        self.rows.append(statements.row(event, sealed, hashed, conversation.key.id, conversation.link))
        self.known[event.conversation_id, event.sender, event.client_id] = Known(
            event.seq, event.pub_seq, event.created_ms, hashed
        )

    def write(self) -> list[Top]:
        """Write the events and move the counters; returns where the changed logs end."""
        changed = [each for each in self.opened.values() if isinstance(each, _Open) and each.is_changed]
        if not changed:
            return []
        self._flush()
        statements.advance(self.tx, [self._advance(each) for each in changed])
        return [Top(each.row.id, each.state.last_seq, each.row.version + 1) for each in changed]

    def _flush(self) -> None:
        if self.rows:
            statements.insert_all(self.tx, self.rows)
            self.rows = []

    def _advance(self, conversation: _Open) -> tuple[object, ...]:
        row, state = conversation.row, conversation.state
        expires_ms = self.core.policy.expires_ms(state.retention_class, state.last_event_ms)
        return *astuple(state), row.version + 1, conversation.link, expires_ms, row.id


_OPERATIONS = {
    "media": Operation.ATTACH,
    "note": Operation.NOTE,
    "rating": Operation.RATE,
    "revised": Operation.RETRACT,
    "retracted": Operation.RETRACT,
    "redacted": Operation.REDACT,
    "assigned": Operation.ASSIGN,
    "resolved": Operation.RESOLVE,
    "reopened": Operation.RESOLVE,
    "order_linked": Operation.LINK_ORDER,
    "order_unlinked": Operation.LINK_ORDER,
}


def _may_append(draft: Draft, conversation: _Open) -> bool:
    """Asked again in every batch, on the locked row: rights may have ended since the conversation was opened."""
    operation = _OPERATIONS.get(draft.kind, Operation.ANSWER)
    asked = (id(draft.sender), operation, draft.purpose, draft.case)
    if (allowed := conversation.allowed.get(asked)) is None:
        allowed = permissions.can(draft.sender, operation, resource(conversation.row), draft.purpose, case=draft.case)
        conversation.allowed[asked] = allowed
    return allowed


def resource(row: Conversation | Standing | Row[Any]) -> Resource:  # Any: a row of the whole table
    """The conversation as permissions see it."""
    state = row.state if row.restricted_ms is None else RESTRICTED
    return Resource("conversation", row.id, row.owner, row.assignee, row.team, state)


def _place(
    draft: Draft, state: State, body: dict[str, Any], target: Target | None, now: int
) -> Event:  # Any: JSON values
    """The draft as the next event. Time never runs backwards inside a log, whatever the clock does."""
    attachment = body.get("attachment")
    is_for_staff = draft.kind in STAFF_ONLY_KINDS or (target is not None and target.pub_seq is None)
    return Event(
        conversation_id=draft.conversation,
        seq=state.last_seq + 1,
        pub_seq=None if is_for_staff else state.last_pub_seq + 1,
        sender=draft.sender.ref,
        name=draft.sender.name,
        client_id=draft.client_id,
        kind=draft.kind,
        body=body,
        created_ms=max(now, state.last_event_ms),
        attachment_id=attachment.get("id") if isinstance(attachment, dict) else None,
        target_seq=target.seq if target else None,
    )


def state_of(row: Conversation | Row[Any]) -> State:  # Any: a row of the whole table
    """The fold of the log as the conversation row holds it."""
    return State(*_state_fields(row))


_state_fields = attrgetter(*State.__struct_fields__)
