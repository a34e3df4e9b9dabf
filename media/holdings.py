"""What media keeps about people: the pictures they sent, until their period ends, they ask, or their conversation goes.

Files go before rows: a row whose file is gone is finished by the next sweep, a file whose row is gone would be found
only by the orphan scan. Keys belong to the conversation and are destroyed with it.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from sqlalchemy import delete, func, select, update

from core.database import Transaction
from core.holdings import CopyFile, Copying, Due, Held, Holding, Omitted, Part, Ref
from core.policy import Policy
from media import records
from media.models import Attachment
from media.uploads import TABLE, Media

KIND: Final = "attachment"
IMPERSONAL: Final[dict[str, str]] = {}


def holding(media: Media) -> Holding:
    """The attachments of everybody."""

    async def remove_files(names: Sequence[str]) -> None:
        for name in names:
            await media.blobs.delete(name)

    return Holding(
        name="attachments",
        title="Pictures you sent and received",
        clause="2(4)",
        tables=("attachment",),
        classes=("media_original", "unclaimed_upload"),
        kinds=(KIND,),
        due=due,
        of=of,
        within=within,
        around=around,
        hide=hide,
        files=files,
        remove_files=remove_files,
        erase=erase,
        export=partial(export, media),
        live=live,
    )


def due(tx: Transaction, _policy: Policy, *, now: int, limit: int) -> list[Due]:
    """Those whose period has ended, the oldest first."""
    columns = (TABLE.c.id, TABLE.c.owner, TABLE.c.retention_class, TABLE.c.expires_ms)
    ended = select(*columns).where(TABLE.c.expires_ms <= now).order_by(TABLE.c.expires_ms, TABLE.c.id).limit(limit)
    return [Due(Ref(KIND, row.id), row.owner, row.retention_class, row.expires_ms) for row in tx.execute(ended)]


def of(tx: Transaction, _policy: Policy, subject: str) -> list[Held]:
    """Everything in this subject's conversations."""
    found = tx.execute(select(TABLE.c.id).where(TABLE.c.owner == subject).order_by(TABLE.c.created_ms))
    return [Held(Ref(KIND, id_)) for id_ in found.scalars()]


def within(tx: Transaction, scopes: Sequence[str]) -> list[Ref]:
    """Everything in these conversations."""
    found = tx.execute(select(TABLE.c.id).where(TABLE.c.scope.in_(scopes)))
    return [Ref(KIND, id_) for id_ in found.scalars()]


def around(tx: Transaction, refs: Sequence[Ref]) -> list[str]:
    """The conversations under whose keys these are sealed."""
    return list(tx.execute(select(TABLE.c.scope).where(TABLE.c.id.in_(_ids(refs))).distinct()).scalars())


def hide(tx: Transaction, refs: Sequence[Ref], *, now: int) -> None:
    """Expired is not there for any reader, and 0 is past for every clock: a claim on its way cannot bring it back."""
    tx.execute(update(TABLE).where(TABLE.c.id.in_(_ids(refs))).values(expires_ms=0))


def files(tx: Transaction, refs: Sequence[Ref]) -> list[str]:
    """The three blobs of each."""
    found = tx.execute(
        select(TABLE.c.original_blob, TABLE.c.view_blob, TABLE.c.thumb_blob).where(TABLE.c.id.in_(_ids(refs)))
    )
    return [name for row in found for name in row]


def every_file(tx: Transaction) -> Iterator[str]:
    """The name of every blob that a row knows."""
    for row in tx.execute(select(TABLE.c.original_blob, TABLE.c.view_blob, TABLE.c.thumb_blob)):
        yield from row


def erase(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
    """Delete the rows."""
    gone = tx.execute(delete(TABLE).where(TABLE.c.id.in_(_ids(refs))).returning(TABLE.c.id))
    return len(gone.all())


def live(tx: Transaction) -> int:
    """How many there are."""
    return int(tx.execute(select(func.count()).select_from(TABLE)).scalar_one())


def export(media: Media, copying: Copying) -> Iterator[Part]:
    """Her own originals, and what others sent her as it was shown: their metadata is about third persons.

    What she took back herself is still hers to have; what was redacted, or taken back by others, is not.
    """
    is_hers_to_have = TABLE.c.withdrawn.is_(None) | (
        (TABLE.c.withdrawn == "retracted") & (TABLE.c.uploader == TABLE.c.owner)
    )
    hers = select(TABLE).where(TABLE.c.owner == copying.subject).order_by(TABLE.c.created_ms, TABLE.c.id)
    sent = TABLE.c.claimed_ms.is_not(None)
    for what, left_out in (("withdrawn_files", sent & ~is_hers_to_have), ("unsent_files", ~sent)):
        if count := len(copying.tx.execute(hers.where(left_out)).all()):
            yield Omitted(what, count)
    for values in copying.tx.execute(hers.where(sent, is_hers_to_have)).mappings():
        row = Attachment(**values)
        key = copying.vault.key(row.dek_id, scope=row.scope, owner=row.owner)
        record = media.record(row, key)
        variant = records.copied_variant(row)
        content = partial(media.plain, row, key, variant, record.size_of(variant))
        yield CopyFile(
            records.file_name(row.id, record.type_of(variant)), record.type_of(variant), content, record.name
        )


def _ids(refs: Sequence[Ref]) -> list[str]:
    return [ref.id for ref in refs if ref.kind == KIND]
