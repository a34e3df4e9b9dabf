"""Reads the documented CSV (docs/orders-csv.md): a line for each article, one order for each order number."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

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
    amount,
    checked,
    normalised,
)

SOURCE = "table"
REQUIRED = ("order_number", "email", "status", "item", "unit_price", "currency")
OPTIONAL = (
    "placed_at",
    "name",
    "options",
    "quantity",
    "total",
    "recipient_name",
    "recipient_address",
    "recipient_phone",
    "payment_brand",
    "payment_last4",
    "carrier",
    "tracking",
)

Row = dict[str, str]
Numbered = tuple[int, Row]


def recognises(header: str) -> bool:
    return set(REQUIRED) <= set(_names(header.split(",")))


def read(lines: Iterable[str], *, zone: str) -> Iterator[ShopOrder | Rejected]:
    """Every order in the order of its first line. `zone` is the shop's, for dates that name none."""
    rejected: list[Rejected] = []
    grouped: dict[str, list[Numbered]] = {}
    for number, row in _rows(lines, rejected):
        grouped.setdefault(normalised(row["order_number"]), []).append((number, row))
    yield from rejected
    for rows in grouped.values():
        try:
            yield checked(_shop_order(rows, ZoneInfo(zone)))
        except Unfit as error:
            yield Rejected(f"line {rows[0][0]}", str(error))


def _rows(lines: Iterable[str], rejected: list[Rejected]) -> Iterator[Numbered]:
    reader = csv.reader(lines, strict=True)
    try:
        names = _names(next(reader, []))
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) != len(names):
                rejected.append(Rejected(f"line {reader.line_num}", f"{len(cells)} cells under {len(names)} headings"))
                continue
            row = {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
            if missing := [name for name in REQUIRED if not row.get(name)]:
                rejected.append(Rejected(f"line {reader.line_num}", f"{', '.join(missing)} is empty"))
                continue
            yield reader.line_num, row
    except csv.Error as error:
        # What follows a broken quote cannot be trusted to be rows, so reading ends here.
        rejected.append(Rejected(f"line {reader.line_num}", f"the file cannot be read from here on: {error}"))


def _names(cells: Iterable[str]) -> list[str]:
    return [cell.strip().strip('"').removeprefix("\ufeff").lower() for cell in cells]


def _shop_order(rows: list[Numbered], zone: ZoneInfo) -> ShopOrder:
    number, first = rows[0]
    lines = [_line(row, at) for at, row in rows]
    total = _amount(first["total"], number) if first.get("total") else sum((_paid(line) for line in lines), Decimal(0))
    return ShopOrder(
        where=f"line {number}",
        source=SOURCE,
        source_id=normalised(first["order_number"]),
        email=first["email"],
        buyer=first.get("name", ""),
        status=_status(first["status"]),
        placed_ms=_placed(first.get("placed_at", ""), zone),
        detail=Detail(
            number=first["order_number"],
            total=total,
            currency=first["currency"].upper(),
            lines=lines,
            recipient=Recipient(
                first.get("recipient_name", ""), first.get("recipient_address", ""), first.get("recipient_phone", "")
            ),
            payments=_payments(first, total),
            shipments=_shipments(rows),
        ),
    )


def _line(row: Row, at: int) -> Line:
    quantity = row.get("quantity") or "1"
    if not (quantity.isascii() and quantity.isdigit()):
        raise Unfit(f"quantity on line {at} is not a whole number")
    return Line(row["item"], _amount(row["unit_price"], at), int(quantity[:9]), _options(row.get("options", ""), at))


def _amount(text: str, at: int) -> Decimal:
    try:
        return amount(text)
    except Unfit as error:
        raise Unfit(f"{error} on line {at}") from error


def _paid(line: Line) -> Decimal:
    return line.unit_price * line.quantity


def _options(text: str, at: int) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(";") if part.strip()]
    if any(not name.strip() or not equals for name, equals, _ in pairs):
        raise Unfit(f"options on line {at} are not written as name=value; name=value")
    return {name.strip(): value.strip() for name, _, value in pairs}


def _status(word: str) -> Status:
    try:
        return Status(word.lower())
    except ValueError as error:
        raise Unfit(f"status is none of {', '.join(Status)}") from error


def _placed(text: str, zone: ZoneInfo) -> int | None:
    if not text:
        return None
    try:
        placed = datetime.fromisoformat(text)
        return int((placed if placed.tzinfo else placed.replace(tzinfo=zone)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise Unfit("placed_at is not a date like 2026-11-24 or 2026-11-24T14:05") from error


def _payments(row: Row, total: Decimal) -> list[Payment]:
    brand, last_four = row.get("payment_brand", ""), row.get("payment_last4", "")
    return [Payment(brand, total, last_four)] if brand or last_four else []


def _shipments(rows: list[Numbered]) -> list[Shipment]:
    parcels = dict.fromkeys((row.get("carrier", ""), row.get("tracking", "")) for _, row in rows if row.get("tracking"))
    return [Shipment(carrier, [tracking]) for carrier, tracking in parcels]
