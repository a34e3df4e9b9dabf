"""What "My data" keeps about people: copies made for them, processing they stopped, deletions they asked for."""

from collections.abc import Iterator, Sequence

from sqlalchemy import delete, select, update
from sqlmodel import SQLModel

from core.database import Transaction
from core.holdings import Copying, Due, Held, Holding, Omitted, Part, Record, Ref
from core.policy import Policy
from media.uploads import Media
from support.mydata import models
from support.mydata.archives import KEPT_AS

assert models
COPY = SQLModel.metadata.tables["copy_archive"]
RESTRICTION, DELETION = SQLModel.metadata.tables["restriction"], SQLModel.metadata.tables["deletion"]
WISH = "dsr_case"


def holdings(media: Media) -> list[Holding]:
    """Copies, restrictions and deletions."""
    return [_copies(media), _restrictions(), _deletions()]


def _copies(media: Media) -> Holding:
    async def remove_files(names: Sequence[str]) -> None:
        for name in names:
            await media.blobs.delete(name)

    return Holding(
        name="copies",
        title="Copies made for you",
        clause="5(1)2",
        tables=("copy_archive",),
        classes=(KEPT_AS,),
        kinds=("copy",),
        due=_due_copies,
        of=_copies_of,
        hide=_hide_copies,
        files=_files,
        remove_files=remove_files,
        keys=_keys,
        erase=_erase_copies,
        export=_export_copies,
    )


def _due_copies(tx: Transaction, _: Policy, *, now: int, limit: int) -> list[Due]:
    over = select(COPY).where(COPY.c.expires_ms <= now).order_by(COPY.c.expires_ms, COPY.c.id).limit(limit)
    return [Due(Ref("copy", row.id), row.subject, KEPT_AS, row.expires_ms) for row in tx.execute(over)]


def _copies_of(tx: Transaction, _: Policy, subject: str) -> list[Held]:
    hers = select(COPY.c.id).where(COPY.c.subject == subject)
    return [Held(Ref("copy", found)) for found in tx.execute(hers).scalars()]


def _hide_copies(tx: Transaction, refs: Sequence[Ref], *, now: int) -> None:
    tx.execute(update(COPY).where(COPY.c.id.in_(_ids(refs))).values(expires_ms=0))


def _files(tx: Transaction, refs: Sequence[Ref]) -> list[str]:
    return list(tx.execute(select(COPY.c.blob).where(COPY.c.id.in_(_ids(refs)))).scalars())


def _keys(tx: Transaction, refs: Sequence[Ref]) -> list[int]:
    return list(tx.execute(select(COPY.c.dek_id).where(COPY.c.id.in_(_ids(refs)))).scalars())


def _erase_copies(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
    hidden = COPY.c.id.in_(_ids(refs)) & (COPY.c.expires_ms <= now)
    return len(tx.execute(delete(COPY).where(hidden).returning(COPY.c.id)).all())


def _export_copies(copying: Copying) -> Iterator[Part]:
    hers = copying.tx.execute(select(COPY).where(COPY.c.subject == copying.subject).order_by(COPY.c.created_ms))
    rows = hers.all()
    for row in rows:
        about = {"State": row.state, "Downloads left": row.downloads_left}
        yield Record("copies", row.id, row.created_ms, about)
    if rows:
        yield Omitted("copies", len(rows))


def _restrictions() -> Holding:
    """The history of the flag outlives what it froze: it is the evidence that the wish was followed."""

    def due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
        period, lifted = policy.expires_ms(WISH, 0), RESTRICTION.c.lifted_ms
        over = select(RESTRICTION).where(lifted <= now - period).order_by(lifted).limit(limit)
        return [Due(Ref("restriction", row.id), row.subject, WISH, row.lifted_ms + period) for row in tx.execute(over)]

    def of(tx: Transaction, policy: Policy, subject: str) -> list[Held]:
        rows = tx.execute(select(RESTRICTION).where(RESTRICTION.c.subject == subject))
        return [Held(Ref("restriction", row.id), "R-5.1.2b", policy.expires_ms(WISH, row.since_ms)) for row in rows]

    def export(copying: Copying) -> Iterator[Part]:
        for row in copying.tx.execute(select(RESTRICTION).where(RESTRICTION.c.subject == copying.subject)):
            yield Record("restrictions", row.id, row.since_ms, {"State": "lifted" if row.lifted_ms else "stopped"})

    return Holding(
        name="restrictions",
        title="When you stopped the use of your data",
        clause="5(1)2",
        tables=("restriction",),
        classes=(WISH,),
        kinds=("restriction",),
        due=due,
        of=of,
        erase=_erase_restrictions,
        export=export,
    )


def _erase_restrictions(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
    ended = RESTRICTION.c.id.in_(_ids(refs)) & (RESTRICTION.c.lifted_ms <= now)
    return len(tx.execute(delete(RESTRICTION).where(ended).returning(RESTRICTION.c.id)).all())


def _deletions() -> Holding:
    def due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
        period, ended = policy.expires_ms(WISH, 0), DELETION.c.ended_ms
        over = select(DELETION).where(ended <= now - period).order_by(ended).limit(limit)
        return [Due(Ref("deletion", row.id), row.subject, WISH, row.ended_ms + period) for row in tx.execute(over)]

    def of(tx: Transaction, policy: Policy, subject: str) -> list[Held]:
        rows = tx.execute(select(DELETION).where(DELETION.c.subject == subject))
        return [Held(Ref("deletion", row.id), "R-5.1.3b", policy.expires_ms(WISH, row.asked_ms)) for row in rows]

    def erase(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
        ended = DELETION.c.id.in_(_ids(refs)) & (DELETION.c.ended_ms <= now)
        return len(tx.execute(delete(DELETION).where(ended).returning(DELETION.c.id)).all())

    def export(copying: Copying) -> Iterator[Part]:
        for row in copying.tx.execute(select(DELETION).where(DELETION.c.subject == copying.subject)):
            yield Record("deletions", row.id, row.asked_ms, {"State": row.state})

    return Holding(
        name="deletions",
        title="Deletions you asked for",
        clause="5(1)3",
        tables=("deletion",),
        classes=(WISH,),
        kinds=("deletion",),
        due=due,
        of=of,
        erase=erase,
        export=export,
    )


def _ids(refs: Sequence[Ref]) -> list[str]:
    return [ref.id for ref in refs]
