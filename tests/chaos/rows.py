"""Rows: the log as it lies in the database, read past the product, so that no answer of the server's is believed."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg

SELECT = "SELECT conversation_id, seq, pub_seq, client_id, kind FROM event ORDER BY conversation_id, seq"


@dataclass(frozen=True)
class Row:
    """What stands in the clear of one event."""

    seq: int
    pub_seq: int | None
    client_id: str
    kind: str


Stored = Mapping[str, Sequence[Row]]


def stored(url: str) -> Stored:
    """Every conversation's rows in the order of their numbers; the reader of a SQLite file neither writes nor
    checkpoints."""
    if url.startswith("postgresql"):
        with psycopg.connect(url) as server:
            return _grouped(server.execute(SELECT).fetchall())
    with closing(sqlite3.connect(f"file:{Path(url)}?mode=ro", uri=True, timeout=10)) as file:
        return _grouped(file.execute(SELECT).fetchall())


def epochs(path: str) -> Mapping[str, str]:
    """In which epoch each conversation of a SQLite file is."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as file:
        return dict(file.execute("SELECT id, epoch FROM conversation").fetchall())


def _grouped(found: Iterable[tuple[str, int, int | None, str, str]]) -> Stored:
    logs: dict[str, list[Row]] = {}
    for conversation, seq, pub_seq, client_id, kind in found:
        logs.setdefault(conversation, []).append(Row(seq, pub_seq, client_id, kind))
    return logs
