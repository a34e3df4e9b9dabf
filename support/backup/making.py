"""Making a back-up while the shop is open: one moment of the data, then the sealed files it names, then a manifest.

Danger. A copy that names files it does not hold; a half-made folder that looks like a back-up; anything readable.

Principle. The data come first and are one moment; the files never change and outlive their row in the copy, save those
that were erased meanwhile, which are counted and not missed. Everything in it is ciphertext; the keystore is not in
it. The folder is made under a hidden name and gets its own when every byte has been synced; a stopped one is taken up
again by the same command.

Boundary. The ledger says that a back-up begins before it does. Before the folder gets its name the generation rises, so
that whoever puts the copy back, by whatever means, is noticed.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import func, select
from sqlmodel import SQLModel

from core import disk, generation, ledger
from core.database import Transaction
from core.engines import open_copy
from core.identity.callers import SYSTEM
from core.refusals import Unavailable
from core.report import Report
from core.services import Core
from media import holdings
from media.blobs import BlobStore, LocalBlobs
from support import migrating
from support.backup import manifest as manifests
from support.backup import places
from support.backup.manifest import DATA, MANIFEST, MEDIA, SIGNATURE, Entry, Manifest

COUNTED = ("conversation", "event", "person", "attachment", "order_record")


async def make(core: Core, blobs: BlobStore, folder: Path, report: Report, *, now: int) -> Manifest:
    """Write a back-up into a new folder. Raises: Conflict, Unavailable."""
    places.refuse_postgres(core.settings)
    store = places.local(blobs)
    part = await asyncio.to_thread(_prepare, folder)
    await core.database.write(_note, now=now)
    _, stones = await asyncio.to_thread(core.vault.age)
    await core.database.copy_to(part / DATA)
    moment = await asyncio.to_thread(_Moment.of, part / DATA)
    entries = [await asyncio.to_thread(_clear, part, moment.files)]
    for done, name in enumerate(moment.files, start=1):
        if entry := await asyncio.to_thread(_bring, store, name, part):
            entries.append(entry)
        report.progress("media", done, len(moment.files))
    made = Manifest(
        format=manifests.FORMAT,
        tenant=core.settings.tenant,
        created_ms=now,
        schema=moment.schema,
        generation=moment.generation,
        ledger_seq=moment.ledger[0],
        ledger_hash=moment.ledger[1].hex(),
        tombstones=stones,
        counts=moment.counts,
        missing_files=len(moment.files) + 1 - len(entries),
        entries=entries,
    )
    if not await generation.advance(core):
        raise Unavailable("data_behind", "These data are behind the keystore. Start again, so that this is settled.")
    await asyncio.to_thread(_publish, part, folder, manifests.sign(core.vault, made))
    return made


def _note(tx: Transaction, *, now: int) -> None:
    ledger.append(tx, caller=SYSTEM, action="backup.make", object=("backup", str(now)), reason="R-4.1.1", now=now)


class _Moment:
    """What the copied data say about themselves."""

    def __init__(self, tx: Transaction) -> None:
        tables = SQLModel.metadata.tables
        self.schema = migrating.current(tx.connection) or ""
        self.generation = generation.number(tx)
        self.ledger = ledger.end(tx)
        self.files = sorted(holdings.every_file(tx))
        self.counts = {
            name: int(tx.execute(select(func.count()).select_from(tables[name])).scalar_one()) for name in COUNTED
        }

    @classmethod
    def of(cls, file: Path) -> "_Moment":
        with open_copy(file).connect() as connection:
            return cls(Transaction(connection))


def _prepare(folder: Path) -> Path:
    """The hidden folder to work in: empty, or with the sealed files that an earlier attempt has brought."""
    places.refuse_beside_keys(folder)
    places.refuse_taken(folder)
    part = folder.with_name(f".{folder.name}.part")
    part.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (DATA, MANIFEST, SIGNATURE):
        (part / name).unlink(missing_ok=True)
    return part


def _clear(part: Path, files: Sequence[str]) -> Entry:
    """Take away what an earlier attempt brought and these data do not name; the entry of the data."""
    wanted = set(files)
    for found in list((part / MEDIA).rglob("*")):
        if found.is_file() and found.name not in wanted:
            found.unlink()
    return manifests.measure(part, DATA)


def _bring(store: LocalBlobs, name: str, part: Path) -> Entry | None:
    """Have a sealed file; None when it was erased after the moment of the data, whose row will then go too."""
    path = f"{MEDIA}/{name[:2]}/{name}"
    try:
        places.bring(store.path(name), part / path)
    except FileNotFoundError:
        return None
    return manifests.measure(part, path)


def _publish(part: Path, folder: Path, signed: tuple[bytes, bytes]) -> None:
    for name, content in zip((MANIFEST, SIGNATURE), signed, strict=True):
        disk.write(part / name, content)
    places.sync_tree(part)
    disk.move(part, folder)
