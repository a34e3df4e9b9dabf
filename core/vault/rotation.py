"""Rotation: every data key wrapped anew under a younger epoch, and the epoch before the last destroyed.

Danger. An epoch destroyed while a row still needs it: what that row protects is lost for good. A rotation that
stopped half-way and cannot go on; two at once; a process that wraps a key under an epoch as it dies.

Principle. Nothing is kept about how far a rotation has come: each row says itself under which epoch it lies, rows
only ever move to a younger one, and both open meanwhile. So a stop at any point is harmless and whoever comes next
goes on. Two epochs always stay: the current one, and the one before it, under which the copies of the keystore of the
last days lie. That one is doomed in the keystore, in a transaction that finds no row under it and after which nothing
can be added under it; only then is the provider told. Whatever is older is destroyed.

Boundary. 5,000 rows are one transaction. An epoch is current once every row has been opened under it and a copy of
the keystore has been tried; before that it is only the youngest.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Row, func, select, update

from core import disk
from core.database import Database, Transaction, insert_ignore, row_lock
from core.engines import open_copy, sqlite_path
from core.refusals import Conflict
from core.vault.epochs import Epochs, Sealed, Wrapped
from core.vault.keyfiles import DestroyReceipt
from core.vault.keys import NONCE_BYTES
from core.vault.models import DEK, EPOCH
from core.vault.refusals import ContentUnavailable

PAGE: Final = 5_000
_BEFORE_ALL: Final = -1
_COLUMNS: Final = (DEK.c.id, DEK.c.scope, DEK.c.owner, DEK.c.epoch, DEK.c.wrap, DEK.c.kcv, DEK.c.uses)

Progress = Callable[[int, int], None]


class KeyDoesNotOpen(Exception):
    """A row of the keystore does not open; nothing may be destroyed before somebody has looked. Names its id alone."""

    def __init__(self, dek_id: int) -> None:
        super().__init__(f"data key {dek_id}")
        self.dek_id = dek_id


@dataclass(frozen=True)
class Standing:
    """Which epochs there are: `unfinished` was made and is not current yet, `old` are to be destroyed."""

    current: int
    since_ms: int
    previous: int | None
    is_retired: bool
    unfinished: int | None
    old: Sequence[int]
    keys: Mapping[int, int]

    @property
    def is_finished(self) -> bool:
        """Whether no earlier rotation waits to be brought to its end."""
        return self.unfinished is None and not self.old and (self.previous is None or self.is_retired)


class Rotation:
    """The steps of a rotation, each of which may be repeated; `support.keys` puts them in their order."""

    def __init__(self, database: Database, epochs: Epochs) -> None:
        self._database: Final = database
        self._epochs: Final = epochs

    async def standing(self) -> Standing:
        """Which epochs there are, and how many data keys lie under each."""
        alive = self._epochs.provider.epochs()
        return await self._database.read(_standing, alive)

    def create(self, current: int) -> int:
        """The next epoch, made by us or by another who was faster. Raises: Conflict, KeyUnavailable."""
        provider = self._epochs.provider
        try:
            made = provider.create_epoch()
        except FileExistsError:
            made = provider.current_epoch()
        if made <= current:
            raise Conflict(
                "keys_fixed", "These keys come from the environment and can't be changed: see AFTERCARE_KEYS."
            )
        return made

    async def rewrap(self, target: int, progress: Progress) -> int:
        """Wrap every key of an older epoch under this one; returns how many. Raises: KeyDoesNotOpen, KeyUnavailable."""
        total = await self._database.read(_older, target)
        moved, after = 0, _BEFORE_ALL
        while True:
            started_at = after
            count, after = await self._database.write(_rewrap, self._epochs, target, after)
            moved += count
            progress(min(moved, total), total)
            if not count and started_at == _BEFORE_ALL:
                return moved

    async def verify(self, progress: Progress) -> int:
        """Open every key and compare its check value; returns how many there are. Raises: KeyDoesNotOpen."""
        total = await self._database.read(_count)
        opened, after = 0, _BEFORE_ALL
        while True:
            count, after = await self._database.read(_verify, self._epochs, after)
            opened += count
            progress(min(opened, total), total)
            if not count:
                return opened

    def verify_copy(self, file: Path) -> int:
        """The same for a copy of the keystore, which is only read. Raises: KeyDoesNotOpen."""
        with open_copy(file).connect() as connection:
            tx, opened, after = Transaction(connection), 0, _BEFORE_ALL
            while True:
                count, after = _verify(tx, self._epochs, after)
                opened += count
                if not count:
                    return opened

    async def try_copy(self) -> None:
        """Copy the keystore beside itself, open every key in the copy, and delete it. Raises: KeyDoesNotOpen."""
        remove_trial(self._database)
        try:
            await self._database.copy_to(_trial(self._database))
            await asyncio.to_thread(self.verify_copy, _trial(self._database))
        finally:
            remove_trial(self._database)

    async def mark(self, epoch: int, *, now: int) -> None:
        """From now on this epoch is the current one."""
        await self._database.write(mark, epoch, now=now)

    async def retire(self, epoch: int, *, now: int) -> None:
        """Nothing is wrapped under this epoch any more, and its provider knows. Raises: Conflict, KeyUnavailable."""
        await self._database.write(_doom, epoch, now=now)
        await asyncio.to_thread(self._epochs.provider.retire_epoch, epoch)
        await self._database.write(_note_retired, epoch, now=now)

    async def destroy(self, epoch: int) -> DestroyReceipt:
        """Have the provider destroy a retired epoch, and let go of it. Raises: Conflict, KeyUnavailable."""
        await self._database.read(_refuse_needed, epoch)
        receipt = await asyncio.to_thread(self._epochs.provider.destroy_epoch, epoch)
        self._epochs.forget_the_destroyed()
        return receipt


def remove_trial(database: Database) -> None:
    """Delete a copy that was being tried, also one that a stop has left: it holds keys that may be destroyed since."""
    if not database.is_postgres and _trial(database).exists():
        _trial(database).unlink()
        disk.sync_folder(_trial(database).parent)


def mark(tx: Transaction, epoch: int, *, now: int) -> None:
    """Note that every row lies under this epoch; it keeps the first such time."""
    insert_ignore(tx, EPOCH, [{"number": epoch}], ["number"])
    tx.execute(update(EPOCH).where(EPOCH.c.number == epoch, EPOCH.c.current_ms.is_(None)).values(current_ms=now))


def mark_first(tx: Transaction, epoch: int, *, now: int) -> None:
    """Note the first epoch of a keystore that has noted none yet."""
    if tx.execute(select(func.count()).select_from(EPOCH)).scalar_one() == 0:
        mark(tx, epoch, now=now)


def _trial(database: Database) -> Path:
    keystore = sqlite_path(database.url)
    return keystore.with_name(keystore.name + ".trial")


def _standing(tx: Transaction, alive: Sequence[int]) -> Standing:
    current, previous = _last_two(tx)
    since = tx.execute(select(EPOCH.c.current_ms).where(EPOCH.c.number == current)).scalar_one()
    retired = tx.execute(select(EPOCH.c.retired_ms).where(EPOCH.c.number == previous)).scalar()
    younger = [epoch for epoch in alive if epoch > current]
    counted = tx.execute(select(DEK.c.epoch, func.count().label("keys")).group_by(DEK.c.epoch)).all()
    return Standing(
        current=current,
        since_ms=since,
        previous=previous,
        is_retired=retired is not None,
        unfinished=younger[-1] if younger else None,
        old=[epoch for epoch in alive if epoch < current and epoch != previous],
        keys={row.epoch: row.keys for row in counted},
    )


def _last_two(tx: Transaction) -> tuple[int, int | None]:
    """The current epoch and the one before."""
    marked = select(EPOCH.c.number).where(EPOCH.c.current_ms.is_not(None)).order_by(EPOCH.c.number.desc()).limit(2)
    numbers = tx.execute(marked).scalars().all()
    return numbers[0], numbers[1] if len(numbers) > 1 else None


def _older(tx: Transaction, target: int) -> int:
    return int(tx.execute(select(func.count()).select_from(DEK).where(DEK.c.epoch < target)).scalar_one())


def _count(tx: Transaction) -> int:
    return int(tx.execute(select(func.count()).select_from(DEK)).scalar_one())


def _rewrap(tx: Transaction, epochs: Epochs, target: int, after: int) -> tuple[int, int]:
    """One page of older rows by id: how many, and where to go on; from the start again when there were none."""
    page = select(*_COLUMNS).where(DEK.c.epoch < target, DEK.c.id > after).order_by(DEK.c.id).limit(PAGE)
    found = tx.execute(row_lock(tx, page)).all()
    if not found:
        return 0, _BEFORE_ALL
    nonces = os.urandom(NONCE_BYTES * len(found))
    moved = [
        (target, _moved(epochs, row, target, nonces[at * NONCE_BYTES : (at + 1) * NONCE_BYTES]), row.id)
        for at, row in enumerate(found)
    ]
    mark = "%s" if tx.is_postgres else "?"  # by the driver: 5,000 rows at a third of what binding each of them costs
    tx.connection.exec_driver_sql(f"UPDATE dek SET epoch = {mark}, wrap = {mark} WHERE id = {mark}", moved)  # noqa: S608
    return len(found), found[-1].id


def _verify(tx: Transaction, epochs: Epochs, after: int) -> tuple[int, int]:
    page = select(*_COLUMNS).where(DEK.c.id > after).order_by(DEK.c.id).limit(PAGE)
    for row in (found := list(_wrapped(tx.execute(page).all()))):
        _open(epochs, row)
    return len(found), found[-1].dek_id if found else after


def _doom(tx: Transaction, epoch: int, *, now: int) -> None:
    insert_ignore(tx, EPOCH, [{"number": epoch}], ["number"])
    tx.execute(row_lock(tx, select(EPOCH.c.number).where(EPOCH.c.number == epoch)))
    if epoch >= _last_two(tx)[0]:
        raise _needed(epoch)
    if tx.execute(select(DEK.c.id).where(DEK.c.epoch == epoch).limit(1)).first() is not None:
        raise Conflict("epoch_in_use", f"Keys lie under epoch {epoch} again; nothing was destroyed. Rotate once more.")
    tx.execute(update(EPOCH).where(EPOCH.c.number == epoch, EPOCH.c.doomed_ms.is_(None)).values(doomed_ms=now))


def _note_retired(tx: Transaction, epoch: int, *, now: int) -> None:
    tx.execute(update(EPOCH).where(EPOCH.c.number == epoch, EPOCH.c.retired_ms.is_(None)).values(retired_ms=now))


def _refuse_needed(tx: Transaction, epoch: int) -> None:
    current, previous = _last_two(tx)
    doomed = tx.execute(select(EPOCH.c.doomed_ms).where(EPOCH.c.number == epoch)).scalar()
    if epoch >= current or epoch == previous or doomed is None:
        raise _needed(epoch)


def _needed(epoch: int) -> Conflict:
    return Conflict("epoch_needed", f"Epoch {epoch} is still needed; nothing was destroyed.")


def _moved(epochs: Epochs, row: Sealed, target: int, nonce: bytes) -> bytes:
    try:
        return epochs.rewrap(row, target, nonce)
    except ContentUnavailable:
        raise KeyDoesNotOpen(row.id) from None


def _open(epochs: Epochs, row: Wrapped) -> None:
    try:
        epochs.unwrap(row, row.scope, row.owner)
    except ContentUnavailable:
        raise KeyDoesNotOpen(row.dek_id) from None


def _wrapped(found: Sequence[Row[tuple[int, str, str, int, bytes, bytes, int]]]) -> Iterator[Wrapped]:
    for row in found:
        yield Wrapped(row.id, row.scope, row.owner, row.epoch, bytes(row.wrap), bytes(row.kcv), row.uses)
