"""Retention: everything whose period has ended goes, and a certificate says how much of what.

Danger. A wrong clock or a wrong value deletes a shop's whole memory in a minute; a sweep that stops halfway must not
leave readable remains; a period that nobody enforces is a broken promise.

Principle. A plan can be read before anything happens. A brake stops a sweep that would take an unusual share of what
is alive, until a person confirms. Hidden at expiry is the rooms' own filter; the sweep only makes it final.

Boundary. Small rounds; in each, what is due is chosen and hidden in one transaction and ended as `ending` says. The
certificates are ledger entries, one for each class, written when the rounds are over or have failed.
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
from support.privacy import ending
from support.privacy.ending import Chosen, Ended

ROUND = 50
PLAN_LIMIT = 100_000


@dataclass(frozen=True)
class Planned:
    """What is due in one holding now, and how much it keeps alive (0: it does not count)."""

    holding: Holding
    due: Sequence[Due]
    live: int

    def is_unusual(self, policy: Policy) -> bool:
        """Whether this is more than the brake lets pass without a person's word (clause 4(2)1)."""
        share = self.live * policy.number("brake_percent") // 100
        return self.live > 0 and len(self.due) > max(share, policy.number("brake_floor_objects"))


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


@dataclass
class _Tally:
    """What a run has done so far."""

    by_class: Counter[str] = field(default_factory=Counter)
    ended: Ended = field(default_factory=Ended)
    seen: set[Ref] = field(default_factory=set)


def plan(tx: Transaction, holdings: Sequence[Holding], policy: Policy, *, now: int) -> Plan:
    """What is due now; nothing is changed."""
    return Plan([Planned(each, each.due(tx, policy, now=now, limit=PLAN_LIMIT), each.live(tx)) for each in holdings])


async def run(
    core: Core,
    holdings: Sequence[Holding],
    report: Report,
    *,
    caller: Caller = SYSTEM,
    confirmed: bool = False,
    now: int,
) -> Ended:
    """End everything that is due; return how much it was.

    Raises:
        Conflict: the brake; nothing was changed and the ledger says so. `confirmed` is a person's word to go on.
    """
    planned = await core.database.read(plan, holdings, core.policy, now=now)
    unusual = [each for each in planned.holdings if each.is_unusual(core.policy)]
    if unusual and not confirmed:
        await core.database.write(_note_brake, caller, unusual, now=now)
        raise Conflict(
            "brake",
            f"This sweep would delete {planned.total} objects, more than usual. Look at the plan first, then confirm.",
        )
    tally = _Tally()
    try:
        for each in planned.holdings:
            await _sweep(core, holdings, each, tally, report, now=now)
    finally:
        if tally.by_class:
            await core.database.write(_certify, caller, tally, core.policy, now=now)
    return tally.ended


async def _sweep(
    core: Core, holdings: Sequence[Holding], planned: Planned, tally: _Tally, report: Report, *, now: int
) -> None:
    done, holding = 0, planned.holding
    found: list[Due] = []

    def choose(tx: Transaction) -> Chosen:
        found[:] = holding.due(tx, core.policy, now=now, limit=ROUND)
        return {holding.name: [due.object for due in found]}

    while True:
        _, ended = await ending.end(core, holdings, choose, reason="R-4.2.1", now=now)
        if not found:
            return
        refs = {due.object for due in found}
        if refs <= tally.seen:
            raise RuntimeError(f"holding {holding.name} does not let go of what is due")
        tally.seen |= refs
        tally.by_class.update(due.retention_class for due in found)
        tally.ended += ended
        done += len(found)
        report.progress(holding.name, done, max(done, len(planned.due)))


def _note_brake(tx: Transaction, caller: Caller, unusual: Sequence[Planned], *, now: int) -> None:
    for each in unusual:
        counts = f"due-{len(each.due)}.live-{each.live}"
        about = ("holding", each.holding.name)
        ledger.append(
            tx, caller=caller, action="retention.brake", object=about, reason="R-4.2.1", result=counts, now=now
        )


def _certify(tx: Transaction, caller: Caller, tally: _Tally, policy: Policy, *, now: int) -> None:
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
    ledger.append(
        tx, caller=caller, action="retention.run", object=("policy", policy.version), result=tally.ended.code, now=now
    )
