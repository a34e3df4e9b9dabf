"""Where a conversation stands: whose it is and how far its log goes, which is all that watching it asks for.

Everybody who comes back after a crash asks for it at once, and the beacon for every room again and again: a row as an
object of the tables costs twenty times as much.
"""

from collections.abc import Collection, Iterable
from typing import Any

from msgspec import Struct
from sqlalchemy import Select, bindparam, select

from chat.marks import Mark
from chat.statements import CONVERSATION, MARK
from core.database import Transaction


class Standing(Struct, frozen=True):
    """A conversation as its row holds it, without what only the log needs."""

    id: str
    owner: str
    assignee: str | None
    team: str | None
    state: str
    epoch: str
    last_seq: int
    last_pub_seq: int
    restricted_ms: int | None


_WIDTH = len(Standing.__struct_fields__)
_STANDING = [CONVERSATION.c[name] for name in Standing.__struct_fields__]
_ARE_HERE = CONVERSATION.c.id.in_(bindparam("ids", expanding=True)) & (CONVERSATION.c.expires_ms > bindparam("now"))
_SEVERAL = select(*_STANDING).where(_ARE_HERE)
_MARKED = (
    select(*_STANDING, *(MARK.c[name] for name in Mark.__struct_fields__))
    .outerjoin(MARK, MARK.c.conversation_id == CONVERSATION.c.id)
    .where(_ARE_HERE)
)


def several(tx: Transaction, conversation_ids: Collection[str], *, now: int) -> dict[str, Standing]:
    """Those of the conversations that are not expired, by id. Asks nobody's permission."""
    return {row[0]: Standing(*row) for row in _rows(tx, _SEVERAL, conversation_ids, now)}


def several_marked(
    tx: Transaction, conversation_ids: Collection[str], *, now: int
) -> dict[str, tuple[Standing, list[Mark]]]:
    """As `several`, each with its read marks."""
    found: dict[str, tuple[Standing, list[Mark]]] = {}
    for row in _rows(tx, _MARKED, conversation_ids, now):
        _, marks = found.setdefault(row[0], (Standing(*row[:_WIDTH]), []))
        if row[_WIDTH] is not None:
            marks.append(Mark(*row[_WIDTH:]))
    return found


def _rows(
    tx: Transaction, statement: Select[Any], conversation_ids: Collection[str], now: int
) -> Iterable[Any]:  # Any: rows of the columns above
    return tx.execute(statement, {"ids": list(conversation_ids), "now": now})
