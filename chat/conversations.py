"""Conversations: opening one, who may have it, who looks after it, whose it is, which orders it is about.

Danger. Somebody else's conversation; a guest's conversation that ends up with the wrong person; an expired one that
comes back to life; a conversation whose key and whose row name different owners after a crash.

Principle. "Not there", "not yours" and "expired" are one refusal. Everything that happens is an event of the log,
written in the same transaction as its effect. A change of owner leaves its intention in the row (`owner_next`) before
the key changes hands, so whatever stops in between stays readable and is finished by doing it again.

Boundary. Verbs are functions of one transaction; `prepare` and `identify` are the two that also touch the key store,
which commits before (`prepare`) or between (`identify`) transactions of the data.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select, update

from chat import cards, epochs, log, marks, sealing
from chat.audiences import Audience, is_shopper
from chat.cards import Card
from chat.log import Draft
from chat.marks import Reached
from chat.models import Conversation, OrderLink
from chat.state import SERVICE_CHAT, VISITOR_CHAT
from chat.statements import CONVERSATION, ORDER
from core import hub, ids
from core.clock import DAY
from core.database import Transaction, insert_ignore, row_lock
from core.identity import permissions, staff
from core.identity.callers import Caller, Role
from core.identity.permissions import Operation, Purpose
from core.ids import ConversationId
from core.masking import mask_email
from core.refusals import Conflict, Invalid, NotFound
from core.services import Core
from core.vault.keys import DataKey
from media.uploads import Media

INBOX_LIMIT = 200
TOPIC_POINTS = 120


@dataclass(frozen=True)
class Fresh:
    """A conversation about to be opened: its id, and its key, which is on disk already."""

    id: ConversationId
    key: DataKey
    owner: str


async def prepare(core: Core, owner: str) -> Fresh:
    """Make the id and the key of a conversation for `owner` ("visitor:<id>"); then `open_` it in a transaction."""
    conversation_id = ConversationId(ids.new())
    return Fresh(conversation_id, await core.vault.create(conversation_id, owner), owner)


def open_(
    tx: Transaction, core: Core, caller: Caller, fresh: Fresh, *, topic: str | None, locale: str, now: int
) -> Conversation:
    """Open a conversation of the caller's with its first event."""
    assert fresh.owner == caller.ref, "a key is made for the one who opens"
    topic = " ".join((topic or "").split())[:TOPIC_POINTS] or None
    kept_as = VISITOR_CHAT if caller.proof == "guest" else SERVICE_CHAT
    row = Conversation(
        id=fresh.id,
        dek_id=fresh.key.id,
        owner=caller.ref,
        opened_by=caller.ref,
        epoch=epochs.fresh(),
        chain_hash=sealing.first_link(fresh.id),
        locale=locale,
        topic_sealed=core.vault.seal_field(fresh.key, "conversation", fresh.id, "topic", topic) if topic else None,
        title_sealed=core.vault.seal_field(fresh.key, "conversation", fresh.id, "title", caller.name),
        proof=caller.proof,
        proven_ms=caller.proven_ms,
        retention_class=kept_as,
        created_ms=now,
        last_event_ms=now,
        expires_ms=core.policy.expires_ms(kept_as, now),
    )
    tx.session.add(row)
    tx.session.flush()
    body = {"topic": topic, "locale": locale, "proof": caller.proof, "proven_ms": caller.proven_ms}
    log.append_in(tx, core, Draft(row.id, caller, ids.new(), "opened", body), now=now)
    return get(tx, row.id, now=now)


def get(tx: Transaction, conversation_id: str, *, now: int) -> Conversation:
    """The conversation, unless expired. Asks nobody's permission. Raises: NotFound."""
    return _one(tx, conversation_id, now, is_locked=False)


def several(tx: Transaction, conversation_ids: Sequence[str], *, now: int) -> dict[str, Conversation]:
    """Those of the conversations that are not expired, by id. Asks nobody's permission."""
    statement = select(CONVERSATION).where(CONVERSATION.c.id.in_(conversation_ids), CONVERSATION.c.expires_ms > now)
    return {row["id"]: Conversation(**row) for row in tx.execute(statement).mappings()}


def find(
    tx: Transaction,
    caller: Caller,
    conversation_id: str,
    operation: Operation = Operation.READ_CONVERSATION,
    purpose: Purpose | None = None,
    *,
    now: int,
) -> Conversation:
    """The conversation, if the caller may do this with it. Raises: NotFound, NotAllowed."""
    row = get(tx, conversation_id, now=now)
    permissions.require(caller, operation, log.resource(row), purpose)
    return row


def for_subject(tx: Transaction, ref: str, *, now: int) -> list[Conversation]:
    """Everything that belongs to this person or visitor, the latest first."""
    mine = select(CONVERSATION).where(CONVERSATION.c.owner == ref, CONVERSATION.c.expires_ms > now)
    return [Conversation(**row) for row in tx.execute(mine.order_by(CONVERSATION.c.last_event_ms.desc())).mappings()]


