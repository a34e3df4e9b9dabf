"""Reads order payloads as the Shopify REST interface sends them: {"order": …} or {"orders": […]}."""

import re
from collections.abc import Iterator
from datetime import datetime
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

SOURCE = "shopify"


class _Property(Struct):
    name: str = ""
    value: str | int | float | bool | None = None


class _Line(Struct):
    title: str
    price: Decimal
    quantity: int
    variant_title: str | None = None
    properties: list[_Property] = []


class _Address(Struct):
    name: str | None = None
    address1: str | None = None
    address2: str | None = None
    city: str | None = None
    province: str | None = None
    zip: str | None = None
    country: str | None = None
    phone: str | None = None


class _Card(Struct):
    credit_card_company: str | None = None
    credit_card_number: str | None = None


class _Transaction(Struct):
    amount: Decimal
    kind: str = ""
    status: str = "success"


class _Refund(Struct):
    transactions: list[_Transaction] = []


class _Fulfilment(Struct):
    tracking_company: str | None = None
    tracking_numbers: list[str] = []
    shipment_status: str | None = None


class _Customer(Struct):
    first_name: str | None = None
    last_name: str | None = None


class _Order(Struct):
    id: int
    name: str
    currency: str
    total_price: Decimal
    created_at: datetime
    line_items: list[_Line] = []  # left out of some listings
    email: str | None = None
    gateway: str | None = None
    cancelled_at: str | None = None
    financial_status: str | None = None
    fulfillment_status: str | None = None
    shipping_address: _Address | None = None
    billing_address: _Address | None = None
    payment_details: _Card | None = None
    customer: _Customer | None = None
    fulfillments: list[_Fulfilment] = []
    refunds: list[_Refund] = []


def read(orders: list[msgspec.Raw]) -> Iterator[ShopOrder | Rejected]:
    for index, raw in enumerate(orders, start=1):
        where = f"record {index}"
        try:
            yield checked(_shop_order(where, msgspec.json.decode(raw, type=_Order)))
        except (Unfit, msgspec.DecodeError, UnicodeDecodeError) as error:
            yield Rejected(where, str(error))


def _shop_order(where: str, order: _Order) -> ShopOrder:
    if not order.email:
        raise Unfit("it has no e-mail address, so it cannot be tied to a person")
    if order.created_at.tzinfo is None:
        raise Unfit("created_at has no time zone")
    return ShopOrder(
        where=where,
        source=SOURCE,
        source_id=str(order.id),
        email=order.email,
        buyer=_buyer(order),
        status=_status(order),
        placed_ms=int(order.created_at.timestamp() * 1000),
        detail=Detail(
            number=order.name,
            total=order.total_price,
            currency=order.currency,
            lines=[Line(each.title, each.price, each.quantity, _options(each)) for each in order.line_items],
            recipient=_recipient(order.shipping_address or _Address()),
            payments=[_payment(order), *_refunds(order)],
            shipments=[Shipment(each.tracking_company or "", each.tracking_numbers) for each in order.fulfillments],
        ),
    )


def _status(order: _Order) -> Status:
    if order.cancelled_at:
        return Status.CANCELLED
    if order.financial_status == "refunded":
        return Status.REFUNDED
    if order.fulfillments and all(each.shipment_status == "delivered" for each in order.fulfillments):
        return Status.DELIVERED
    if order.fulfillment_status == "fulfilled":
        return Status.SHIPPED
    if order.financial_status in {"paid", "partially_paid", "partially_refunded"}:
        return Status.PROCESSED
    return Status.PENDING


def _buyer(order: _Order) -> str:
    customer = order.customer or _Customer()
    name = f"{customer.first_name or ''} {customer.last_name or ''}".strip()
    return name or (order.billing_address or _Address()).name or ""


def _options(line: _Line) -> dict[str, str]:
    options = {"variant": line.variant_title} if line.variant_title else {}
    return options | {each.name: str(each.value) for each in line.properties if each.name and each.value is not None}


def _recipient(at: _Address) -> Recipient:
    parts = (at.address1, at.address2, at.city, at.province, at.zip, at.country)
    return Recipient(at.name or "", ", ".join(part for part in parts if part), at.phone or "")


def _payment(order: _Order) -> Payment:
    card = order.payment_details or _Card()
    return Payment(card.credit_card_company or order.gateway or "", order.total_price, _last_four(card))


def _last_four(card: _Card) -> str:
    """The digits after the mask of 'XXXX-XXXX-XXXX-4242'; a number that is not masked loses all but its last four."""
    found = re.search(r"([0-9]{4})\s*$", card.credit_card_number or "")
    return found[1] if found else ""


def _refunds(order: _Order) -> list[Payment]:
    given_back = [each for refund in order.refunds for each in refund.transactions if each.status == "success"]
    return [Payment(order.gateway or "", each.amount, refund=True) for each in given_back]
