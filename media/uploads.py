"""Uploads: a picture comes in as a stream and is sealed as it comes; a row appears only when everything stands.

Danger. Plaintext on the disk, a body without an end, a sender who trickles, a retry that makes two attachments, a row
whose file is not there.

Principle. Each chunk is sealed in memory as it arrives; the plaintext never touches a file and is never whole in this
process (the decoding child reads it back chunk by chunk from the sealed file). Everything is counted while it streams.
An upload id stands for one attachment of its uploader for ever: the same again gives the same, another file a conflict.

Boundary. Files first, synced; then the row, in one transaction. Whatever fails before that removes its files, and what
a crash leaves is a blob without a row, which the sweep takes. Claiming is part of the message's own transaction.
"""

import hmac
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select, update

from core import ids
from core.clock import DAY
from core.database import Transaction, insert_ignore
from core.refusals import Conflict, Invalid, NotFound, TooMany
from core.services import Core
from core.vault import stream
from core.vault.keys import DataKey
from media import intake, names, records
from media.blobs import PIECE, BlobStore
from media.decoding import Decoder
from media.models import Attachment
from media.records import Record
from media.sealing import Original, opened, sealed
from media.types import FileType

TABLE: Final = Attachment.__table__  # type: ignore[attr-defined]  # SQLModel makes it


@dataclass(frozen=True)
class Upload:
    """What the sender says about a file before its bytes."""

    upload_id: str
    scope: str
    key: DataKey
    uploader: str
    owner: str
    declared_name: str
    declared_type: str
    declared_size: int | None


Claimed = dict[str, object]


