"""What the orders keep about people, how a buyer gets her copy, and how orders go when their time is over.

Danger. A recipient who is not the buyer handed over in the buyer's copy; an order that outlives its period because
nobody counted.

Principle. An order counts from the last time the shop said something about it. It is sealed under its buyer's own
key and so holds no key of its own: erasing a person makes her orders unreadable before their rows are deleted.
Hidden orders stay due until they are gone.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, delete, or_, update
from sqlmodel import col, func, select

from core.database import Transaction
from core.holdings import Copying, Due, Held, Holding, Part, Record, Ref
from core.identity import people
from core.policy import Policy
from support.orders import orders
from support.orders.detail import Line, Recipient
from support.orders.models import OrderRecord
from support.orders.orders import OrderView, masked_recipient

KIND = "order"
RETENTION = "transaction_linked"
PERSON = "person:"


def due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
    """Orders whose period is over, and those that are hidden already."""
    lifetime_ms = policy.expires_ms(RETENTION, 0)
    is_over = or_(col(OrderRecord.updated_ms) <= now - lifetime_ms, col(OrderRecord.hidden_ms).is_not(None))
    records = tx.session.exec(select(OrderRecord).where(is_over).order_by(col(OrderRecord.updated_ms)).limit(limit))
    return [
        Due(_ref(record.id), f"{PERSON}{record.person_id}", RETENTION, record.updated_ms + lifetime_ms)
        for record in records
    ]


def of(tx: Transaction, _policy: Policy, subject: str) -> list[Held]:
    """The orders of one person."""
    if not subject.startswith(PERSON):
        return []
    mine = select(OrderRecord.id).where(OrderRecord.person_id == subject.removeprefix(PERSON))
    return [Held(_ref(order_id)) for order_id in tx.session.exec(mine)]


def around(tx: Transaction, refs: Sequence[Ref]) -> list[str]:
    """The buyers under whose keys these are sealed."""
    return list(tx.session.exec(select(OrderRecord.person_id).where(_among(refs)).distinct()))


def hide(tx: Transaction, refs: Sequence[Ref], *, now: int) -> None:
    """Show these orders to nobody from now on."""
    tx.execute(update(OrderRecord).where(_among(refs), col(OrderRecord.hidden_ms).is_(None)).values(hidden_ms=now))


def erase(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
    """Delete the rows; how many there were. `now` is part of every holding's verb."""
    assert now
    return len(tx.execute(delete(OrderRecord).where(_among(refs)).returning(col(OrderRecord.id))).all())


def export(copying: Copying) -> Iterator[Part]:
    """The buyer's orders as she sees them; a recipient with another name is a third person and is masked."""
    person = people.by_id(copying.tx, copying.subject.removeprefix(PERSON))
    if person is None or not copying.subject.startswith(PERSON):
        return
    own_name = people.name_of(copying.vault, person)
    for order in orders.of_person(copying.tx, copying.vault, person.id):
        is_own = order.recipient.name == own_name
        recipient = order.recipient if is_own else masked_recipient(order.recipient)
        yield Record("orders", order.id, order.placed_ms, _fields(order, recipient))


def live(tx: Transaction) -> int:
    """How many orders are kept."""
    return tx.session.exec(select(func.count()).select_from(OrderRecord)).one()


def holding() -> Holding:
    """The orders."""
    return Holding(
        name="orders",
        title="Orders",
        clause="2(3)",
        tables=("order_record",),
        classes=(RETENTION,),
        kinds=(KIND,),
        due=due,
        of=of,
        around=around,
        hide=hide,
        erase=erase,
        export=export,
        live=live,
    )


def _fields(order: OrderView, recipient: Recipient) -> dict[str, object]:
    return {
        "Order number": order.number,
        "Status": order.status_label,
        "Total": f"{order.total} {order.currency}",
        "Articles": [_article(line) for line in order.lines],
        "Recipient": recipient.name,
        "Address": recipient.address,
        "Phone": recipient.phone,
        "Payment": [" ".join((paid.brand, paid.last_four, str(paid.amount))) for paid in order.payments],
        "Tracking": [number for shipment in order.shipments for number in shipment.tracking],
    }


def _article(line: Line) -> str:
    options = ", ".join(f"{name}: {value}" for name, value in line.options.items())
    return f"{line.quantity} × {line.name}{f' ({options})' if options else ''}, {line.unit_price}"


def _among(refs: Sequence[Ref]) -> ColumnElement[bool]:
    return col(OrderRecord.id).in_([ref.id for ref in refs if ref.kind == KIND])


def _ref(order_id: str) -> Ref:
    return Ref(KIND, order_id)
