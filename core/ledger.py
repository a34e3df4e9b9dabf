"""The ledger: who did what to which object and why, as a chain of hashes that nobody can rewrite unseen.

Danger. A ledger with content in it is a second copy of what must be erasable; one that can be edited proves nothing;
one that may fail while the act goes on hides exactly the act that matters.

Principle. Ids and codes only: every field has a shape into which no sentence and no e-mail address fits, so that the
ledger may live for five years while the data does not. Each entry hashes the one before; checkpoints are signed and
leave the machine, so that cutting off the end shows too.

Boundary. An entry is appended inside the transaction of the act itself: no entry, no act. The head's row lock makes
the appends of all lanes one after another, so take it late in a transaction. Triggers forbid update and delete.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import rfc8785
from sqlalchemy import DDL, ColumnElement, Table, event, insert, not_, or_, select, update
from sqlmodel import Field, SQLModel

from core.database import Millis, Transaction, insert_ignore, row_lock
from core.identity.callers import Caller
from core.refusals import Invalid
from core.vault.keystore import Vault

PREFIX: Final = b"cs/ledger/v1"
START: Final = bytes(32)
PAGE: Final = 1_000
GAP: Final = "ledger.gap"
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,79}")
_COLUMNS = ("actor", "role", "action", "object_kind", "object_id", "purpose", "reason", "case_id", "result")


class LedgerEntry(SQLModel, table=True):
    """One act; never changed, never deleted."""

    __tablename__ = "ledger_entry"

    seq: int = Field(primary_key=True, sa_type=Millis, sa_column_kwargs={"autoincrement": False})
    at_ms: int = Field(sa_type=Millis, index=True)
    actor: str = Field(index=True)
    role: str | None = None
    action: str = Field(index=True)
    object_kind: str
    object_id: str = Field(index=True)
    purpose: str | None = None
    reason: str | None = None
    case_id: str | None = None
    result: str
    previous_hash: bytes
    hash: bytes


class LedgerHead(SQLModel, table=True):
    """The one row that says where the chain ends; its lock is the right to append."""

    __tablename__ = "ledger_head"

    id: int = Field(primary_key=True)
    seq: int = Field(sa_type=Millis)
    hash: bytes


class LedgerCheckpoint(SQLModel, table=True):
    """A signed statement of how long the chain was at a time, in C2SP checkpoint text."""

    __tablename__ = "ledger_checkpoint"

    size: int = Field(primary_key=True, sa_type=Millis, sa_column_kwargs={"autoincrement": False})
    at_ms: int = Field(sa_type=Millis)
    hash: bytes
    note: str


SECRET: Final = ("hold.", "disclosure.")
ENTRY: Final[Table] = SQLModel.metadata.tables["ledger_entry"]
HEAD: Final[Table] = SQLModel.metadata.tables["ledger_head"]
CHECKPOINT: Final[Table] = SQLModel.metadata.tables["ledger_checkpoint"]


@dataclass(frozen=True)
class Verdict:
    """What a check of the whole chain found; `first_bad` is the first entry that cannot be believed."""

    entries: int
    first_bad: int | None = None
    why: str | None = None

    @property
    def is_whole(self) -> bool:
        """Whether every entry stands as it was written."""
        return self.first_bad is None


def is_told() -> ColumnElement[bool]:
    """Entries that the person whom they are about may know of: a hold would warn her, and a disclosure may be barred
    from being told; what was disclosed and may be told stands in a section of its own (clause 4(3))."""
    return not_(or_(*(ENTRY.c.action.startswith(secret) for secret in SECRET)))


def append(
    tx: Transaction,
    *,
    caller: Caller,
    action: str,
    object: tuple[str, str],  # noqa: A002  (the domain's word)
    purpose: str | None = None,
    reason: str | None = None,
    case: str | None = None,
    result: str = "ok",
    now: int,
) -> int:
    """Append one act, in the transaction of the act; return its number.

    Raises:
        Invalid: a reason or case that is more than a code (what people type).
        ValueError: any other field that is more than a code (a mistake of ours).
    """
    values = (caller.ref, caller.role, action, *object, purpose, reason, case, result)
    entry = {name: None if value is None else str(value) for name, value in zip(_COLUMNS, values, strict=True)}
    _check_shapes(entry)
    seq, previous = _head(tx)
    row = {"seq": seq + 1, "at_ms": now, **entry}
    digest = chained(previous, row)
    tx.execute(insert(ENTRY).values(**row, previous_hash=previous, hash=digest))
    tx.execute(update(HEAD).where(HEAD.c.id == 1).values(seq=seq + 1, hash=digest))
    return seq + 1


def end(tx: Transaction) -> tuple[int, bytes]:
    """The number and hash of the last entry; nothing is locked."""
    found = tx.execute(select(HEAD.c.seq, HEAD.c.hash).where(HEAD.c.id == 1)).one_or_none()
    return (found.seq, found.hash) if found else (0, START)


@dataclass(frozen=True)
class Gap:
    """Where a restore took entries away: the entry that says so, when, and how many it names."""

    seq: int
    at_ms: int
    result: str

    @property
    def kept(self) -> int:
        """The last entry that was not taken away."""
        return int(self.result.partition(".")[0].removeprefix("kept-"))


def note_gap(tx: Transaction, caller: Caller, lost: tuple[int, bytes], *, reason: str, now: int) -> tuple[int, int]:
    """Say that the chain had gone on to `lost` (number, hash) before its data were put back; entries kept, and lost."""
    kept, _ = end(tx)
    missing = max(0, lost[0] - kept)
    about = ("ledger", lost[1].hex() or "unknown")
    result = f"kept-{kept}.lost-{missing}"
    append(tx, caller=caller, action=GAP, object=about, reason=reason, result=result, now=now)
    return kept, missing


def gaps(tx: Transaction) -> list[Gap]:
    """Every restore that the chain tells of."""
    columns = (ENTRY.c.seq, ENTRY.c.at_ms, ENTRY.c.result)
    told = tx.execute(select(*columns).where(ENTRY.c.action == GAP).order_by(ENTRY.c.seq))
    return [Gap(row.seq, row.at_ms, row.result) for row in told]


def chained(previous: bytes, row: dict[str, Any]) -> bytes:  # Any: the JSON values of one entry
    """The hash of an entry: SHA-256 over the version, the hash before it and its canonical JSON (RFC 8785)."""
    return hashlib.sha256(PREFIX + previous + rfc8785.dumps(row)).digest()


@dataclass(frozen=True)
class Witness:
    """What somebody beside the chain knows of it: that entry `seq` had this hash at a time."""

    seq: int
    hash: bytes
    at_ms: int


def witness(note: str, vault: Vault) -> Witness | None:
    """What a checkpoint testifies that was kept elsewhere; None when this shop has not signed it."""
    try:
        _, size, digest, time = note.split("\n")[:4]
        told = Witness(int(size), base64.b64decode(digest), int(time.removeprefix("time ")))
        return told if _is_signed(vault, note, told.seq, told.hash) else None
    except ValueError:
        return None


def verify(tx: Transaction, *, vault: Vault | None = None, witnesses: Iterable[Witness] = ()) -> Verdict:
    """Walk the whole chain and, with a vault, its signed checkpoints; name the first entry that cannot be believed.

    Witnesses see also what was made anew with a chain that fits, by somebody who may write everything in the database.
    """
    told = _unexcused(tx, witnesses)
    marks = {row.size: row for row in tx.execute(select(CHECKPOINT))}
    for size, mark in sorted(marks.items()):
        if vault is not None and not _is_signed(vault, mark.note, size, mark.hash):
            return Verdict(0, size, "checkpoint_signature")
    expected, previous = 1, START
    for row in _entries(tx):
        why = _fault(row, expected, previous)
        if why is None and row.seq in marks and marks[row.seq].hash != row.hash:
            why = "checkpoint"
        if why is None and any(seen != row.hash for seen in told.get(row.seq, ())):
            why = "witness"
        if why is not None:
            return Verdict(expected - 1, expected, why)
        expected, previous = expected + 1, row.hash
    end = tx.execute(select(HEAD)).one_or_none()
    longest = max([end.seq if end else 0, *marks, *told])
    if longest >= expected or (end and end.hash != previous):
        return Verdict(expected - 1, expected, "cut_off")
    return Verdict(expected - 1)


def checkpoint(tx: Transaction, vault: Vault, *, origin: str, now: int) -> str | None:
    """Sign how long the chain is now; return the text to keep elsewhere, or None when nothing was added since."""
    seq, digest = _head(tx)
    body = f"{origin}\n{seq}\n{base64.b64encode(digest).decode()}\ntime {now}\n"
    signature = base64.b64encode(_key_hash(vault, origin) + vault.sign("audit", body.encode())).decode()
    note = f"{body}\n\u2014 {origin} {signature}\n"
    new = insert_ignore(tx, CHECKPOINT, [{"size": seq, "at_ms": now, "hash": digest, "note": note}], ["size"])
    return note if new and seq else None


def triggers(dialect: str) -> tuple[str, ...]:
    """The statements that make the ledger append-only, for migrations; `dialect` is `sqlite` or `postgresql`."""
    if dialect == "sqlite":
        return tuple(
            f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
            for table in ("ledger_entry", "ledger_checkpoint")
            for verb in ("UPDATE", "DELETE")
        )
    refuse = (
        "CREATE OR REPLACE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
    )
    return refuse, *(
        f"CREATE OR REPLACE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()"
        for table in ("ledger_entry", "ledger_checkpoint")
    )


for _dialect in ("sqlite", "postgresql"):
    for _statement in triggers(_dialect):
        event.listen(
            ENTRY if "checkpoint" not in _statement else CHECKPOINT,
            "after_create",
            DDL(_statement).execute_if(dialect=_dialect),  # type: ignore[no-untyped-call]
        )


def _check_shapes(entry: dict[str, str | None]) -> None:
    for name, value in entry.items():
        if value is None or _CODE.fullmatch(value):
            continue
        if name in ("reason", "case_id"):
            raise Invalid("reference", "Please give a reference, such as a case number: letters, digits, dots, dashes.")
        raise ValueError(f"the ledger takes ids and codes only; {name} is neither")


def _head(tx: Transaction) -> tuple[int, bytes]:
    """Where the chain ends, locked until the commit."""
    found = tx.execute(row_lock(tx, select(HEAD.c.seq, HEAD.c.hash).where(HEAD.c.id == 1))).one_or_none()
    if found is None:
        insert_ignore(tx, HEAD, [{"id": 1, "seq": 0, "hash": START}], ["id"])
        found = tx.execute(row_lock(tx, select(HEAD.c.seq, HEAD.c.hash).where(HEAD.c.id == 1))).one()
    return found.seq, found.hash


def _entries(tx: Transaction) -> Iterator[Any]:  # Any: rows
    last = 0
    while rows := tx.execute(select(ENTRY).where(ENTRY.c.seq > last).order_by(ENTRY.c.seq).limit(PAGE)).all():
        yield from rows
        last = rows[-1].seq


def _fault(row: Any, expected: int, previous: bytes) -> str | None:  # Any: a row
    """What is wrong with an entry by itself and where it stands."""
    if row.seq != expected:
        return "missing"
    facts = {name: row._mapping[name] for name in ("seq", "at_ms", *_COLUMNS)}
    return "changed" if row.previous_hash != previous or row.hash != chained(previous, facts) else None


def _unexcused(tx: Transaction, witnesses: Iterable[Witness]) -> dict[int, list[bytes]]:
    """What must be in the chain: not what a restore since says it has taken away, for that stays true beside it."""
    told: dict[int, list[bytes]] = {}
    taken = gaps(tx)
    for each in witnesses:
        if not any(gap.kept < each.seq and gap.at_ms >= each.at_ms for gap in taken):
            told.setdefault(each.seq, []).append(each.hash)
    return told


def _key_hash(vault: Vault, origin: str) -> bytes:
    return hashlib.sha256(origin.encode() + b"\n\x01" + vault.public_key("audit")).digest()[:4]


def _is_signed(vault: Vault, note: str, size: int, digest: bytes) -> bool:
    body, _, signed = note.partition("\n\n\u2014 ")
    lines = body.split("\n")
    if len(lines) < 3 or lines[1] != str(size) or lines[2] != base64.b64encode(digest).decode():
        return False
    signature = base64.b64decode(signed.split(" ")[-1])[4:]
    return vault.verify("audit", f"{body}\n".encode(), signature)
