"""The statements of the log, built once: a handful of set-based ones serve a batch of any size."""

import json
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from msgspec import Struct
from sqlalchemy import Dialect, Table, bindparam, insert, text, update

from chat.audiences import Event
from chat.models import Conversation, EventRow, OrderLink, ReadMark
from chat.state import State
from core.database import Transaction

CONVERSATION: Table = Conversation.__table__  # type: ignore[attr-defined]  # SQLModel sets it on table classes
EVENT: Table = EventRow.__table__  # type: ignore[attr-defined]
MARK: Table = ReadMark.__table__  # type: ignore[attr-defined]
ORDER: Table = OrderLink.__table__  # type: ignore[attr-defined]

INSERT = insert(EVENT)
_ADVANCED = [*State.__struct_fields__, "version", "chain_hash", "expires_ms"]
ADVANCE = (
    update(CONVERSATION)
    .where(CONVERSATION.c.id == bindparam("the_id"))
    .values({name: bindparam(f"new_{name}") for name in _ADVANCED})
)

Name = tuple[str, str, str]  # conversation, sender, client id


class Known(Struct, frozen=True):
    """What is stored under an id already."""

    seq: int
    pub_seq: int | None
    created_ms: int
    payload_hash: bytes


def row(event: Event, sealed: bytes, hashed: bytes, dek_id: int, link: bytes) -> dict[str, Any]:  # Any: column values
    """The event as `INSERT` writes it."""
    return {
        "conversation_id": event.conversation_id,
        "seq": event.seq,
        "pub_seq": event.pub_seq,
        "sender": event.sender,
        "client_id": event.client_id,
        "payload_hash": hashed,
        "kind": event.kind,
        "body_sealed": sealed,
        "dek_id": dek_id,
        "attachment_id": event.attachment_id,
        "chain_hash": link,
        "created_ms": event.created_ms,
        "target_seq": event.target_seq,
    }


def insert_all(tx: Transaction, rows: Sequence[dict[str, Any]]) -> None:  # Any: column values
    """Insert the events in one call of the driver; SQLAlchemy's own way costs as much again for every row."""
    sql, order = _written_for(tx.connection.dialect)
    given: Any = rows if order is None else [tuple(row[name] for name in order) for row in rows]  # Any: as the driver
    tx.connection.exec_driver_sql(sql, given)


@cache
def _written_for(dialect: Dialect) -> tuple[str, Sequence[str] | None]:
    """`INSERT` in the driver's own words, and the order of its values if it takes them by place."""
    compiled = INSERT.compile(dialect=dialect, column_keys=list(EVENT.c.keys()))
    return str(compiled), compiled.positiontup


def known(tx: Transaction, names: Collection[Name]) -> dict[Name, Known]:
    """What the log holds of these ids; one statement with one parameter, however many there are."""
    statement = _KNOWN_POSTGRES if tx.is_postgres else _KNOWN_SQLITE
    found: Sequence[Any] = tx.execute(statement, {"wanted": json.dumps(sorted(names))}).all()
    return {(row[0], row[1], row[2]): Known(row[3], row[4], row[5], bytes(row[6])) for row in found}


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
