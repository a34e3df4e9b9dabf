"""Sweeping: uploads that were never sent, files without a row, rows without a file.

Danger. Deleting what a message needs. So an upload goes only after its period, when no message can claim it any more,
and a file only when it has had no row for a day, four times as long as the slowest upload may take.

Boundary. What is unclaimed is only named here; it ends as everything else does that expires. Each removal of a file
without a row is durable by itself.
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
    """How many files had no row, and the attachments whose file is missing."""

    orphans: int
    missing: tuple[str, ...]


async def sweep(media: Media, *, others: Sequence[Named] = (), now: int) -> Swept:
    """Take away what nobody can reach, the `others` who keep files here asked; report, and leave alone, what has lost
    its file."""
    orphans = await _sweep_orphans(media, [_with_row, *others], now=now)
    return Swept(orphans, await _missing(media))


def unclaimed(tx: Transaction, *, now: int, limit: int) -> list[Ref]:
    """Uploads that no message can claim any more, the oldest first; whoever ends them asks the holds first."""
    expired = TABLE.c.claimed_ms.is_(None) & (TABLE.c.expires_ms <= now)
    oldest = select(TABLE.c.id).where(expired).order_by(TABLE.c.expires_ms, TABLE.c.id).limit(limit)
    return [Ref(holdings.KIND, id_) for id_ in tx.execute(oldest).scalars()]


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
