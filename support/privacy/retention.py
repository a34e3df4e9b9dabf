"""Retention: everything whose period has ended goes, and a certificate says how much of what.

Danger. A wrong clock or a wrong value deletes a shop's whole memory in a minute; a sweep that stops halfway must not
leave readable remains; a period that nobody enforces is a broken promise.

Principle. A plan can be read before anything happens. A brake stops a sweep that would take an unusual share of what
is alive, or far more than sweeps of the last weeks took, until a person confirms. Hidden at expiry is the rooms' own
filter; the sweep only makes it final. What a hold keeps stays hidden and is looked at again when the hold is lifted.

Boundary. One sweep at a time (`sweeps`), in small rounds; in each, what is due is chosen and hidden in one transaction
and ended as `ending` says. The certificates are ledger entries, one for each class, written when the rounds are over
or have failed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from core import ledger
from core.database import Transaction
from core.holdings import Due, Holding, Ref
from core.identity.callers import SYSTEM, Caller
from core.policy import Policy
from core.refusals import Conflict
from core.report import Report
from core.services import Core
from support.privacy import ending, keeping, sweeps
from support.privacy.ending import Chosen, Ended
from support.privacy.models import Hold
from support.privacy.sweeps import Outcome

ROUND = 50
PLAN_LIMIT = 100_000


@dataclass(frozen=True)
class Planned:
    """What is due in one holding now, what would be but is held, and how much it keeps alive (0: it does not count).

    `usual` is what a sweep takes of it as a rule, when there were enough of them.
    """

    holding: Holding
    due: Sequence[Due]
    live: int
    held: Sequence[Due] = ()
    usual: int | None = None

    def is_unusual(self, policy: Policy) -> bool:
        """Whether this is more than the brake lets pass without a person's word (clause 4(2)1)."""
        if self.live == 0 or len(self.due) <= policy.number("brake_floor_objects"):
            return False
        share = self.live * policy.number("brake_percent") // 100
        is_often = self.usual is not None and len(self.due) > self.usual * policy.number("brake_median_times")
        return len(self.due) > share or is_often


@dataclass(frozen=True)
class Plan:
    """What a sweep would take now."""

    holdings: Sequence[Planned]

    @property
    def total(self) -> int:
        """How many objects."""
        return sum(len(planned.due) for planned in self.holdings)

    def sums(self) -> Counter[str]:
        """Objects by retention class."""
        return Counter(due.retention_class for planned in self.holdings for due in planned.due)

    def unusual(self, policy: Policy) -> list[Planned]:
        """Where the brake stops it."""
        return [planned for planned in self.holdings if planned.is_unusual(policy)]


@dataclass
class _Tally:
    """What a run has done so far."""

    run: str
    by_class: Counter[str] = field(default_factory=Counter)
    by_holding: Counter[str] = field(default_factory=Counter)
    ended: Ended = field(default_factory=Ended)
    seen: set[Ref] = field(default_factory=set)


def plan(tx: Transaction, holdings: Sequence[Holding], policy: Policy, *, now: int) -> Plan:
    """What is due now; nothing is changed."""
    spared, usual = keeping.kept(tx, holdings, policy), sweeps.usual(tx, policy, now=now)
    planned = []
    for each in holdings:
        due, held = keeping.due(tx, each, policy, spared, now=now, limit=PLAN_LIMIT)
        planned.append(Planned(each, due, each.live(tx), held, usual.get(each.name)))
    return Plan(planned)


async def run(
    core: Core,
    holdings: Sequence[Holding],
    report: Report,
    *,
    caller: Caller = SYSTEM,
    confirmed: bool = False,
    reference: str | None = None,
    now: int,
) -> Ended:
    """End everything that is due; return how much it was.

    Raises:
        Conflict: the brake; nothing was changed and the ledger says so. `confirmed` is a person's word to go on, and
            `reference` where she has written down why. Or another sweep is at work.
    """
    tally = _Tally(await core.database.write(sweeps.begin, caller, reference, now=now))
    state = "failed"
    try:
        planned = await core.database.read(plan, holdings, core.policy, now=now)
        if (unusual := planned.unusual(core.policy)) and not confirmed:
            state = "braked"
            await core.database.write(_note_brake, caller, unusual, now=now)
            raise Conflict(
                "brake",
                f"This sweep would delete {planned.total} objects, more than usual. "
                "Look at the plan first, then confirm.",
            )
        for each in planned.holdings:
            await _sweep(core, holdings, each, tally, report, now=now)
        state = "done"
    finally:
        await core.database.write(_certify, caller, tally, core.policy, state, now=now)
    return tally.ended