def topic_of(core: Core, row: Conversation) -> str | None:
    """What the shopper said it is about."""
    key = sealing.key_of(core.vault, row)
    return core.vault.open_field(key, "conversation", row.id, "topic", row.topic_sealed) if row.topic_sealed else None


def inbox(tx: Transaction, core: Core, caller: Caller, *, now: int) -> list[Card]:
    """What this member of staff may see: open conversations and those resolved today, the longest waiting first."""
    recent = (CONVERSATION.c.state == "open") | (CONVERSATION.c.closed_ms > now - DAY)
    statement = (
        select(CONVERSATION)
        .where(recent, CONVERSATION.c.expires_ms > now)
        .order_by(
            CONVERSATION.c.waiting_since_ms.is_(None),
            CONVERSATION.c.waiting_since_ms,
            CONVERSATION.c.last_event_ms.desc(),
        )
        .limit(INBOX_LIMIT)
    )
    found = [Conversation(**row) for row in tx.execute(statement).mappings()]
    mine = [row for row in found if permissions.can(caller, Operation.READ_CONVERSATION, log.resource(row))]
    return cards.make(tx, core, mine)


def moved_since(tx: Transaction, since_ms: int) -> list[str]:
    """Conversations of the inbox in which something has happened since a time, the latest first."""
    is_shown = (CONVERSATION.c.state == "open") | (CONVERSATION.c.closed_ms >= since_ms)
    newest = CONVERSATION.c.last_event_ms
    statement = select(CONVERSATION.c.id).where(is_shown, newest >= since_ms).order_by(newest.desc())
    return list(tx.execute(statement.limit(INBOX_LIMIT)).scalars())


def assign(tx: Transaction, core: Core, caller: Caller, conversation_id: str, to: str | None, *, now: int) -> None:
    """Give the conversation to a member of staff, or back to the queue; whoever may no longer see it loses it."""
    row = _for(tx, caller, conversation_id, Operation.ASSIGN, now)
    if row.assignee == to:
        return
    body: dict[str, Any] = {"to": None}  # Any: JSON values
    if to is not None:
        member = staff.by_id(tx, to)
        if member is None or member.disabled_ms is not None or member.role not in (Role.AGENT, Role.SUPERVISOR):
            raise Invalid("assignee", "This colleague cannot take conversations.")
        body = {"to": member.id, "name": member.name}
    log.append_in(tx, core, Draft(row.id, caller, ids.new(), "assigned", body), now=now)
    _access_changed(tx, core, row.id)


def resolve(tx: Transaction, core: Core, caller: Caller, conversation_id: str, *, now: int) -> None:
    """Close the conversation; writing in it opens it again."""
    row = _for(tx, caller, conversation_id, Operation.RESOLVE, now)
    if row.state != "resolved":
        log.append_in(tx, core, Draft(row.id, caller, ids.new(), "resolved", {}), now=now)


def reopen(tx: Transaction, core: Core, caller: Caller, conversation_id: str, *, now: int) -> None:
    """Open a resolved conversation again."""
    row = _for(tx, caller, conversation_id, Operation.RESOLVE, now)
    if row.state == "resolved":
        log.append_in(tx, core, Draft(row.id, caller, ids.new(), "reopened", {}), now=now)


@dataclass(frozen=True, slots=True)
class Proven:
    """One browser holds both sign-ins: the guest's, and the person's who has just proved this address."""

    guest: Caller
    person: Caller
    email: str


async def identify(core: Core, media: Media, conversation_id: str, proven: Proven, *, now: int) -> None:
    """Make a guest's conversation the person's, on her click.

    Doing it again after a crash finishes what was begun. Raises: NotFound.
    """
    guest, person = proven.guest.ref, proven.person.ref
    row = await core.database.write(_intend, conversation_id, proven, now=now)
    if row.owner == person:
        return
    await core.vault.reassign(row.dek_id, scope=row.id, owner=guest, new_owner=person)
    await core.database.write(_hand_over, core, media, conversation_id, proven, now=now)


def _intend(tx: Transaction, conversation_id: str, proven: Proven, *, now: int) -> Conversation:
    row = _one(tx, conversation_id, now, is_locked=True)
    person = proven.person
    is_hers = row.owner == proven.guest.ref and proven.guest.kind == "visitor" and row.owner_next in (None, person.ref)
    if person.kind != "person" or not (is_hers or row.owner == person.ref):
        raise NotFound
    if is_hers:
        tx.execute(update(CONVERSATION).where(CONVERSATION.c.id == row.id).values(owner_next=person.ref))
    return row


