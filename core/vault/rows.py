"""The keystore's transactions: every statement that reads or writes wrapped keys and tombstones.

Danger. A key deleted without its tombstone, so that a restored back-up brings the data back to life unnoticed; a
key of the product's own deleted with a conversation's.

Boundary. A destruction writes its tombstones and deletes its rows in one transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, bindparam, delete, func, insert, select, text, update

from core.database import Transaction, insert_ignore, row_lock
from core.vault.epochs import Epochs, Wrapped
from core.vault.models import ANCHOR, DEK, EPOCH, HOLD, KEYSTORE, METADATA, SIGNER, TOMBSTONE
from core.vault.refusals import KeyGone, KeyUnavailable, Reason

SYSTEM = "system"  # the scope of the product's own keys
_BATCH = 500  # ids in one statement: below every engine's limit of parameters
_SCHEMA_LOCK = 0x61667465


@dataclass(frozen=True)
class Facts:
    """What a keystore says about itself before any key is touched."""

    keystore_id: str | None
    epochs: frozenset[int]
    named: Mapping[str, Wrapped]
    elders: Sequence[Wrapped]  # keys of the product's own that have sealed enough and only open now
    signers: Mapping[str, frozenset[bytes]]


@dataclass(frozen=True)
class Tombstone:
    """That a key was destroyed, when and why; says nothing of whom or what."""

    dek_id: int
    scope: str
    reason: str
    at_ms: int


@dataclass(frozen=True)
class HoldNote:
    """One hold as it stood at a time: ids and codes, in the words of whoever wrote it."""

    id: str
    changed_ms: int
    facts: bytes


@dataclass(frozen=True)
class Anchor:
    """How far the data had come at a time, and where the ledger ended then."""

    number: int
    at_ms: int
    ledger_seq: int
    ledger_hash: bytes


NO_ANCHOR = Anchor(0, 0, 0, b"")


def prepare(tx: Transaction) -> None:
    """Make the tables if they are not there; processes that start together take turns."""
    if tx.is_postgres:
        tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})
    METADATA.create_all(tx.connection)


def facts(tx: Transaction) -> Facts:
    """What is there to check at the start."""
    own = tx.execute(select(DEK).where(DEK.c.scope == SYSTEM)).mappings().all()
    signers: dict[str, frozenset[bytes]] = {}
    for row in tx.execute(select(SIGNER.c.name, SIGNER.c.public)):
        signers[row.name] = signers.get(row.name, frozenset()) | {bytes(row.public)}
    return Facts(
        keystore_id=tx.execute(select(KEYSTORE.c.id)).scalar(),
        epochs=frozenset(tx.execute(select(DEK.c.epoch).distinct()).scalars()),
        named={row["name"]: _wrapped(row) for row in own if row["name"] is not None},
        elders=[_wrapped(row) for row in own if row["name"] is None],
        signers=signers,
    )


def found(tx: Transaction, keystore_id: str, *, now: int) -> None:
    """Give a new keystore its identity, once, however many processes start together."""
    if tx.is_postgres:
        tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SCHEMA_LOCK})
    if tx.execute(select(func.count()).select_from(KEYSTORE)).scalar() == 0:
        tx.execute(insert(KEYSTORE), {"id": keystore_id, "created_ms": now})


def add_named(tx: Transaction, named: Mapping[str, Wrapped], *, now: int) -> None:
    """Add keys of the product's own; the first process to name one wins."""
    if named:
        insert_ignore(tx, DEK, [_values(row, now) | {"name": name} for name, row in named.items()], ["name"])


def retire(tx: Transaction, name: str, at_least: int) -> int:
    """Take the name from a key that has sealed so often; it still opens what it sealed."""
    worn = (DEK.c.name == name) & (DEK.c.uses >= at_least)
    return len(tx.execute(update(DEK).where(worn).values(name=None).returning(DEK.c.id)).all())


def add_signer(tx: Transaction, name: str, public: bytes, *, now: int) -> None:
    """Keep a public key for ever."""
    insert_ignore(tx, SIGNER, [{"public": public, "name": name, "created_ms": now}], ["public"])


def add(tx: Transaction, wrapped: Sequence[Wrapped], uses: Mapping[int, int], *, now: int) -> None:
    """Add new data keys, and write down how often others were used. Raises: KeyUnavailable."""
    if wrapped:
        _refuse_doomed(tx, {row.epoch for row in wrapped})
        tx.execute(insert(DEK), [_values(row, now) for row in wrapped])
    note_uses(tx, uses)


def note_uses(tx: Transaction, uses: Mapping[int, int]) -> None:
    """Raise each key's count of sealings; it never falls."""
    if uses:
        statement = update(DEK).where(DEK.c.id == bindparam("key"), DEK.c.uses < bindparam("used"))
        rows = [{"key": dek_id, "used": used} for dek_id, used in sorted(uses.items())]
        tx.connection.execute(statement.values(uses=bindparam("used")), rows)


def one(tx: Transaction, dek_id: int) -> Wrapped:
    """The row of one key. Raises: KeyGone."""
    row = tx.execute(select(DEK).where(DEK.c.id == dek_id)).mappings().first()
    if row is None:
        raise _gone(tx, dek_id)
    return _wrapped(row)


