"""Copies of the keystore: a ring of days, apart from the data.

Danger. A copy of the keystore holds the keys of everything that is erased after it was made. Kept for long, or beside
the data, it undoes every erasure; lost together with the keystore, everything is lost.

Principle. A copy is marked as one and with the hour it was made, both in its own header. It goes where no data lie; and
whenever a copy is made, the copies of the same keystore in that folder that are past the period of the policy go
(clause 5(1)3). The keys inside stay wrapped: the key folder is not in it.

Boundary. The new copy stands, synced, before an old one goes.
"""

import asyncio
import sqlite3
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from core import clock, disk
from core.engines import open_copy
from core.refusals import Conflict
from core.services import Core
from core.settings import Settings
from core.vault.models import KEYSTORE
from support.backup import places

_MADE = slice(60, 64)  # SQLite's `user_version`: minutes since 1970


async def copy(core: Core, file: Path, *, now: int) -> list[Path]:
    """Write a copy of the keystore to a new file; returns the copies in its folder whose time was over, now gone."""
    if core.settings.keystore_url.startswith("postgresql"):
        raise Conflict(
            "keystore_postgres",
            "This keystore lies in PostgreSQL: use `pg_dump --format=custom --file=keys.dump DATABASE`, keep it apart "
            f"from the data, and delete it after {core.policy.days('key_backup')} days.",
        )
    part = await asyncio.to_thread(_prepare, core.settings, file)
    await core.vault.copy_to(part)
    await asyncio.to_thread(_publish, part, file, now)
    return await asyncio.to_thread(_turn, file, now - core.policy.days("key_backup") * clock.DAY)


def _prepare(settings: Settings, file: Path) -> Path:
    places.refuse_beside_data(file, settings)
    places.refuse_taken(file)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    return part


def _publish(part: Path, file: Path, now: int) -> None:
    marking = sqlite3.connect(part, isolation_level=None)
    marking.execute("PRAGMA journal_mode=MEMORY")
    marking.execute(f"PRAGMA application_id={places.KEYS_MARK}")
    marking.execute(f"PRAGMA user_version={now // clock.MINUTE}")
    marking.close()
    disk.sync_file(part)
    disk.move(part, file)


def _turn(newest: Path, before_ms: int) -> list[Path]:
    """Delete the copies of the same keystore that were made before this time."""
    mine = _keystore(newest)
    over = [
        path
        for path in sorted(newest.parent.iterdir())
        if path.is_file() and places.is_keys(path) and _made_ms(path) < before_ms and _keystore(path) == mine
    ]
    for path in (*over, *_left(newest.parent, before_ms)):
        path.unlink()
    disk.sync_folder(newest.parent)
    return over


def _left(folder: Path, before_ms: int) -> list[Path]:
    """Half-made copies that a stop has left: they bear no mark and no hour of ours, and hold keys all the same."""
    return [
        path
        for path in sorted(folder.glob(".*.part"))
        if path.stat().st_mtime_ns < before_ms * 1_000_000 and path.read_bytes()[:15] == b"SQLite format 3"
    ]


def _made_ms(path: Path) -> int:
    with path.open("rb") as file:
        return int.from_bytes(file.read(100)[_MADE], "big") * clock.MINUTE


def _keystore(path: Path) -> str | None:
    """Which keystore a copy is of."""
    try:
        with open_copy(path).connect() as connection:
            return connection.execute(select(KEYSTORE.c.id)).scalar()
    except DBAPIError:
        return None
