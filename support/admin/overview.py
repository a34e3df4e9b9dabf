"""The overview: whether the ledger is whole, and what the retention rules would delete now, in counts only."""

from collections.abc import Sequence
from dataclasses import dataclass

from core import ledger
from core.database import Transaction
from core.holdings import Holding
from core.identity import Caller, permissions
from core.identity.permissions import Operation, Resource
from core.ledger import Verdict
from core.services import Core
from support.privacy import retention
from support.privacy.retention import Planned


@dataclass(frozen=True)
class State:
    """How the house stands."""

    verdict: Verdict
    policy_version: str
    planned: Sequence[Planned]


def read(tx: Transaction, core: Core, holdings: Sequence[Holding], caller: Caller, *, now: int) -> State:
    """Walk the ledger's whole chain and plan a sweep. Raises: NotFound for roles that keep no house."""
    permissions.require(caller, Operation.READ_RETENTION, Resource("retention", "all"))
    plan = retention.plan(tx, holdings, core.policy, now=now)
    kept = [each for each in plan.holdings if each.holding.classes or each.due]
    return State(ledger.verify(tx, vault=core.vault), core.policy.version, kept)
