"""Reads the retail export: one object of orders by number, and one of users by id beside it."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec
from msgspec import Struct

from support.orders.detail import (
    Detail,
    Line,
    Payment,
    Recipient,
    Rejected,
    Shipment,
    ShopOrder,
    Status,
    Unfit,
    checked,
)

SOURCE = "retail"
_STATUSES = {
    "pending": Status.PENDING,
    "pending (item modified)": Status.PENDING,
    "processed": Status.PROCESSED,
    "delivered": Status.DELIVERED,
    "cancelled": Status.CANCELLED,
    "return requested": Status.DELIVERED,
    "exchange requested": Status.DELIVERED,
}


class _Name(Struct):
    first_name: str
    last_name: str


class _Address(Struct):
    address1: str
    city: str
    country: str
    zip: str
    address2: str = ""
    state: str = ""


class _Method(Struct):
    source: str
    brand: str = ""
    last_four: str = ""


class _User(Struct):
    name: _Name
    email: str
    payment_methods: dict[str, _Method] = {}


class _Item(Struct):
    name: str
    price: Decimal
    options: dict[str, str] = {}


class _Fulfilment(Struct):
    tracking_id: list[str] = []


class _Paid(Struct):
    transaction_type: str
    amount: Decimal
    payment_method_id: str


class _Order(Struct):
    order_id: str
    user_id: str
    address: _Address
    items: list[_Item]
    status: str
    fulfillments: list[_Fulfilment] = []
    payment_history: list[_Paid] = []


def recognises(records: Mapping[str, msgspec.Raw]) -> bool:
    """True for an object of orders; judged by its first record alone."""
    return _first_has(records, b'"order_id"') and _first_has(records, b'"items"')


def recognises_users(records: Mapping[str, msgspec.Raw]) -> bool:
    return _first_has(records, b'"payment_methods"')


def recognises_products(records: Mapping[str, msgspec.Raw]) -> bool:
    return _first_has(records, b'"variants"')


def read(
    orders: Mapping[str, msgspec.Raw], users: Mapping[str, msgspec.Raw], *, currency: str
) -> Iterator[ShopOrder | Rejected]:
    """Every order in file order. The export names no currency and no date, so the currency is the caller's."""
    for index, raw in enumerate(orders.values(), start=1):
        where = f"record {index}"
        try:
            order = msgspec.json.decode(raw, type=_Order)
            yield checked(_shop_order(where, order, _user(users, order.user_id), currency))
        except (Unfit, msgspec.DecodeError, UnicodeDecodeError) as error:
            yield Rejected(where, str(error))


def _user(users: Mapping[str, msgspec.Raw], user_id: str) -> _User:
    if user_id not in users:
        raise Unfit("its user is not in users.json")
    return msgspec.json.decode(users[user_id], type=_User)


def _shop_order(where: str, order: _Order, user: _User, currency: str) -> ShopOrder:
    if order.status not in _STATUSES:
        raise Unfit("its status is not known")
    name = f"{user.name.first_name} {user.name.last_name}".strip()
    return ShopOrder(
        where=where,
        source=SOURCE,
        source_id=order.order_id,
        email=user.email,
        buyer=name,
        status=_STATUSES[order.status],
        placed_ms=None,
        detail=Detail(
            number=order.order_id,
            total=sum((each.price for each in order.items), Decimal(0)),
            currency=currency,
            lines=[Line(each.name, each.price, options=each.options) for each in order.items],
            recipient=Recipient(name=name, address=_address(order.address)),
            payments=[_payment(paid, user) for paid in order.payment_history],
            shipments=[Shipment(tracking=each.tracking_id) for each in order.fulfillments],
        ),
    )


def _address(at: _Address) -> str:
    parts = (at.address1, at.address2, at.city, f"{at.state} {at.zip}".strip(), at.country)
    return ", ".join(part for part in parts if part)


def _payment(paid: _Paid, user: _User) -> Payment:
    method = user.payment_methods.get(paid.payment_method_id)
    if method is None:
        raise Unfit("a payment names a method that its user does not have")
    return Payment(
        brand=method.brand or method.source,
        amount=paid.amount,
        last_four=method.last_four,
        refund=paid.transaction_type == "refund",
    )


def _first_has(records: Mapping[str, msgspec.Raw], key: bytes) -> bool:
    return any(key in bytes(raw) for raw in list(records.values())[:1])