async def finish_released(core: Core, holdings: Sequence[Holding], hold: Hold, *, now: int) -> Ended:
    """End what was due while `hold`, which is lifted, kept it; what another hold keeps goes on waiting."""
    tally = _Tally(await core.database.write(sweeps.begin, SYSTEM, hold.reference, now=now))
    state = "failed"
    try:
        deferred = await core.database.read(_deferred, holdings, core.policy, hold, now=now)
        for holding, due in deferred:
            for start in range(0, len(due), ROUND):
                some = due[start : start + ROUND]

                def choose(tx: Transaction, name: str = holding.name, some: Sequence[Due] = some) -> Chosen:
                    sweeps.go_on(tx, tally.run)
                    return {name: [each.object for each in some]}

                doomed, ended = await ending.end(core, holdings, choose, reason="R-4.2.1", now=now)
                gone = set(doomed.refs.get(holding.name, ()))
                _count(tally, holding, [each for each in some if each.object in gone], ended)
        state = "done"
    finally:
        await core.database.write(_certify, SYSTEM, tally, core.policy, state, now=now)
    return tally.ended


def _deferred(
    tx: Transaction, holdings: Sequence[Holding], policy: Policy, hold: Hold, *, now: int
) -> list[tuple[Holding, list[Due]]]:
    reached, spared = keeping.reach(tx, holdings, policy, [hold]), keeping.kept(tx, holdings, policy)
    dues = [(each, keeping.due(tx, each, policy, spared, now=now, limit=PLAN_LIMIT)[0]) for each in holdings]
    return [(each, found) for each, due in dues if (found := [one for one in due if one.object.id in reached])]


async def _sweep(
    core: Core, holdings: Sequence[Holding], planned: Planned, tally: _Tally, report: Report, *, now: int
) -> None:
    done, holding = 0, planned.holding
    found: list[Due] = []

    def choose(tx: Transaction) -> Chosen:
        sweeps.go_on(tx, tally.run)
        spared = keeping.kept(tx, holdings, core.policy)
        found[:], _ = keeping.due(tx, holding, core.policy, spared, now=now, limit=ROUND)
        return {holding.name: [due.object for due in found]}

    while True:
        _, ended = await ending.end(core, holdings, choose, reason="R-4.2.1", now=now)
        if not found:
            return
        refs = {due.object for due in found}
        if refs <= tally.seen:
            raise RuntimeError(f"holding {holding.name} does not let go of what is due")
        tally.seen |= refs
        _count(tally, holding, found, ended)
        done += len(found)
        report.progress(holding.name, done, max(done, len(planned.due)))


def _count(tally: _Tally, holding: Holding, gone: Sequence[Due], ended: Ended) -> None:
    tally.by_class.update(due.retention_class for due in gone)
    tally.by_holding[holding.name] += len(gone)
    tally.ended += ended


def _note_brake(tx: Transaction, caller: Caller, unusual: Sequence[Planned], *, now: int) -> None:
    for each in unusual:
        counts = f"due-{len(each.due)}.live-{each.live}"
        about = ("holding", each.holding.name)
        ledger.append(
            tx, caller=caller, action="retention.brake", object=about, reason="R-4.2.1", result=counts, now=now
        )


def _certify(tx: Transaction, caller: Caller, tally: _Tally, policy: Policy, state: str, *, now: int) -> None:
    """The certificate: for each class under which clause how many went, and by what means for the whole run."""
    for kept_as, count in sorted(tally.by_class.items()):
        clause = policy.retention_class(kept_as).clause.replace("(", "_").replace(")", "_").strip("_")
        ledger.append(
            tx,
            caller=caller,
            action="retention.expired",
            object=("retention_class", kept_as),
            reason=f"clause-{clause}",
            result=f"objects-{count}",
            now=now,
        )
    entry = None
    if tally.by_class:
        about = ("policy", policy.version)
        entry = ledger.append(tx, caller=caller, action="retention.run", object=about, result=tally.ended.code, now=now)
    sweeps.end(tx, tally.run, Outcome(state, tally.ended, +tally.by_holding, entry), now=now)