class Media:
    """Receives, keeps and gives out sealed files."""

    def __init__(
        self, core: Core, blobs: BlobStore, *, decoder: Decoder | None = None, allowance: intake.Allowance | None = None
    ) -> None:
        self.core = core
        self.blobs = blobs
        self.tenant = core.settings.tenant
        self._decoder = decoder or Decoder()
        self._allowance = allowance or intake.Allowance()
        self._under_way: dict[str, int] = {}

    async def receive(
        self,
        stream: AsyncIterator[bytes],
        *,
        upload_id: str,
        scope: str,
        key: DataKey,
        uploader: str,
        declared_name: str,
        declared_size: int | None,
        now: int,
        declared_type: str = "",
        owner: str | None = None,
    ) -> Attachment:
        """The attachment of this upload, made now or earlier; `owner` is whose key it is, if not the uploader's.

        Raises: Unsupported, TooLarge, TooMany, TooSlow, Invalid, Conflict, Unavailable.
        """
        if not 8 <= len(upload_id) <= 64 or not upload_id.replace("-", "").isalnum() or not upload_id.isascii():
            raise Invalid("upload_id", "That upload has no usable number.")
        if declared_size is not None and declared_size > self._allowance.image_bytes:
            raise intake.too_large()
        upload = Upload(
            upload_id, scope, key, uploader, owner or uploader, declared_name, declared_type[:100], declared_size
        )
        self._enter(uploader)
        try:
            counted = intake.counted(stream, declared_size, self._allowance)
            async with aclosing(counted):
                return await self._receive(counted, upload, now)
        finally:
            self._leave(uploader)

    def claim(self, tx: Transaction, attachment_id: str, *, scope: str, uploader: str, now: int) -> Claimed:
        """Make an upload part of a message, once, and return its public facts. Raises: NotFound, Conflict."""
        row = tx.session.get(Attachment, attachment_id, with_for_update=tx.is_postgres or None)
        if row is None or row.scope != scope or row.uploader != uploader or row.expires_ms <= now:
            raise NotFound
        claimed = tx.execute(
            update(TABLE)
            .where(TABLE.c.id == row.id, TABLE.c.claimed_ms.is_(None), TABLE.c.expires_ms > now)
            .values(
                claimed_ms=now,
                retention_class="media_original",
                expires_ms=self.core.policy.expires_ms("media_original", row.created_ms),
            )
            .returning(TABLE.c.id)
        )
        if claimed.first() is None:
            raise Conflict("already_sent", "This picture has been sent already.")
        key = self.core.vault.key(row.dek_id, scope=row.scope, owner=row.owner)
        return records.facts(row, self.record(row, key))

    def record(self, row: Attachment, key: DataKey) -> Record:
        """What is known about the file. Raises: ContentUnavailable."""
        return records.unseal(self.tenant, row, key)

    def facts(self, row: Attachment, key: DataKey) -> Claimed:
        """What may be told to whoever may see it."""
        return records.facts(row, self.record(row, key))

    def re_own(self, tx: Transaction, *, scope: str, owner: str, new_owner: str) -> None:
        """Follow the key of a scope that was given to a new owner: a guest who has said who she is."""
        tx.execute(update(TABLE).where(TABLE.c.scope == scope, TABLE.c.uploader == owner).values(uploader=new_owner))
        tx.execute(update(TABLE).where(TABLE.c.scope == scope, TABLE.c.owner == owner).values(owner=new_owner))

    def plain(
        self, row: Attachment, key: DataKey, variant: str, total: int, span: tuple[int, int] | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The plain bytes of one of its files, chunk by chunk. Raises: ContentUnavailable, NotFound."""
        start, stop = span or (0, total)
        context = records.context(self.tenant, row.scope, row.id, variant)
        return opened(self.blobs, records.blob(row, variant), key, context, stream.span(total, start, stop))

    # ------------------------------------------------------------ receiving

    async def _receive(self, counted: AsyncGenerator[bytes, None], upload: Upload, now: int) -> Attachment:
        head = await intake.head(counted)
        earlier = await self.core.database.read(_earlier, upload.uploader, upload.upload_id)
        if earlier is not None:
            return await self._same(earlier, upload, intake.whole(head, counted))
        known = intake.picture(head)
        await self.core.limits.spend("upload.person", upload.uploader)
        await self._check_quota(upload.uploader)
        row = _row(upload, known, now, self.core.policy.expires_ms("unclaimed_upload", now))
        async with AsyncExitStack() as undoing:
            for name in (row.original_blob, row.view_blob, row.thumb_blob):
                undoing.push_async_callback(self.blobs.delete, name)
            original = await self._store(row, upload, known, intake.whole(head, counted))
            kept = await self.core.database.write(_keep, row)
            if kept.id == row.id:
                undoing.pop_all()
                return kept
        return self._unless_other(kept, upload, original.sha256)  # the same upload came twice at once

    async def _store(
        self, row: Attachment, upload: Upload, known: FileType, content: AsyncGenerator[bytes, None]
    ) -> Original:
        """Seal the original as it comes, have it decoded, seal what came of it, and fill in the row."""
        key, original = upload.key, Original()
        stored = await self.blobs.create(
            row.original_blob, sealed(key, self._context(row, "original"), original.counting(content))
        )
        reworked = await self._decoder.rework(self.plain(row, key, "original", original.size), known)
        head = reworked.head
        stored += await self.blobs.create(
            row.view_blob, sealed(key, self._context(row, "view"), _pieces(reworked.view))
        )
        stored += await self.blobs.create(
            row.thumb_blob, sealed(key, self._context(row, "thumb"), _pieces(reworked.thumb))
        )
        row.stored_bytes = stored
        row.record_sealed = records.seal(
            self.tenant,
            row,
            key,
            Record(
                name=names.clean(upload.declared_name, known),
                declared_type=upload.declared_type,
                type=known.media_type,
                size=original.size,
                sha256=original.sha256,
                width=head.width,
                height=head.height,
                frames=head.frames,
                taken=head.taken,
                shown_type=head.media_type,
                view_size=head.view,
                thumb_size=head.thumb,
                placeholder=head.placeholder,
            ),
        )
        return original

    async def _same(self, earlier: Attachment, upload: Upload, content: AsyncGenerator[bytes, None]) -> Attachment:
        """A retry: read it to its end and give the attachment it made before."""
        original = Original()
        async with aclosing(original.counting(content)) as pieces:
            async for _ in pieces:
                pass
        return self._unless_other(earlier, upload, original.sha256)

    def _unless_other(self, earlier: Attachment, upload: Upload, sha256: bytes) -> Attachment:
        if earlier.scope != upload.scope or not hmac.compare_digest(self.record(earlier, upload.key).sha256, sha256):
            raise Conflict("upload_reused", "Another file was sent under this upload's number.")
        return earlier

    async def _check_quota(self, uploader: str) -> None:
        stored = await self.core.database.read(_stored_bytes, uploader)
        if stored + self._allowance.image_bytes > self._allowance.stored_bytes:
            raise TooMany(DAY, "quota", "You have sent as many files as we can keep for you.")

    def _context(self, row: Attachment, variant: str) -> bytes:
        return records.context(self.tenant, row.scope, row.id, variant)

    def _enter(self, uploader: str) -> None:
        if self._under_way.get(uploader, 0) >= self._allowance.at_once:
            raise TooMany(1_000, "uploads_at_once", "Please wait until your other files have been sent.")
        self._under_way[uploader] = self._under_way.get(uploader, 0) + 1

    def _leave(self, uploader: str) -> None:
        self._under_way[uploader] -= 1
        if not self._under_way[uploader]:
            del self._under_way[uploader]


def withdraw(tx: Transaction, attachment_id: str, *, how: str) -> None:
    """Show a file to nobody from now on, though it stays sealed for its period; `how` is "retracted" or "redacted"."""
    tx.execute(update(TABLE).where(TABLE.c.id == attachment_id).values(withdrawn=how))


async def _pieces(content: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


def _row(upload: Upload, known: FileType, now: int, expires_ms: int) -> Attachment:
    return Attachment(
        id=ids.new(),
        upload_id=upload.upload_id,
        uploader=upload.uploader,
        owner=upload.owner,
        scope=upload.scope,
        dek_id=upload.key.id,
        kind=known.kind,
        retention_class="unclaimed_upload",
        record_sealed=b"",
        original_blob=ids.new(),
        view_blob=ids.new(),
        thumb_blob=ids.new(),
        stored_bytes=0,
        created_ms=now,
        expires_ms=expires_ms,
    )


def _earlier(tx: Transaction, uploader: str, upload_id: str) -> Attachment | None:
    found = tx.execute(select(TABLE).where(TABLE.c.uploader == uploader, TABLE.c.upload_id == upload_id)).mappings()
    row = found.first()
    return None if row is None else Attachment(**row)


def _keep(tx: Transaction, row: Attachment) -> Attachment:
    """The row, or the one that the same upload made a moment earlier."""
    assert row.record_sealed
    insert_ignore(tx, TABLE, [row.model_dump()], ["uploader", "upload_id"])
    kept = _earlier(tx, row.uploader, row.upload_id)
    assert kept is not None
    return kept


def _stored_bytes(tx: Transaction, uploader: str) -> int:
    total = tx.execute(select(func.sum(TABLE.c.stored_bytes)).where(TABLE.c.uploader == uploader)).scalar()
    return int(total or 0)
