"""What others may ask about orders: a person's own, one by its id, some by a number, and a masked view for staff.

An order is opened with its buyer's key only. Whoever calls has settled that the caller may see it: `belongs_to`
answers for shoppers, the permissions for staff, and staff are shown `masked` views. The recipient may be a third
person, so her name, address and phone are hidden from everyone but the buyer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from sqlmodel import col, select
from sqlmodel.sql.expression import SelectOfScalar

from core import masking
from core.database import Transaction
from core.ids import OrderId, PersonId
from core.refusals import NotFound
from core.vault.keys import DataKey
from core.vault.keystore import Vault
from support.orders.detail import Detail, Line, Payment, Recipient, Shipment, Status, decode, encode, normalised
from support.orders.models import OrderRecord

Orders = SelectOfScalar[OrderRecord]

LABELS = {
    Status.PENDING: "Order received",
    Status.PROCESSED: "Being prepared",
    Status.SHIPPED: "On its way",
    Status.DELIVERED: "Delivered",
    Status.CANCELLED: "Cancelled",
    Status.RETURNED: "Returned",
    Status.REFUNDED: "Refunded",
}


@dataclass(frozen=True)
class OrderView:
    """One order, opened. `status_label` is a msgid; `placed_ms` is None when the shop did not say."""

    id: OrderId
    person_id: PersonId
    number: str
    status: Status
    status_label: str
    placed_ms: int | None
    total: Decimal
    currency: str
    lines: Sequence[Line]
    recipient: Recipient
    payments: Sequence[Payment]
    shipments: Sequence[Shipment]


def of_person(tx: Transaction, vault: Vault, person_id: str) -> list[OrderView]:
    """Everything this person bought, newest first; orders without a date come last."""
    statement = _visible().where(col(OrderRecord.person_id) == person_id)
    return [_opened(vault, record) for record in _newest_first(tx, statement)]


def view(tx: Transaction, vault: Vault, order_id: str) -> OrderView:
    """One order in the clear. Raises: NotFound."""
    return _opened(vault, _record(tx, order_id))


def by_number(tx: Transaction, vault: Vault, number: str) -> list[OrderView]:
    """Every order with this number, however it is spelled; two shop systems may both have a #1001."""
    statement = _visible().where(col(OrderRecord.number_mac) == number_mac(vault, number))
    return [_opened(vault, record) for record in _newest_first(tx, statement)]


def belongs_to(tx: Transaction, order_id: str, person_id: str) -> bool:
    found = tx.session.get(OrderRecord, order_id)
    return found is not None and found.hidden_ms is None and found.person_id == person_id


def masked(order: OrderView) -> OrderView:
    """The same order as staff see it."""
    return replace(order, recipient=masked_recipient(order.recipient))


def masked_recipient(who: Recipient) -> Recipient:
    """A recipient as anyone but the buyer sees her; what the shop did not say stays empty."""
    return Recipient(
        name=masking.mask_name(who.name) if who.name else "",
        address=masking.mask_address(who.address) if who.address else "",
        phone=masking.mask_phone(who.phone) if who.phone else "",
    )


def number_mac(vault: Vault, number: str) -> bytes:
    """The keyed hash under which an order number is found."""
    return vault.lookup("order", normalised(number))


def key_of(vault: Vault, person_id: str, dek_id: int) -> DataKey:
    """The key of the person whose orders these are."""
    return vault.key(dek_id, scope=person_id, owner=f"person:{person_id}")


def seal(vault: Vault, key: DataKey, order_id: str, detail: Detail) -> bytes:
    return vault.seal_field(key, OrderRecord.__tablename__, order_id, "detail", encode(detail))


def unseal(vault: Vault, record: OrderRecord) -> Detail:
    key = key_of(vault, record.person_id, record.dek_id)
    return decode(vault.open_field(key, OrderRecord.__tablename__, record.id, "detail", record.detail_sealed))


def _record(tx: Transaction, order_id: str) -> OrderRecord:
    record = tx.session.get(OrderRecord, order_id)
    if record is None or record.hidden_ms is not None:
        raise NotFound
    return record


def _visible() -> Orders:
    return select(OrderRecord).where(col(OrderRecord.hidden_ms).is_(None))


def _newest_first(tx: Transaction, statement: Orders) -> Sequence[OrderRecord]:
    newest = col(OrderRecord.placed_ms).desc().nulls_last()
    return tx.session.exec(statement.order_by(newest, col(OrderRecord.id))).all()


def _opened(vault: Vault, record: OrderRecord) -> OrderView:
    detail = unseal(vault, record)
    status = Status(record.status)
    return OrderView(
        id=OrderId(record.id),
        person_id=PersonId(record.person_id),
        number=detail.number,
        status=status,
        status_label=LABELS[status],
        placed_ms=record.placed_ms,
        total=detail.total,
        currency=detail.currency,
        lines=detail.lines,
        recipient=detail.recipient,
        payments=detail.payments,
        shipments=detail.shipments,
    )
