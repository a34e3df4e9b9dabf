"""What the privacy room keeps about people: that somebody was erased or held, as opaque ids, codes and counts.

A hold is not in the copy of the person whose it is: it may serve an investigation (clause 5(2)4(2)). She is told of
it when she asks for a deletion that it defers, and by the notice of a disclosure.
"""

from collections.abc import Sequence

from sqlalchemy import delete
from sqlmodel import col, select

from core.database import Transaction
from core.holdings import Due, Held, Holding, Ref
from core.policy import Policy
from support.privacy.models import Erasure, Hold, RetentionCount, RetentionRun

KEPT_AS = "erasure_ledger"
HOLDS_KEPT_AS = "dsr_case"


def holdings() -> list[Holding]:
    """Certificates of erasure, holds, and sweeps."""
    return [_erasures(), _holds(), _sweeps()]


def _erasures() -> Holding:
    return Holding(
        name="erasures",
        title="Deletions",
        clause="5(1)3",
        tables=("erasure",),
        classes=(KEPT_AS,),
        kinds=("erasure",),
        due=_due,
        of=_of,
        erase=_erase,
    )


def _due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
    over = col(Erasure.finished_ms) <= now - policy.expires_ms(KEPT_AS, 0)
    rows = tx.session.exec(select(Erasure).where(over).order_by(col(Erasure.finished_ms)).limit(limit))
    return [
        Due(Ref("erasure", row.id), "system", KEPT_AS, policy.expires_ms(KEPT_AS, row.finished_ms or 0)) for row in rows
    ]


def _of(tx: Transaction, policy: Policy, subject: str) -> list[Held]:
    rows = tx.session.exec(select(Erasure).where(Erasure.subject == subject))
    return [Held(Ref("erasure", row.id), "R-5.1.3b", policy.expires_ms(KEPT_AS, row.started_ms)) for row in rows]


def _erase(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
    assert now
    ids = [ref.id for ref in refs]
    return len(tx.execute(delete(Erasure).where(col(Erasure.id).in_(ids)).returning(col(Erasure.id))).all())


def _holds() -> Holding:
    return Holding(
        name="holds",
        is_told=False,
        title="What had to stay for a while",
        clause="5(2)4",
        tables=("hold",),
        classes=(HOLDS_KEPT_AS,),
        kinds=("hold",),
        due=_holds_due,
        of=_holds_of,
        erase=_erase_holds,
    )


def _holds_due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
    over = col(Hold.released_ms) <= now - policy.expires_ms(HOLDS_KEPT_AS, 0)
    rows = tx.session.exec(select(Hold).where(over).order_by(col(Hold.released_ms)).limit(limit))
    return [
        Due(Ref("hold", row.id), "system", HOLDS_KEPT_AS, policy.expires_ms(HOLDS_KEPT_AS, row.released_ms or 0))
        for row in rows
    ]


def _holds_of(tx: Transaction, policy: Policy, subject: str) -> list[Held]:
    kind, _, object_id = subject.partition(":")
    rows = tx.session.exec(select(Hold).where(Hold.object_kind == kind, Hold.object_id == object_id))
    return [Held(Ref("hold", row.id), "R-5.2.4", _until(policy, row)) for row in rows]


def _until(policy: Policy, row: Hold) -> int | None:
    return policy.expires_ms(HOLDS_KEPT_AS, row.released_ms) if row.released_ms else None


def _erase_holds(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
    assert now
    ids = [ref.id for ref in refs]
    return len(tx.execute(delete(Hold).where(col(Hold.id).in_(ids)).returning(col(Hold.id))).all())


def _sweeps() -> Holding:
    return Holding(
        name="sweeps",
        title="Sweeps",
        clause="4(2)1",
        tables=("retention_run", "retention_count", "doomed"),
        classes=(KEPT_AS,),
        kinds=("retention_run",),
        due=_sweeps_due,
        erase=_erase_sweeps,
    )


def _sweeps_due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
    over = col(RetentionRun.finished_ms) <= now - policy.expires_ms(KEPT_AS, 0)
    rows = tx.session.exec(select(RetentionRun).where(over).order_by(col(RetentionRun.finished_ms)).limit(limit))
    return [
        Due(Ref("retention_run", row.id), "system", KEPT_AS, policy.expires_ms(KEPT_AS, row.finished_ms or 0))
        for row in rows
    ]


def _erase_sweeps(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
    assert now
    ids = [ref.id for ref in refs]
    tx.execute(delete(RetentionCount).where(col(RetentionCount.run_id).in_(ids)))
    gone = delete(RetentionRun).where(col(RetentionRun.id).in_(ids)).returning(col(RetentionRun.id))
    return len(tx.execute(gone).all())
