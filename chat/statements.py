"""The statements of the log, built once: a handful of set-based ones serve a batch of any size."""

from collections.abc import Collection, Sequence
from functools import cache
from itertools import chain
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Row, Table, TextClause, text

from chat.audiences import Event
from chat.models import Conversation, EventRow, OrderLink, ReadMark
from chat.state import State
from core.database import Transaction, copy_rows

CONVERSATION: Table = Conversation.__table__  # type: ignore[attr-defined]  # SQLModel sets it on table classes
EVENT: Table = EventRow.__table__  # type: ignore[attr-defined]
MARK: Table = ReadMark.__table__  # type: ignore[attr-defined]
ORDER: Table = OrderLink.__table__  # type: ignore[attr-defined]

_ROW: tuple[str, ...] = ("conversation_id", "seq", "pub_seq", "sender", "client_id", "payload_hash")
_ROW += ("kind", "body_sealed", "dek_id", "attachment_id", "chain_hash", "created_ms", "target_seq")
assert set(_ROW) == set(EVENT.c.keys()), "an event is written whole"
_ADVANCED = (*State.__struct_fields__, "version", "chain_hash", "expires_ms")
_encoder = msgspec.json.Encoder()
_PIECES = tuple(1 << power for power in range(8, -1, -1))  # rows in one statement, so that few are ever prepared

Name = tuple[str, str, str]  # conversation, sender, client id
Rows = dict[str, list[Row[Any]]]  # by conversation. Any: rows of the whole table


class Known(Struct, frozen=True):
    """What is stored under an id already."""

    seq: int
    pub_seq: int | None
    created_ms: int
    payload_hash: bytes


def row(event: Event, sealed: bytes, hashed: bytes, dek_id: int, link: bytes) -> tuple[object, ...]:
    """The event as `insert_all` writes it."""
    return (
        event.conversation_id,
        event.seq,
        event.pub_seq,
        event.sender,
        event.client_id,
        hashed,
        event.kind,
        sealed,
        dek_id,
        event.attachment_id,
        link,
        event.created_ms,
        event.target_seq,
    )


def insert_all(tx: Transaction, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert the events: PostgreSQL copies them in, SQLite takes few statements of many rows.

    Each step of SQLite's lets go of the interpreter and has to wait for it again, behind a loop that is busy: a step
    for every row would make a batch wait hundreds of times.
    """
    if tx.is_postgres:
        copy_rows(tx, EVENT.name, _ROW, rows)
        return
    start = 0
    for count in _PIECES:
        while len(rows) - start >= count:
            values = tuple(chain.from_iterable(rows[start : start + count]))
            tx.connection.exec_driver_sql(_insert_of(count), values)
            start += count


def locked(tx: Transaction, conversation_ids: Collection[str]) -> Sequence[Row[Any]]:  # Any: rows of the whole table
    """The conversations' rows, locked until the commit, in the order of their ids."""
    statement = _LOCKED_POSTGRES if tx.is_postgres else _LOCKED_SQLITE
    return tx.execute(statement, {"wanted": _json(conversation_ids)}).all()


def advance(tx: Transaction, rows: Sequence[tuple[object, ...]]) -> None:
    """Move the counters and the fold of each conversation: `_ADVANCED` in their order, then its id."""
    tx.connection.exec_driver_sql(_advance_of(_placeholder(tx)), list(rows))


def _json(wanted: Collection[object]) -> str:
    return _encoder.encode(wanted).decode()


def _placeholder(tx: Transaction) -> str:
    return "%s" if tx.is_postgres else "?"


@cache
def _insert_of(count: int) -> str:
    values = f"({', '.join('?' * len(_ROW))})"
    return f"INSERT INTO event ({', '.join(_ROW)}) VALUES {', '.join([values] * count)}"  # noqa: S608  (names of ours)


@cache
def _advance_of(placeholder: str) -> str:
    changes = ", ".join(f"{name} = {placeholder}" for name in _ADVANCED)
    return f"UPDATE conversation SET {changes} WHERE id = {placeholder}"  # noqa: S608  (names of ours)


def known(tx: Transaction, names: Collection[Name]) -> dict[Name, Known]:
    """What the log holds of these ids; one statement with one parameter, however many there are."""
    statement = _KNOWN_POSTGRES if tx.is_postgres else _KNOWN_SQLITE
    found: Sequence[Any] = tx.execute(statement, {"wanted": _json(names)}).all()
    return {(row[0], row[1], row[2]): Known(row[3], row[4], row[5], bytes(row[6])) for row in found}


def between(tx: Transaction, number: str, spans: Collection[tuple[str, int, int]]) -> Rows:
    """The rows of many logs whose `number` (a column of ours) is in a span, first and last included, in its order."""
    found: dict[str, dict[int, Row[Any]]] = {}  # Any: rows of the whole table
    for each in tx.execute(_between(number, tx.is_postgres), {"wanted": _json(spans)}):
        found.setdefault(each.conversation_id, {})[each.seq] = each  # spans of one log may overlap
    return {conversation: list(rows.values()) for conversation, rows in found.items()}


@cache
def _between(number: str, is_postgres: bool) -> TextClause:  # noqa: FBT001  (the key of a cache)
    each = "jsonb_array_elements(CAST(:wanted AS jsonb))" if is_postgres else "json_each(:wanted)"
    return text(
        f"""
        SELECT e.* FROM (SELECT value ->> 0 AS c, CAST(value ->> 1 AS bigint) AS first,
                         CAST(value ->> 2 AS bigint) AS last FROM {each}) w
        {"JOIN" if is_postgres else "CROSS JOIN"} event e
        ON e.conversation_id = w.c AND e.{number} BETWEEN w.first AND w.last
        ORDER BY e.conversation_id, e.{number}, e.seq
        """  # noqa: S608  (names of ours)
    )


_LOCKED_SQLITE = text(  # the one writing transaction excludes every other
    "SELECT * FROM conversation WHERE id IN (SELECT value FROM json_each(:wanted)) ORDER BY id"
)
_LOCKED_POSTGRES = text(
    "SELECT * FROM conversation WHERE id IN (SELECT jsonb_array_elements_text(CAST(:wanted AS jsonb)))"
    " ORDER BY id FOR UPDATE"
)
_KNOWN_SQLITE = text(
    """
    SELECT e.conversation_id, e.sender, e.client_id, e.seq, e.pub_seq, e.created_ms, e.payload_hash
    FROM (SELECT value ->> 0 AS c, value ->> 1 AS s, value ->> 2 AS m FROM json_each(:wanted)) w
    CROSS JOIN event e ON e.conversation_id = w.c AND e.sender = w.s AND e.client_id = w.m
    """
)
_KNOWN_POSTGRES = text(
    """
    SELECT e.conversation_id, e.sender, e.client_id, e.seq, e.pub_seq, e.created_ms, e.payload_hash
    FROM (SELECT value ->> 0 AS c, value ->> 1 AS s, value ->> 2 AS m
          FROM jsonb_array_elements(CAST(:wanted AS jsonb))) w
    JOIN event e ON e.conversation_id = w.c AND e.sender = w.s AND e.client_id = w.m
    """
)
