"""The board: for every retention class what lives, what is due and what is held, and what a sweep would do now.

Counts, ids and codes only: whoever reads the board opens nothing of anybody's.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlmodel import SQLModel, col
from sqlmodel import select as rows

from core.clauses import RetentionClass
from core.clock import HOUR
from core.database import Transaction
from core.holdings import Due, Holding
from core.identity import permissions
from core.identity.callers import Caller
from core.identity.permissions import Operation, Resource
from core.policy import Policy
from support.privacy import holds, keeping, retention, sweeps
from support.privacy.models import Erasure, Hold, RetentionRun
from support.privacy.retention import Plan, Planned

SHOWN = 50
SWEEPS_MISSED = 2


@dataclass(frozen=True)
class ClassLine:
    """One class: how many records live in it, and how many are past their end."""

    name: str
    kept: RetentionClass
    live: int
    due: int
    held: int
    hidden: int
    late_hours: int


@dataclass(frozen=True)
class Record:
    """One record past its end, and why it goes or stays."""

    due: Due
    hold: Hold | None


@dataclass(frozen=True)
class Board:
    """Everything the page shows."""

    classes: Sequence[ClassLine]
    records: Sequence[Record]
    total: int
    held: int
    unusual: Sequence[Planned]
    runs: Sequence[RetentionRun]
    holds: Sequence[Hold]
    waiting: int
    overdue_reviews: int


def read(tx: Transaction, holdings: Sequence[Holding], policy: Policy, caller: Caller, *, now: int) -> Board:
    """What stands now; nothing is changed. Raises: NotFound for roles that keep no house."""
    permissions.require(caller, Operation.READ_RETENTION, Resource("retention", "all"))
    plan = retention.plan(tx, holdings, policy, now=now)
    kept = keeping.kept(tx, holdings, policy)
    held = [due for each in plan.holdings for due in each.held]
    going = [due for each in plan.holdings for due in each.due]
    shown = [Record(due, kept.get(due.object.id)) for due in (*held[:SHOWN], *going[:SHOWN])]
    waiting = tx.session.exec(rows(Erasure).where(col(Erasure.finished_ms).is_(None), Erasure.held > 0)).all()
    every = holds.every(tx, caller)
    return Board(
        classes=_classes(tx, plan, policy, now=now),
        records=shown,
        total=len(going),
        held=len(held),
        unusual=plan.unusual(policy),
        runs=sweeps.latest(tx),
        holds=every,
        waiting=len(waiting),
        overdue_reviews=sum(hold.is_in_force and (hold.review_ms or 0) <= now for hold in every),
    )


def _classes(tx: Transaction, plan: Plan, policy: Policy, *, now: int) -> list[ClassLine]:
    live = sum((_live(tx, each.holding) for each in plan.holdings), Counter[str]())
    due: dict[str, list[Due]] = {}
    held: dict[str, list[Due]] = {}
    for each in plan.holdings:
        for found, sorted_in in ((each.due, due), (each.held, held)):
            for one in found:
                sorted_in.setdefault(one.retention_class, []).append(one)
    return [
        ClassLine(
            name=name,
            kept=kept,
            live=live[name],
            due=len(due.get(name, ())),
            held=len(held.get(name, ())),
            hidden=sum(_is_hidden_early(one, now) for one in (*due.get(name, ()), *held.get(name, ()))),
            late_hours=_late_hours(due.get(name, ()), policy, now),
        )
        for name, kept in _used(plan, policy).items()
    ]


def _used(plan: Plan, policy: Policy) -> Mapping[str, RetentionClass]:
    """The classes in which some holding keeps something."""
    used = {name for each in plan.holdings for name in each.holding.classes}
    return {name: kept for name, kept in policy.classes.items() if name in used}


def _live(tx: Transaction, holding: Holding) -> Counter[str]:
    """Rows of a holding's first table by class; a holding of one class needs no column for it."""
    if not holding.classes:
        return Counter()
    table = SQLModel.metadata.tables[holding.tables[0]]
    if "retention_class" in table.c:
        by_class = select(table.c.retention_class, func.count().label("live")).group_by(table.c.retention_class)
        return Counter({row.retention_class: row.live for row in tx.execute(by_class)})
    counted = select(func.count()).select_from(table)
    if "dead_ms" in table.c:  # work that waits is not kept, only what has failed
        counted = counted.where(table.c.dead_ms.is_not(None))
    return Counter({holding.classes[0]: tx.execute(counted).scalar_one()})


def _is_hidden_early(due: Due, now: int) -> bool:
    """Whether it was hidden before its period ended: its owner asked, or an ending was interrupted."""
    return due.expires_ms == 0 or due.expires_ms > now


def _late_hours(due: Sequence[Due], policy: Policy, now: int) -> int:
    """By how many hours the oldest record is older than its class allows and the sweeps explain (R-5.1.3a)."""
    ended = [one.expires_ms for one in due if 0 < one.expires_ms <= now]
    late = now - min(ended, default=now)
    return late // HOUR if late > SWEEPS_MISSED * policy.span_ms("sweep") else 0
