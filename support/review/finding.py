"""Finding: conversations by order number, by e-mail address or by their own id, within what the finder may see.

Danger. A search that tells whether somebody is a customer, or that turns up other teams' conversations.

Principle. Nothing is searched before a purpose is stated. Scope is applied to every hit before it is counted, results
are masked, and the search itself is an entry in the ledger: by what it was, for which purpose and how many hits, never
the address or number that was typed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select

from chat import cards, conversations, log
from chat.models import Conversation
from chat.statements import CONVERSATION, ORDER
from core import ledger
from core.database import Transaction
from core.identity import Caller, people, permissions
from core.identity.permissions import Operation, Purpose, Resource
from core.refusals import Invalid, NotFound
from core.services import Core
from support.desk.words import _
from support.orders import orders

LIMIT = 50


class By(StrEnum):
    """By what to find."""

    ORDER = "order"
    EMAIL = "email"
    CONVERSATION = "conversation"


@dataclass(frozen=True)
class Reading:
    """Why somebody reads: the purpose, and a reference such as a case number."""

    purpose: Purpose
    reference: str | None = None


@dataclass(frozen=True)
class Sought:
    """What is looked for, and by what."""

    by: By
    term: str


@dataclass(frozen=True)
class Found:
    """One conversation among the results, masked."""

    id: str
    title: str
    proof: str
    state: str
    created_ms: int
    last_seq: int
    orders: Sequence[str]


def find(tx: Transaction, core: Core, caller: Caller, sought: Sought, reading: Reading, *, now: int) -> list[Found]:
    """The conversations that match and that this caller may review, the latest first.

    Raises:
        NotFound: this role reviews nothing. NotAllowed: the purpose does not permit it. Invalid: not an address.
    """
    scope = Resource("transcripts", caller.team or "all", team=caller.team)
    permissions.require(caller, Operation.SEARCH, scope, reading.purpose, case=reading.reference)
    rows = [row for row in _MATCHES[sought.by](tx, core, sought.term, now) if may_review(caller, row, reading)][:LIMIT]
    ledger.append(
        tx,
        caller=caller,
        action="transcript.search",
        object=("search", sought.by.value),
        purpose=reading.purpose,
        case=reading.reference,
        result=str(len(rows)),
        now=now,
    )
    return [_found(tx, core, row, card) for row, card in _with_cards(tx, core, rows)]


def may_review(caller: Caller, row: Conversation, reading: Reading) -> bool:
    """Whether this caller may review this conversation for that purpose."""
    thing = log.resource(row)
    return permissions.can(caller, Operation.REVIEW_TRANSCRIPT, thing, reading.purpose, case=reading.reference)


def order_numbers(tx: Transaction, core: Core, conversation_id: str) -> list[str]:
    """The numbers of the orders tied to a conversation, as far as they are still there."""
    numbers = []
    for link in conversations.orders_of(tx, conversation_id):
        try:
            numbers.append(orders.view(tx, core.vault, link.order_id).number)
        except NotFound:
            continue
    return numbers


def _by_order(tx: Transaction, core: Core, term: str, now: int) -> list[Conversation]:
    known = [order.id for order in orders.by_number(tx, core.vault, term)]
    statement = (
        select(CONVERSATION)
        .join(ORDER, ORDER.c.conversation_id == CONVERSATION.c.id)
        .where(ORDER.c.order_id.in_(known), CONVERSATION.c.expires_ms > now)
        .order_by(CONVERSATION.c.last_event_ms.desc())
    )
    return [Conversation(**row) for row in tx.execute(statement).mappings()]


def _by_email(tx: Transaction, core: Core, term: str, now: int) -> list[Conversation]:
    person = people.by_email(tx, core.vault, people.normalise(term))
    return conversations.for_subject(tx, f"person:{person.id}", now=now) if person else []


def _by_id(tx: Transaction, _core: Core, term: str, now: int) -> list[Conversation]:
    plain = term.strip().lower().replace("-", "")
    if len(plain) != 32 or not plain.isalnum():
        raise Invalid("conversation_id", _("A conversation's identifier has 32 letters and digits."))
    try:
        return [conversations.get(tx, plain, now=now)]
    except NotFound:
        return []


_MATCHES = {By.ORDER: _by_order, By.EMAIL: _by_email, By.CONVERSATION: _by_id}


def _with_cards(tx: Transaction, core: Core, rows: Sequence[Conversation]) -> list[tuple[Conversation, cards.Card]]:
    by_id = {card.id: card for card in cards.make(tx, core, rows)}
    return [(row, by_id[row.id]) for row in rows if row.id in by_id]


def _found(tx: Transaction, core: Core, row: Conversation, card: cards.Card) -> Found:
    return Found(
        id=row.id,
        title=card.title,
        proof=row.proof,
        state=row.state,
        created_ms=row.created_ms,
        last_seq=row.last_seq,
        orders=order_numbers(tx, core, row.id),
    )
