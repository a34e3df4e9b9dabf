"""Files of orders: opens what the shop hands over and finds out in which shape it is written.

A file is outside input of any size and kind, so whatever is wrong with it ends as a `Rejected` with a place and a
reason.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from support.orders.detail import Rejected, ShopOrder
from support.orders.shapes import retail, shopify, table

LIMIT_BYTES = 256 * 1024 * 1024
Entry = ShopOrder | Rejected
Records = Mapping[str, msgspec.Raw]


class Kind(StrEnum):
    """The shapes that can be read."""

    RETAIL = "retail"
    SHOPIFY = "shopify"
    TABLE = "table"


@dataclass(frozen=True)
class Document:
    """One file and what was found in it."""

    path: Path
    entries: Sequence[Entry]


class Unreadable(ValueError):
    """The file as a whole cannot be read; the sentence says why."""


def read_all(paths: Sequence[Path], *, kind: Kind | None, currency: str, zone: str) -> Iterator[Document]:
    """One document for every path that holds orders; files of users and products are passed over."""
    users_beside = _users(paths)
    for path in paths:
        try:
            entries = _entries(path, kind, users_beside, currency=currency, zone=zone)
        except Unreadable as error:
            yield Document(path, [Rejected("file", str(error))])
        else:
            if entries is not None:
                yield Document(path, list(entries))


def _entries(
    path: Path, kind: Kind | None, users: Records | None, *, currency: str, zone: str
) -> Iterator[Entry] | None:
    text = _text(path)
    if kind is Kind.TABLE or (kind is None and path.suffix.lower() == ".csv"):
        return _table(text, zone)
    records = _records(text)
    found = kind or _kind(records)
    if found is Kind.SHOPIFY:
        return shopify.read(_shopify_orders(records))
    if found is Kind.RETAIL:
        return _retail(records, users if users is not None else _users([path.with_name("users.json")]), currency)
    if _is_aside(records):
        return None
    raise Unreadable("this is not a file of orders in a shape that we know")


def _kind(records: Records) -> Kind | None:
    if "order" in records or "orders" in records:
        return Kind.SHOPIFY
    return Kind.RETAIL if retail.recognises(records) else None


def _is_aside(records: Records) -> bool:
    return retail.recognises_users(records) or retail.recognises_products(records)


def _table(text: str, zone: str) -> Iterator[Entry]:
    if not table.recognises(text.partition("\n")[0]):
        raise Unreadable(f"the first line must name the columns {', '.join(table.REQUIRED)}, separated by commas")
    return table.read(io.StringIO(text, newline=""), zone=zone)


def _retail(records: Records, users: Records | None, currency: str) -> Iterator[Entry]:
    if users is None:
        raise Unreadable("the buyers are missing: put users.json beside this file or name it as well")
    return retail.read(records, users, currency=currency)


def _shopify_orders(records: Records) -> list[msgspec.Raw]:
    if "order" in records:
        return [records["order"]]
    try:
        return msgspec.json.decode(records["orders"], type=list[msgspec.Raw])
    except (KeyError, msgspec.DecodeError) as error:
        raise Unreadable("it has no list of orders") from error


def _users(paths: Sequence[Path]) -> Records | None:
    """The first file of users among these, if any can be read."""
    for path in paths:
        try:
            records = _records(_text(path))
        except Unreadable:
            continue
        if retail.recognises_users(records):
            return records
    return None


def _records(text: str) -> Records:
    try:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError) as error:
        raise Unreadable(f"it is not an object in JSON: {error}") from error


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise Unreadable(f"it is larger than {LIMIT_BYTES // 1024 // 1024} MB; please split it")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Unreadable(f"it cannot be opened: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Unreadable("it is not UTF-8; save it as 'CSV UTF-8'") from error
