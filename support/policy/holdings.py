"""What the policy's room keeps about people: that they were told of a version. Published versions are about nobody."""

from collections.abc import Iterator, Sequence

from sqlalchemy import delete
from sqlmodel import col, select

from core.database import Transaction
from core.holdings import Copying, Due, Held, Holding, Part, Record, Ref
from core.policy import Policy
from support.policy.models import PolicyNotice

KEPT_AS = "acknowledgement"


def holdings() -> list[Holding]:
    """Published versions, which stay, and who was told of them."""
    return [
        Holding(
            name="policy_versions",
            title="Versions of this policy",
            clause="7(2)",
            tables=("policy_version", "policy_proposal"),
        ),
        Holding(
            name="policy_notices",
            title="That we told you of a change of our policy",
            clause="7(2)",
            tables=("policy_notice",),
            classes=(KEPT_AS,),
            kinds=("policy_notice",),
            due=_due,
            of=_of,
            erase=_erase,
            export=_export,
        ),
    ]


def _due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
    over = col(PolicyNotice.at_ms) <= now - policy.expires_ms(KEPT_AS, 0)
    rows = tx.session.exec(select(PolicyNotice).where(over).order_by(col(PolicyNotice.at_ms)).limit(limit))
    return [
        Due(Ref("policy_notice", row.id), row.subject, KEPT_AS, policy.expires_ms(KEPT_AS, row.at_ms)) for row in rows
    ]


def _of(tx: Transaction, policy: Policy, subject: str) -> list[Held]:
    rows = tx.session.exec(select(PolicyNotice).where(PolicyNotice.subject == subject))
    return [Held(Ref("policy_notice", row.id), "R-7.2a", policy.expires_ms(KEPT_AS, row.at_ms)) for row in rows]


def _erase(tx: Transaction, refs: Sequence[Ref], *, now: int) -> int:
    assert now
    ids = [ref.id for ref in refs]
    gone = delete(PolicyNotice).where(col(PolicyNotice.id).in_(ids)).returning(col(PolicyNotice.id))
    return len(tx.execute(gone).all())


def _export(copying: Copying) -> Iterator[Part]:
    mine = select(PolicyNotice).where(PolicyNotice.subject == copying.subject).order_by(col(PolicyNotice.at_ms))
    for row in copying.tx.session.exec(mine):
        yield Record("policy_notices", row.id, row.at_ms, {"Version": row.version, "Channel": row.channel})
