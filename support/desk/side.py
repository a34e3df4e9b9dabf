"""The side panel: who the customer is as far as she proved it, her linked orders, her earlier conversations.

Danger. More of a person on the screen than the question at hand needs, or a third person's address.

Principle. Everything is masked on the server before it leaves; only orders tied to this conversation are shown, and the
look is in the ledger before the values go out (clauses 3(1) and 2(3)3).
"""

import msgspec

from chat import cards, conversations, log
from chat.models import Conversation
from core import ledger
from core.database import Transaction
from core.identity import Caller, people, permissions
from core.identity.permissions import Operation, Purpose
from core.masking import mask_email
from core.refusals import NotFound
from core.services import Core
from core.web import i18n
from support.orders import detail, orders
from support.orders.orders import OrderView
from support.shopper import others

PAST_LIMIT = 10
TONES = {"delivered": "good", "shipped": "info", "cancelled": "bad", "returned": "warn", "refunded": "warn"}


class Past(msgspec.Struct):
    """An earlier conversation of the same customer; `is_open_to` says whether the reader may open it from here."""

    id: str
    created_ms: int
    state: str
    is_open_to: bool


class Customer(msgspec.Struct):
    """The customer as staff may see her; `for_other_ms` is when she said that it is about somebody who has agreed."""

    title: str
    email_masked: str | None
    proof: str
    proven_ms: int | None
    locale: str
    topic: str
    for_other_ms: int | None
    past: list[Past]


class Line(msgspec.Struct):
    """One article of an order."""

    name: str
    quantity: int
    price: str
    options: list[str]


class Order(msgspec.Struct):
    """A linked order in the reader's words; the recipient is masked."""

    id: str
    number: str
    placed_ms: int | None
    status: str
    status_label: str
    tone: str
    total: str
    lines: list[Line]
    recipient: str
    address: str
    phone: str
    payments: list[str]


class Panel(msgspec.Struct):
    """Everything beside a conversation."""

    customer: Customer
    orders: list[Order]


def panel(
    tx: Transaction, core: Core, caller: Caller, conversation_id: str, formats: i18n.Formats, *, now: int
) -> Panel:
    """What stands beside this conversation. Raises: NotFound."""
    row = conversations.find(tx, caller, conversation_id, now=now)
    shown = Panel(_customer(tx, core, caller, row, now=now), _orders(tx, core, caller, row, formats))
    ledger.append(
        tx,
        caller=caller,
        action="customer.view",
        object=("conversation", row.id),
        purpose=Purpose.P2_CONTRACT_AFTERSALES,
        now=now,
    )
    return shown


def _customer(tx: Transaction, core: Core, caller: Caller, row: Conversation, *, now: int) -> Customer:
    made = cards.make(tx, core, [row])
    if not made:
        raise NotFound
    return Customer(
        title=made[0].title,
        email_masked=_email(tx, core, row.owner),
        proof=row.proof,
        proven_ms=row.proven_ms,
        locale=row.locale,
        topic=made[0].topic,
        for_other_ms=others.said_ms(tx, row.id),
        past=_past(tx, caller, row, now=now),
    )


def _email(tx: Transaction, core: Core, owner: str) -> str | None:
    kind, _, owner_id = owner.partition(":")
    person = people.by_id(tx, owner_id) if kind == "person" else None
    return mask_email(people.email_of(core.vault, person)) if person else None


def _past(tx: Transaction, caller: Caller, row: Conversation, *, now: int) -> list[Past]:
    others = [each for each in conversations.for_subject(tx, row.owner, now=now) if each.id != row.id]
    return [Past(each.id, each.created_ms, each.state, _may_read(caller, each)) for each in others[:PAST_LIMIT]]


def _may_read(caller: Caller, row: Conversation) -> bool:
    return permissions.can(caller, Operation.READ_CONVERSATION, log.resource(row))


def _orders(tx: Transaction, core: Core, caller: Caller, row: Conversation, formats: i18n.Formats) -> list[Order]:
    links = conversations.orders_of(tx, row.id)
    if links:
        permissions.require(caller, Operation.VIEW_ORDER, log.resource(row))
    shown = []
    for link in links:
        try:
            shown.append(_order(orders.masked(orders.view(tx, core.vault, link.order_id)), formats))
        except NotFound:  # erased since it was linked
            continue
    return shown


def _order(view: OrderView, formats: i18n.Formats) -> Order:
    return Order(
        id=view.id,
        number=view.number,
        placed_ms=view.placed_ms,
        status=view.status,
        status_label=i18n.gettext(formats.lang, view.status_label),
        tone=TONES.get(view.status, ""),
        total=formats.money(view.total, view.currency),
        lines=[_line(line, view.currency, formats) for line in view.lines],
        recipient=view.recipient.name,
        address=view.recipient.address,
        phone=view.recipient.phone,
        payments=[f"{paid.brand} {paid.last_four}".strip() for paid in view.payments if not paid.refund],
    )


def _line(line: detail.Line, currency: str, formats: i18n.Formats) -> Line:
    options = [f"{name}: {value}" for name, value in line.options.items()]
    return Line(line.name, line.quantity, formats.money(line.unit_price, currency), options)
