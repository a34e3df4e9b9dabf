"""Archives: a person's copy as a job makes it, sealed as it is written, given out a few times and then gone.

Danger. The one file that holds in the clear what everywhere else is sealed: on a disk, in a temporary file, in the
hands of whoever found an open sign-in, or kept for ever because nobody remembered it.

Principle. The archive is sealed chunk by chunk while it is drawn, under a data key of its own, and lies as a media
file; its plaintext is never whole anywhere. It is given out to the person herself, freshly proven, as often as the
policy allows, and lives as long as its class; then its key is destroyed (clause 5(1)2).

Boundary. The key first, then row and job in one transaction; a job that is repeated removes what it had written and
begins again. A download is counted and entered in the ledger before its first byte.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sqlmodel import col, select, update

from core import clock, ids, jobs, ledger
from core.database import Transaction
from core.holdings import Holding
from core.identity.callers import Caller
from core.refusals import Conflict, NotFound, Refusal
from core.report import Collected
from core.services import Core
from core.vault import envelope, stream
from core.vault.keys import DataKey
from media.blobs import PIECE
from media.sealing import Original, opened, sealed
from media.uploads import Media
from support.mydata import wishes
from support.mydata.models import CopyArchive
from support.privacy import copies
from support.privacy.packing import Summed
from support.rights.models import Kind

JOB: Final = "mydata.copy"
KEPT_AS: Final = "export_file"
ASKED, READY = "asked", "ready"
MADE: Final = "Your copy is ready. Sign in and fetch it there."
LAST_DOWNLOAD_MS: Final = clock.HOUR  # the last one must have time to arrive before its key goes


@dataclass(frozen=True)
class Download:
    """A copy on its way to its owner; `left` says how often she may fetch it again."""

    size: int
    created_ms: int
    left: int
    pieces: AsyncGenerator[bytes, None]


async def ask(core: Core, caller: Caller, locale: str, *, now: int) -> CopyArchive:
    """Have a copy made for the caller. Raises: Conflict, while one is being made or still to be had."""
    if await core.database.read(_standing, caller.ref, now=now):
        raise _there()
    wish = await wishes.hear(core, caller, Kind.COPY, locale, now=now)
    return await _keep(core, caller, caller.ref, locale, wish.id, now=now)


async def order(core: Core, caller: Caller, subject: str, locale: str, *, now: int) -> CopyArchive:
    """Have a copy made for a person whose request the caller decides, who answers it, too; only she can fetch it.

    Raises: Conflict, while one is being made or still to be had.
    """
    return await _keep(core, caller, subject, locale, None, now=now)


async def _keep(
    core: Core, caller: Caller, subject: str, locale: str, request_id: str | None, *, now: int
) -> CopyArchive:
    archive_id = ids.new()
    key = await core.vault.create(archive_id, subject)
    row = CopyArchive(
        id=archive_id,
        subject=subject,
        dek_id=key.id,
        blob=ids.new(),
        state=ASKED,
        locale=locale,
        created_ms=now,
        expires_ms=core.policy.expires_ms(KEPT_AS, now),
        downloads_left=core.policy.number("copy_downloads"),
        request_id=request_id,
    )
    try:
        return await core.database.write(_ask, core, row, caller, now=now)
    except Refusal:  # only then is it certain that nothing stands
        await core.vault.destroy([key.id], reason="unused")
        raise


async def make(media: Media, holdings: Sequence[Holding], archive_id: str, *, now: int) -> None:
    """Draw and seal the archive; does nothing for one that is gone or ready."""
    core = media.core
    row = await core.database.read(_one, archive_id, now=now)
    if row is None or row.state != ASKED:
        return
    request, summed, original = copies.Request(row.subject, row.locale), Summed(), Original()
    _, drawn = await copies.begin(core, holdings, request, Collected(), summed, now=now)
    await media.blobs.delete(row.blob)
    pieces = original.counting(_gathered(drawn))
    await media.blobs.create(row.blob, sealed(_key(core, row), _context(core, row), pieces))
    await core.database.write(_ready, core, row, original.size, summed.manifest_sha256, now=now)


async def fetch(media: Media, caller: Caller, archive_id: str, *, now: int) -> Download:
    """Count a download and begin it. Raises: NotFound, when it is not hers, not ready, spent or over."""
    core = media.core
    row = await core.database.write(_count, caller, archive_id, now=now)
    span = stream.span(row.size, 0, row.size)
    pieces = opened(media.blobs, row.blob, _key(core, row), _context(core, row), span)
    return Download(row.size, row.created_ms, row.downloads_left, pieces)


def of(tx: Transaction, subject: str, *, now: int) -> Sequence[CopyArchive]:
    """Her copies that are being made or can still be fetched, the newest first."""
    hers = select(CopyArchive).where(CopyArchive.subject == subject, col(CopyArchive.expires_ms) > now)
    return tx.session.exec(hers.order_by(col(CopyArchive.created_ms).desc())).all()


def named(tx: Transaction, names: Sequence[str]) -> set[str]:
    """Which of these files in the media store are copies, so that the sweep of orphans leaves them alone."""
    return set(tx.session.exec(select(CopyArchive.blob).where(col(CopyArchive.blob).in_(names))))


def _standing(tx: Transaction, subject: str, *, now: int) -> bool:
    return any(row.downloads_left for row in of(tx, subject, now=now))


def _there() -> Conflict:
    return Conflict("copy_there", "There is a copy already. Fetch that one, or wait until its time is over.")


def _ask(tx: Transaction, core: Core, row: CopyArchive, caller: Caller, *, now: int) -> CopyArchive:
    if _standing(tx, row.subject, now=now):
        raise _there()
    if row.request_id is not None:
        wishes.prove(tx, core, caller, row.request_id, now=now)
    tx.session.add(row)
    jobs.enqueue(tx, JOB, {"archive": row.id}, run_ms=now, key=row.id)
    _note(tx, caller, "copy.ask", row, "ok", now=now)
    tx.session.flush()
    tx.session.expunge(row)
    return row


def _ready(tx: Transaction, core: Core, row: CopyArchive, size: int, manifest_sha256: bytes, *, now: int) -> None:
    """The row may have been erased meanwhile; then the file is an orphan and the sweep takes it."""
    values = {"state": READY, "size": size, "manifest_sha256": manifest_sha256, "ready_ms": now}
    is_wanted = (col(CopyArchive.id) == row.id) & (col(CopyArchive.expires_ms) > 0)
    if tx.execute(update(CopyArchive).where(is_wanted).values(values).returning(col(CopyArchive.id))).all():
        wishes.grant(tx, core, row.request_id, MADE, now=now)


def _count(tx: Transaction, caller: Caller, archive_id: str, *, now: int) -> CopyArchive:
    """One download less, by one statement, so that no two can both be the last."""
    left = col(CopyArchive.downloads_left)
    is_hers = (col(CopyArchive.id) == archive_id) & (col(CopyArchive.subject) == caller.ref)
    is_there = (col(CopyArchive.state) == READY) & (col(CopyArchive.expires_ms) > now) & (left > 0)
    counted = update(CopyArchive).where(is_hers, is_there).values(downloads_left=left - 1)
    if not tx.execute(counted.returning(col(CopyArchive.id))).all():
        raise NotFound
    row = tx.session.get_one(CopyArchive, archive_id)
    if not row.downloads_left:
        row.expires_ms = min(row.expires_ms, now + LAST_DOWNLOAD_MS)
    tx.session.add(row)
    _note(tx, caller, "copy.fetch", row, f"left-{row.downloads_left}", now=now)
    tx.session.flush()
    tx.session.expunge(row)
    return row


def _note(tx: Transaction, caller: Caller, action: str, row: CopyArchive, result: str, *, now: int) -> None:
    about = ("copy", row.id)
    ledger.append(
        tx, caller=caller, action=action, object=about, purpose="P1_LEGAL", reason="R-5.1.2a", result=result, now=now
    )


def _one(tx: Transaction, archive_id: str, *, now: int) -> CopyArchive | None:
    found = select(CopyArchive).where(CopyArchive.id == archive_id, col(CopyArchive.expires_ms) > now)
    row = tx.session.exec(found).first()
    if row is not None:
        tx.session.expunge(row)
    return row


def _key(core: Core, row: CopyArchive) -> DataKey:
    return core.vault.key(row.dek_id, scope=row.id, owner=row.subject)


def _context(core: Core, row: CopyArchive) -> bytes:
    return envelope.attachment_context(core.settings.tenant, row.id, row.id, "copy")


async def _gathered(drawn: Iterator[bytes]) -> AsyncGenerator[bytes, None]:
    """What a thread draws, a quarter of a megabyte at a time."""
    while piece := await asyncio.to_thread(_draw, drawn):
        yield piece


def _draw(drawn: Iterator[bytes]) -> bytes:
    gathered = bytearray()
    for piece in drawn:
        gathered += piece
        if len(gathered) >= PIECE:
            break
    return bytes(gathered)