def reassign(tx: Transaction, epochs: Epochs, dek_id: int, *, scope: str, owner: str, new_owner: str) -> None:
    """Wrap a key anew for another owner; a repetition changes nothing. Raises: KeyGone, WrapMismatch."""
    row = tx.execute(row_lock(tx, select(DEK).where(DEK.c.id == dek_id))).mappings().first()
    if row is None:
        raise _gone(tx, dek_id)
    wrapped = _wrapped(row)
    if wrapped.owner == new_owner:
        epochs.unwrap(wrapped, scope, new_owner)
        return
    rewrapped = epochs.wrap(epochs.unwrap(wrapped, scope, owner), scope, new_owner)
    _refuse_doomed(tx, {rewrapped.epoch})
    _rewrite(tx, [rewrapped])


def destroy(tx: Transaction, dek_ids: Sequence[int], reason: str, *, now: int) -> int:
    """Delete data keys and leave their tombstones; return how many there were."""
    destroyed = 0
    for start in range(0, len(dek_ids), _BATCH):
        mine = DEK.c.id.in_(dek_ids[start : start + _BATCH]) & (DEK.c.scope != SYSTEM)
        rows = tx.execute(row_lock(tx, select(DEK.c.id, DEK.c.scope).where(mine).order_by(DEK.c.id))).all()
        stones = [{"dek_id": row.id, "scope": row.scope, "reason": reason, "at_ms": now} for row in rows]
        if stones:
            insert_ignore(tx, TOMBSTONE, stones, ["dek_id"])
            tx.execute(delete(DEK).where(mine))
        destroyed += len(stones)
    return destroyed


def tombstones(tx: Transaction, since_ms: int) -> list[Tombstone]:
    """Every destruction from a time on, oldest first."""
    statement = select(TOMBSTONE).where(TOMBSTONE.c.at_ms >= since_ms).order_by(TOMBSTONE.c.at_ms, TOMBSTONE.c.dek_id)
    return [Tombstone(**row) for row in tx.execute(statement).mappings()]


def note_holds(tx: Transaction, notes: Sequence[HoldNote]) -> None:
    """Keep how these holds stand; what is known as it stood later stays."""
    for note in notes:
        if not insert_ignore(tx, HOLD, [vars(note)], ["id"]):
            older = (HOLD.c.id == note.id) & (HOLD.c.changed_ms <= note.changed_ms)
            tx.execute(update(HOLD).where(older).values(changed_ms=note.changed_ms, facts=note.facts))


def holds(tx: Transaction) -> list[HoldNote]:
    """Every hold there ever was, as it stood last."""
    statement = select(HOLD).order_by(HOLD.c.changed_ms, HOLD.c.id)
    return [HoldNote(row.id, row.changed_ms, bytes(row.facts)) for row in tx.execute(statement)]


def owners(tx: Transaction, dek_ids: Sequence[int]) -> dict[int, str]:
    """Whose keys these are, as far as they exist."""
    found: dict[int, str] = {}
    for start in range(0, len(dek_ids), _BATCH):
        some = select(DEK.c.id, DEK.c.owner).where(DEK.c.id.in_(dek_ids[start : start + _BATCH]))
        found |= {row.id: row.owner for row in tx.execute(some)}
    return found


def anchor(tx: Transaction) -> Anchor:
    """How far the data have come, as the keystore knows."""
    row = tx.execute(select(ANCHOR).where(ANCHOR.c.id == 1)).one_or_none()
    return Anchor(row.number, row.at_ms, row.ledger_seq, bytes(row.ledger_hash)) if row else NO_ANCHOR


def remember(tx: Transaction, reached: Anchor) -> None:
    """Note how far the data have come; it never goes back."""
    values = vars(reached)
    if not insert_ignore(tx, ANCHOR, [{"id": 1, **values}], ["id"]):
        tx.execute(update(ANCHOR).where(ANCHOR.c.id == 1, ANCHOR.c.number < reached.number).values(**values))


def age(tx: Transaction) -> tuple[Anchor, int]:
    """What tells an older copy of a keystore from a newer one: its anchor, and how many keys it has destroyed."""
    return anchor(tx), tx.execute(select(func.count()).select_from(TOMBSTONE)).scalar_one()


def _rewrite(tx: Transaction, wrapped: Iterable[Wrapped]) -> None:
    rows = [{"key": row.dek_id, "o": row.owner, "e": row.epoch, "w": row.wrap} for row in wrapped]
    if rows:
        statement = update(DEK).where(DEK.c.id == bindparam("key"))
        tx.connection.execute(statement.values(owner=bindparam("o"), epoch=bindparam("e"), wrap=bindparam("w")), rows)


def _refuse_doomed(tx: Transaction, epochs: set[int]) -> None:
    """Until our commit nobody dooms these epochs. Raises: KeyUnavailable, when one is doomed already."""
    statement = select(EPOCH.c.doomed_ms).where(EPOCH.c.number.in_(epochs))
    held = tx.execute(statement.with_for_update(read=True) if tx.is_postgres else statement)
    if any(doomed is not None for doomed in held.scalars()):
        raise KeyUnavailable


def _gone(tx: Transaction, dek_id: int) -> KeyGone:
    buried = tx.execute(select(TOMBSTONE.c.dek_id).where(TOMBSTONE.c.dek_id == dek_id)).first()
    return KeyGone(Reason.KEY_DESTROYED if buried else Reason.KEY_UNKNOWN)


def _values(row: Wrapped, now: int) -> dict[str, object]:
    return {
        "id": row.dek_id,
        "scope": row.scope,
        "owner": row.owner,
        "epoch": row.epoch,
        "wrap": row.wrap,
        "kcv": row.kcv,
        "uses": row.uses,
        "created_ms": now,
    }


def _wrapped(row: RowMapping) -> Wrapped:
    return Wrapped(
        row["id"], row["scope"], row["owner"], row["epoch"], bytes(row["wrap"]), bytes(row["kcv"]), row["uses"]
    )
