"""Sweeping: uploads that were never sent, files without a row, rows without a file.

Danger. Deleting what a message needs. So an upload goes only after its period, when no message can claim it any more,
and a file only when it has had no row for a day, four times as long as the slowest upload may take.

Boundary. Files go first, each removal durable, then the rows in one transaction; stopped in between, the next sweep
finishes it, for an expired row is hidden already.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import or_, select

from core.clock import DAY
from core.database import Transaction
from core.holdings import Ref
from core.refusals import NotFound
from media import holdings
from media.uploads import TABLE, Media

ORPHAN_AGE_MS: Final = DAY
BATCH: Final = 200

Named = Callable[[Transaction, list[str]], set[str]]
"""Which of these files a room knows."""


@dataclass(frozen=True)
class Swept:
    """How many uploads were let go, how many files had no row, and the attachments whose file is missing."""

    unclaimed: int
    orphans: int
    missing: tuple[str, ...]


async def sweep(media: Media, *, others: Sequence[Named] = (), now: int) -> Swept:
    """Take away what nobody can reach, the `others` who keep files here asked; report what has lost its file."""
    unclaimed = await _sweep_unclaimed(media, now=now)
    orphans = await _sweep_orphans(media, [_with_row, *others], now=now)
    return Swept(unclaimed, orphans, await _missing(media))


async def _sweep_unclaimed(media: Media, *, now: int) -> int:
    swept = 0
    while refs := await media.core.database.read(_unclaimed, now=now):
        for name in await media.core.database.read(holdings.files, refs):
            await media.blobs.delete(name)
        swept += await media.core.database.write(holdings.erase, refs, now=now)
    return swept


def _unclaimed(tx: Transaction, *, now: int) -> list[Ref]:
    expired = select(TABLE.c.id).where(TABLE.c.claimed_ms.is_(None), TABLE.c.expires_ms <= now).limit(BATCH)
    return [Ref(holdings.KIND, id_) for id_ in tx.execute(expired).scalars()]


async def _sweep_orphans(media: Media, named: Sequence[Named], *, now: int) -> int:
    removed = 0
    batch: list[str] = []
    async for name in media.blobs.names(before_ms=now - ORPHAN_AGE_MS):
        batch.append(name)
        if len(batch) == BATCH:
            removed += await _remove_orphans(media, named, batch)
            batch = []
    return removed + await _remove_orphans(media, named, batch)


async def _remove_orphans(media: Media, named: Sequence[Named], names: list[str]) -> int:
    orphans = set(names)
    for knows in named:
        orphans -= await media.core.database.read(knows, names)
    for name in orphans:
        await media.blobs.delete(name)
    return len(orphans)


def _with_row(tx: Transaction, names: list[str]) -> set[str]:
    columns = (TABLE.c.original_blob, TABLE.c.view_blob, TABLE.c.thumb_blob)
    rows = tx.execute(select(*columns).where(or_(*(column.in_(names) for column in columns))))
    return {name for row in rows for name in row}


async def _missing(media: Media) -> tuple[str, ...]:
    missing: list[str] = []
    after = ""
    while rows := await media.core.database.read(_page, after):
        for attachment_id, *names in rows:
            after = attachment_id
            if not await _all_there(media, names):
                missing.append(attachment_id)
    return tuple(missing)


def _page(tx: Transaction, after: str) -> list[tuple[str, ...]]:
    columns = (TABLE.c.id, TABLE.c.original_blob, TABLE.c.view_blob, TABLE.c.thumb_blob)
    page = select(*columns).where(TABLE.c.id > after).order_by(TABLE.c.id).limit(BATCH)
    return [tuple(row) for row in tx.execute(page)]


async def _all_there(media: Media, names: list[str]) -> bool:
    try:
        for name in names:
            await media.blobs.size(name)
    except NotFound:
        return False
    return True
