"""What the privacy room keeps about people: that somebody was erased, as an opaque id with counts."""

from collections.abc import Sequence

from sqlalchemy import delete
from sqlmodel import col, select

from core.database import Transaction
from core.holdings import Due, Held, Holding, Ref
from core.policy import Policy
from support.privacy.models import Erasure

KEPT_AS = "erasure_ledger"


def holdings() -> list[Holding]:
    """Certificates of erasure."""
    return [_erasures()]


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
