"""What the rights desk keeps about people: their requests and our answers.

A request outlives the person's own data by the period of `dsr_case`, counted from its end, because we must be able to
show that we answered (clause 5(2)2). It has a key of its own; erasing a person leaves it, and says so.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import ColumnElement, delete, or_, update
from sqlmodel import col, func, select

from core.database import Transaction
from core.holdings import Copying, Due, Held, Holding, Part, Record, Ref
from core.policy import Policy
from support.rights import steps
from support.rights.models import RightsRequest, RightsStep

KEPT_AS = "dsr_case"
RULE = "R-5.2.2a"


def holding() -> Holding:
    """Requests, with their steps."""
    return Holding(
        name="rights",
        title="Your requests and our answers",
        clause="5(2)2",
        tables=("rights_request", "rights_step"),
        classes=(KEPT_AS,),
        kinds=(steps.KIND,),
        due=_due,
        of=_of,
        hide=_hide,
        keys=_keys,
        erase=_erase,
        export=_export,
        live=lambda tx: tx.session.exec(select(func.count()).select_from(RightsRequest)).one(),
    )


def _due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
    """Requests closed long enough ago, and those that are hidden already."""
    over = or_(
        col(RightsRequest.closed_ms) <= now - policy.expires_ms(KEPT_AS, 0), col(RightsRequest.hidden_ms).is_not(None)
    )
    rows = tx.session.exec(select(RightsRequest).where(over).order_by(col(RightsRequest.closed_ms)).limit(limit))
    return [Due(_ref(row), row.subject, KEPT_AS, policy.expires_ms(KEPT_AS, row.closed_ms or 0)) for row in rows]


def _of(tx: Transaction, policy: Policy, subject: str) -> list[Held]:
    rows = tx.session.exec(select(RightsRequest).where(RightsRequest.subject == subject))
    return [Held(_ref(row), RULE, policy.expires_ms(KEPT_AS, row.closed_ms) if row.closed_ms else None) for row in rows]


def _hide(tx: Transaction, refs: Sequence[Ref], *, now: int) -> None:
    tx.execute(update(RightsRequest).where(_among(refs), col(RightsRequest.hidden_ms).is_(None)).values(hidden_ms=now))


def _keys(tx: Transaction, refs: Sequence[Ref]) -> list[int]:
    return list(tx.session.exec(select(RightsRequest.dek_id).where(_among(refs))))


def _erase(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
    assert now
    ids = [ref.id for ref in refs if ref.kind == steps.KIND]
    steps_gone = tx.execute(delete(RightsStep).where(col(RightsStep.request_id).in_(ids)).returning(col(RightsStep.id)))
    gone = tx.execute(delete(RightsRequest).where(_among(refs)).returning(col(RightsRequest.id)))
    return len(steps_gone.all()) + len(gone.all())


def _export(copying: Copying) -> Iterator[Part]:
    """Her own requests, her words and our answers; not what the officer noted for the file."""
    mine = select(RightsRequest).where(RightsRequest.subject == copying.subject, col(RightsRequest.hidden_ms).is_(None))
    for row in copying.tx.session.exec(mine.order_by(col(RightsRequest.received_ms))):
        key = copying.vault.key(row.dek_id, scope=row.id, owner=steps.owner(row.id))
        sealed = {"Words": ("words", row.words_sealed), "Answer": ("answer", row.answer_sealed)}
        opened = {
            label: copying.vault.open_field(key, steps.TABLE, row.id, column, content) if content else ""
            for label, (column, content) in sealed.items()
        }
        about = {"Reference": steps.reference(row.id), "Kind": row.kind, "State": row.state, **opened}
        yield Record("rights", row.id, row.received_ms, about)


def _among(refs: Sequence[Ref]) -> ColumnElement[bool]:
    return col(RightsRequest.id).in_([ref.id for ref in refs if ref.kind == steps.KIND])


def _ref(row: RightsRequest) -> Ref:
    return Ref(steps.KIND, row.id)
