"""What an order says: the values that are sealed together, and the words for its state.

Amounts are Decimal from the first byte to the last: a float would turn 47.76 into 47.759999. Of a payment only
brand and last four digits have a place to live, so a card number cannot be kept even by mistake.
"""

import unicodedata
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import msgspec
from babel.numbers import get_currency_precision, list_currencies
from msgspec import Meta, Struct
from msgspec.structs import replace

from core.masking import mask_cards

Short = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=2_000)]
Number = Annotated[str, Meta(min_length=1, max_length=64)]
CURRENCIES = frozenset(list_currencies("en"))
LastFour = Annotated[str, Meta(pattern="^([0-9]{4})?$")]
Currency = Annotated[str, Meta(pattern="^[A-Z]{3}$")]


class Status(StrEnum):
    """Where an order stands, in the few steps that a shopper cares about."""

    PENDING = "pending"
    PROCESSED = "processed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURNED = "returned"
    REFUNDED = "refunded"


class Line(Struct, frozen=True):
    """One article of the order, at the price paid for one piece."""

    name: Text
    unit_price: Decimal
    quantity: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    options: dict[Short, Text] = {}


class Recipient(Struct, frozen=True):
    """Who gets the parcel: perhaps not the buyer, so a third person."""

    name: Short = ""
    address: Text = ""
    phone: Short = ""


class Payment(Struct, frozen=True):
    """How it was paid or given back; never more of a card than its last four digits."""

    brand: Short
    amount: Decimal
    last_four: LastFour = ""
    refund: bool = False


class Shipment(Struct, frozen=True):
    """One parcel, as far as the shop told us."""

    carrier: Short = ""
    tracking: list[Short] = []


class Detail(Struct, frozen=True):
    """Everything of an order that is sealed."""

    number: Number
    total: Decimal
    currency: Currency
    lines: Annotated[list[Line], Meta(max_length=1_000)]
    recipient: Recipient = Recipient()
    payments: Annotated[list[Payment], Meta(max_length=200)] = []
    shipments: Annotated[list[Shipment], Meta(max_length=200)] = []


class ShopOrder(Struct, frozen=True):
    """An order as the shop's own system tells it, before it is tied to a person; `where` is its place in the file."""

    where: Short
    source: Short
    source_id: Number
    email: Annotated[str, Meta(max_length=254)]
    buyer: Short
    status: Status
    placed_ms: int | None
    detail: Detail


class Rejected(Struct, frozen=True):
    """A record that was left out: where it stands and why, without repeating what it says."""

    where: str
    why: str


class Unfit(ValueError):
    """A record says something that an order cannot say; the sentence never repeats the value."""


def encode(detail: Detail) -> str:
    return msgspec.json.encode(detail, order="sorted").decode()


def decode(text: str) -> Detail:
    return msgspec.json.decode(text, type=Detail)


def checked(order: ShopOrder) -> ShopOrder:
    """The same order, once every length, pattern and amount has been looked at. Raises: Unfit."""
    if not normalised(order.detail.number):
        raise Unfit("the order number is empty")
    try:
        order = msgspec.json.decode(msgspec.json.encode(_without_cards(order)), type=ShopOrder)
    except msgspec.ValidationError as error:
        raise Unfit(str(error)) from error
    for amount in _amounts(order.detail):
        _check_amount(amount, order.detail.currency)
    return order


def _without_cards(order: ShopOrder) -> ShopOrder:
    """Free text too may hold a card number that somebody wrote where it has no place."""
    said, to = order.detail, order.detail.recipient
    lines = [replace(line, name=mask_cards(line.name), options=_masked_values(line.options)) for line in said.lines]
    recipient = Recipient(mask_cards(to.name), mask_cards(to.address), mask_cards(to.phone))
    return replace(order, buyer=mask_cards(order.buyer), detail=replace(said, lines=lines, recipient=recipient))


def _masked_values(options: dict[str, str]) -> dict[str, str]:
    return {mask_cards(name): mask_cards(value) for name, value in options.items()}


def amount(text: str) -> Decimal:
    """A plain decimal number. Raises: Unfit."""
    try:
        return Decimal(text.strip())
    except ArithmeticError as error:
        raise Unfit("an amount is not a number") from error


def normalised(number: str) -> str:
    """The order number as people mean it: full-width, spaced, lower-case and '#' spellings are one number."""
    return "".join(unicodedata.normalize("NFKC", number).split()).removeprefix("#").upper()


def _amounts(detail: Detail) -> list[Decimal]:
    return [detail.total, *(line.unit_price for line in detail.lines), *(paid.amount for paid in detail.payments)]


def _check_amount(amount: Decimal, currency: str) -> None:
    if not amount.is_finite() or amount < 0:
        raise Unfit("an amount is negative or not a number")
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > _digits(currency):
        raise Unfit("an amount has more decimals than its currency")
    if amount >= Decimal(10) ** 15:
        raise Unfit("an amount is too large")


def _digits(currency: str) -> int:
    if currency not in CURRENCIES:
        raise Unfit("the currency is not one of ISO 4217")
    return get_currency_precision(currency)