def _hand_over(tx: Transaction, core: Core, media: Media, conversation_id: str, proven: Proven, *, now: int) -> None:
    row = _one(tx, conversation_id, now, is_locked=True)
    guest, person = proven.guest.ref, proven.person
    if row.owner != guest:
        return
    key = sealing.key_of(core.vault, row)
    title = core.vault.seal_field(key, "conversation", row.id, "title", person.name)
    changed = update(CONVERSATION).where(CONVERSATION.c.id == row.id)
    tx.execute(changed.values(owner=person.ref, owner_next=None, title_sealed=title))
    media.re_own(tx, scope=row.id, owner=guest, new_owner=person.ref)
    body = {"proof": person.proof, "email": mask_email(proven.email)}
    log.append_in(tx, core, Draft(row.id, person, ids.new(), "identified", body), now=now)
    _access_changed(tx, core, row.id)


def link_order(  # noqa: PLR0917  (an order is named by both)
    tx: Transaction, core: Core, caller: Caller, conversation_id: str, order_id: str, order_number: str, *, now: int
) -> None:
    """Tie an order to the conversation. That the order is the owner's is the caller's to have checked."""
    row = _for(tx, caller, conversation_id, Operation.LINK_ORDER, now)
    if not row.owner.startswith("person:"):
        raise Conflict("not_proven", "Please confirm your e-mail address first.")
    link = {
        "conversation_id": row.id,
        "order_id": order_id,
        "order_mac": core.vault.lookup("order", order_number),
        "linked_by": caller.ref,
        "linked_ms": now,
    }
    if insert_ignore(tx, ORDER, [link], ["conversation_id", "order_id"]):
        body = {"order": order_id, "number": order_number}
        log.append_in(tx, core, Draft(row.id, caller, ids.new(), "order_linked", body), now=now)


def unlink_order(tx: Transaction, core: Core, caller: Caller, conversation_id: str, order_id: str, *, now: int) -> None:
    """Take an order from the conversation."""
    row = _for(tx, caller, conversation_id, Operation.LINK_ORDER, now)
    here = ORDER.c.conversation_id == row.id
    gone = delete(ORDER).where(here, ORDER.c.order_id == order_id).returning(ORDER.c.order_id)
    if not tx.execute(gone).all():
        return
    remaining = tx.execute(select(func.count()).select_from(ORDER).where(here)).scalar_one()
    body = {"order": order_id, "remaining": remaining}
    log.append_in(tx, core, Draft(row.id, caller, ids.new(), "order_unlinked", body), now=now)


def orders_of(tx: Transaction, conversation_id: str) -> list[OrderLink]:
    """The orders tied to the conversation, in the order of linking."""
    statement = select(ORDER).where(ORDER.c.conversation_id == conversation_id).order_by(ORDER.c.linked_ms)
    return [OrderLink(**row) for row in tx.execute(statement).mappings()]


def by_order_number(tx: Transaction, core: Core, order_number: str, *, now: int) -> list[Conversation]:
    """The conversations about the order with this number; found by its keyed hash."""
    statement = (
        select(CONVERSATION)
        .join(ORDER, ORDER.c.conversation_id == CONVERSATION.c.id)
        .where(ORDER.c.order_mac == core.vault.lookup("order", order_number), CONVERSATION.c.expires_ms > now)
        .order_by(CONVERSATION.c.last_event_ms.desc())
    )
    return [Conversation(**row) for row in tx.execute(statement).mappings()]


def mark(tx: Transaction, core: Core, caller: Caller, conversation_id: str, reached: Reached, *, now: int) -> None:
    """Move the caller's read mark; what staff have read changes the card."""
    row = find(tx, caller, conversation_id, now=now)
    moved = marks.move(tx, caller, row, reached)
    if not moved:
        return
    whose = () if Audience.PUBLIC in moved else (hub.STAFF_ONLY,)
    tx.after_commit(lambda: core.hub.publish(hub.MARK, hub.hint(row.id, caller.ref, *whose)))
    if reached.read and not is_shopper(caller.ref):
        version = row.version + 1
        tx.execute(update(CONVERSATION).where(CONVERSATION.c.id == row.id).values(version=CONVERSATION.c.version + 1))
        tx.after_commit(lambda: core.hub.publish(hub.DESK, hub.hint(row.id, version)))


def _for(tx: Transaction, caller: Caller, conversation_id: str, operation: Operation, now: int) -> Conversation:
    """The conversation, locked, if the caller may do this with it."""
    row = _one(tx, conversation_id, now, is_locked=True)
    permissions.require(caller, operation, log.resource(row))
    return row


def _one(tx: Transaction, conversation_id: str, now: int, *, is_locked: bool) -> Conversation:
    if not ids.is_id(conversation_id):
        raise NotFound
    statement = select(CONVERSATION).where(CONVERSATION.c.id == conversation_id, CONVERSATION.c.expires_ms > now)
    row = tx.execute(row_lock(tx, statement) if is_locked else statement).mappings().one_or_none()
    if row is None:
        raise NotFound
    return Conversation(**row)


def _access_changed(tx: Transaction, core: Core, conversation_id: str) -> None:
    tx.after_commit(lambda: core.hub.publish(hub.ACCESS, hub.hint(conversation_id)))
