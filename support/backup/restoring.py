"""Restoring: a back-up takes the place of the present data, which are set aside; then it is settled before it serves.

Danger. A restore under a running server; a back-up that was changed, is another shop's or another program's; a keystore
that is older than the back-up and has forgotten who was erased; a stop in the middle; the present data lost.

Principle. Nothing is touched before signature, schema, keystore and the hash of every file have been checked. To the
sealed files others only ever come; those that the back-up does not know get a second name, for the sweep will take
the first. The data change places in one planned step (`placing`). Then the house is opened as it always is: it
migrates, sees that its data are behind, and settles them (`settling`).

Boundary. Done again after any stop, it finishes what it began.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from core import disk, ledger
from core.database import DATA as DATA_PROFILE
from core.database import Transaction
from core.engines import SideLock, open_engine, sqlite_path
from core.refusals import Conflict, Unavailable
from core.report import Report
from core.settings import Settings
from core.vault.keystore import Vault
from media.blobs import LocalBlobs
from support import migrating
from support.backup import manifest as manifests
from support.backup import places, placing
from support.backup.manifest import DATA, Manifest
from support.backup.settling import Settled
from support.house import opened


@dataclass(frozen=True)
class Restored:
    """What was put back, from when, and where the data of before lie."""

    made_ms: int
    aside: Path | None
    settled: Settled


async def restore(settings: Settings, folder: Path, report: Report, *, now: int) -> Restored:
    """Put a back-up in place of the present data. Raises: Refusal, StartRefused; then nothing has changed."""
    places.refuse_postgres(settings)
    manifest, aside = await asyncio.to_thread(_place, settings, folder, report, now)
    await _tell_keystore(settings, await asyncio.to_thread(_ledger_end, aside))
    async with opened(settings) as house:
        assert house.settled is not None, "data that were put back are behind"
        return Restored(manifest.created_ms, aside if aside.exists() else None, house.settled)


def _ledger_end(aside: Path) -> tuple[int, bytes]:
    """How far the ledger of the data of before went; they may be the very data that are damaged."""
    if not aside.exists():
        return 0, b""
    engine = open_engine(f"sqlite:///{aside}", DATA_PROFILE, writes=False)
    try:
        with engine.connect() as connection:
            return ledger.end(Transaction(connection))
    except DBAPIError:
        return 0, b""
    finally:
        engine.dispose()


async def _tell_keystore(settings: Settings, end: tuple[int, bytes]) -> None:
    """Let the keystore know the true end of what was lost: by itself it knows it to the minute."""
    vault = await asyncio.to_thread(Vault.open, settings)
    try:
        known = await vault.anchor()
        if end[0] > known.ledger_seq:
            await vault.remember(replace(known, number=known.number + 1, ledger_seq=end[0], ledger_hash=end[1]))
    finally:
        await asyncio.to_thread(vault.close)


def _place(settings: Settings, folder: Path, report: Report, now: int) -> tuple[Manifest, Path]:
    name = f"{datetime.fromtimestamp(now / 1000, UTC):%Y%m%d-%H%M%S}-{now % 1000:03}"
    places.refuse_taken(placing.set_aside(settings, name))
    lock = _locked(settings)
    try:
        if (settings.data / placing.PLAN).exists():
            placing.carry_out(settings)  # what an earlier attempt began; this one begins anew from there
        manifest = _checked(settings, folder)
        _stage(settings, folder, manifest, name, report)
        placing.plan(settings, name)
        placing.carry_out(settings)
    finally:
        lock.release()
    return manifest, placing.set_aside(settings, name)


def _locked(settings: Settings) -> SideLock:
    lock = SideLock(settings.database_url)
    try:
        lock.take()
    except Unavailable:
        raise Conflict("running", "A server has these data open. Stop it, then restore. Nothing was changed.") from None
    return lock


def _checked(settings: Settings, folder: Path) -> Manifest:
    """The manifest of a back-up that may be put back here. Raises: Refusal, StartRefused."""
    if settings.keystore_url.startswith("sqlite") and not sqlite_path(settings.keystore_url).exists():
        raise Conflict(
            "no_keystore",
            "There is no keystore here, and without it nothing in the back-up opens. Put back the newest copy of the "
            "keystore and the key folders first. Nothing was changed.",
        )
    vault = Vault.open(settings)
    try:
        manifest = manifests.read(folder, vault, tenant=settings.tenant)
        anchor, stones = vault.age()
    finally:
        vault.close()
    migrating.refuse_newer(manifest.schema)
    if anchor.number <= manifest.generation or stones < manifest.tombstones:
        raise Conflict(
            "keystore_older",
            "The keystore is older than this back-up: it has forgotten keys and erasures that the back-up depends on. "
            "Put back a copy of the keystore that was made after the back-up, or restore an older back-up. Nothing was "
            "changed.",
        )
    return manifest


def _stage(settings: Settings, folder: Path, manifest: Manifest, name: str, report: Report) -> None:
    """Check every byte, bring the files, and lay the data beside the present ones."""
    store = LocalBlobs.open(settings)
    for done, entry in enumerate(manifest.entries, start=1):
        manifests.refuse_changed(folder, entry)
        report.progress("checked", done, len(manifest.entries))
    for done, entry in enumerate(manifest.blobs, start=1):
        places.bring(folder / entry.name, store.path(manifests.blob_name(entry)))
        report.progress("media", done, len(manifest.blobs))
    beside = store.folder / f".before-{name}"
    known = {manifests.blob_name(entry) for entry in manifest.blobs}
    for blob in _blobs(store):
        if blob.name not in known:
            places.bring(blob, beside / blob.parent.name / blob.name)
    places.sync_tree(store.folder)
    target = placing.staged(settings)
    target.unlink(missing_ok=True)
    places.copy(folder / DATA, target)
    disk.sync_folder(target.parent)


def _blobs(store: LocalBlobs) -> Iterator[Path]:
    for shelf in sorted(store.folder.iterdir()):
        if shelf.is_dir() and not shelf.name.startswith("."):
            yield from (path for path in sorted(shelf.iterdir()) if not path.name.startswith("."))
