"""What the room of incidents keeps: sealed words about what happened, for as long as the ledger lives."""

from collections.abc import Sequence

from sqlalchemy import delete
from sqlmodel import col, select

from core.database import Transaction
from core.holdings import Due, Holding, Ref
from core.policy import Policy
from support.incidents.models import Incident

KEPT_AS = "audit"


def holdings() -> list[Holding]:
    """Incidents that are closed go when their period is over; open ones stay."""
    return [
        Holding(
            name="incidents",
            title="Incidents",
            clause="3(5)",
            tables=("incident",),
            classes=(KEPT_AS,),
            kinds=("incident",),
            due=_due,
            erase=_erase,
        )
    ]


def _due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
    over = col(Incident.closed_ms) <= now - policy.expires_ms(KEPT_AS, 0)
    rows = tx.session.exec(select(Incident).where(over).order_by(col(Incident.closed_ms)).limit(limit))
    return [
        Due(Ref("incident", row.id), "system", KEPT_AS, policy.expires_ms(KEPT_AS, row.closed_ms or 0)) for row in rows
    ]


def _erase(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
    assert now
    gone = delete(Incident).where(col(Incident.id).in_([ref.id for ref in refs])).returning(col(Incident.id))
    return len(tx.execute(gone).all())
