"""Sweeps: which ran, which runs now, and how much is usual.

Danger. Two sweeps at once count everything twice and trip over each other's files; a sweep of a process that died
must not stop all later ones.

Principle. A sweep is a row with a lease by the database's own clock, so that two machines never disagree about it.
Every round extends the lease, and finds out there whether the sweep is still the one that may go on.

Boundary. `begin` and `go_on` are inside the transactions of who calls them; a lease that is lost undoes the round.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Final

from sqlmodel import col, select

from core import ids, jobs
from core.clock import DAY, MINUTE
from core.database import Transaction
from core.identity.callers import Caller
from core.policy import Policy
from core.refusals import Conflict
from support.privacy import keeping
from support.privacy.ending import Ended
from support.privacy.models import RetentionCount, RetentionRun

LEASE_MS: Final = 5 * MINUTE
SHOWN: Final = 20


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended: `done`, `braked` or `failed`, what it took of which holding, and its ledger entry."""

    state: str
    ended: Ended
    by_holding: Mapping[str, int]
    entry: int | None


def begin(tx: Transaction, caller: Caller, reference: str | None, *, now: int) -> str:
    """Take the right to sweep. Raises: Conflict, when another sweep is at work."""
    keeping.lock(tx)
    moment = jobs.moment(tx)
    running = select(RetentionRun).where(col(RetentionRun.finished_ms).is_(None))
    for other in tx.session.exec(running).all():
        if other.lease_ms > moment:
            raise Conflict("sweep_running", "A sweep is at work already. Look again in a few minutes.")
        other.finished_ms, other.state = now, "lost"
        tx.session.add(other)
    run = RetentionRun(id=ids.new(), by=caller.ref, started_ms=now, lease_ms=moment + LEASE_MS, reference=reference)
    tx.session.add(run)
    return run.id


def go_on(tx: Transaction, run_id: str) -> None:
    """Still at work. Raises: Conflict, when another sweep has taken over; nothing of the round stands then."""
    run = tx.session.get_one(RetentionRun, run_id)
    if run.finished_ms is not None:
        raise Conflict("sweep_lost", "Another sweep has taken over.")
    run.lease_ms = jobs.moment(tx) + LEASE_MS
    tx.session.add(run)


def end(tx: Transaction, run_id: str, outcome: Outcome, *, now: int) -> None:
    """Give the right back, and keep how much it was."""
    run, ended = tx.session.get_one(RetentionRun, run_id), outcome.ended
    run.finished_ms, run.state, run.entry = now, outcome.state, outcome.entry
    run.objects, run.rows, run.keys, run.files = ended.objects, ended.rows, ended.keys, ended.files
    tx.session.add(run)
    for holding, objects in outcome.by_holding.items():
        tx.session.merge(RetentionCount(run_id=run_id, holding=holding, objects=objects))


def usual(tx: Transaction, policy: Policy, *, now: int) -> dict[str, int]:
    """How much a sweep that found anything takes of each holding: the median of the last days (clause 4(2)1)."""
    since = now - policy.number("brake_median_days") * DAY
    counted = select(RetentionCount.holding, RetentionCount.objects).join(
        RetentionRun, col(RetentionRun.id) == col(RetentionCount.run_id)
    )
    taken: dict[str, list[int]] = {}
    for holding, objects in tx.session.exec(
        counted.where(RetentionRun.started_ms > since, RetentionRun.started_ms <= now)
    ):
        taken.setdefault(holding, []).append(objects)
    least = policy.number("brake_median_runs")
    return {holding: int(median(found)) for holding, found in taken.items() if len(found) >= least}


def latest(tx: Transaction) -> list[RetentionRun]:
    """The last sweeps that did anything or were stopped, the youngest first."""
    told = (col(RetentionRun.objects) > 0) | (col(RetentionRun.state) != "done")
    found = list(
        tx.session.exec(select(RetentionRun).where(told).order_by(col(RetentionRun.started_ms).desc()).limit(SHOWN))
    )
    tx.session.expunge_all()
    return found
