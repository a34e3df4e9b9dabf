"""Fees: nothing, except for repeated inquiries and copies beyond the policy's number, and told before any work.

Correcting, stopping and deleting are always free; so is taking the request back (clause 5(2)2).
"""

from dataclasses import dataclass
from typing import Final

from sqlmodel import col, func, select

from core.database import Transaction
from core.identity.callers import Caller
from core.policy import Policy
from core.refusals import Conflict, Invalid
from core.services import Core
from support.rights import letters, steps
from support.rights.models import BEFORE_WORK, Kind, RightsRequest

PAYABLE: Final = frozenset({Kind.INQUIRE, Kind.COPY})
RULE: Final = "R-5.2.2b"


@dataclass(frozen=True)
class Fee:
    """What it would cost, in whole units of the shop's currency, and why."""

    amount: int
    reason: str


def set_fee(tx: Transaction, core: Core, caller: Caller, request_id: str, fee: Fee, *, now: int) -> None:
    """Set a fee before the work begins, and tell the person.

    Raises:
        NotFound: not there, or the caller is not the privacy officer.
        Conflict: code `state`, the work has begun; `free`, this kind or this often is free; `no_address`.
        Invalid: no amount or no reason.
    """
    row = steps.for_decision(tx, caller, request_id, BEFORE_WORK)
    why = steps.written(fee.reason, what="reason")
    if not may_cost(tx, core.policy, row):
        raise Conflict("free", "This request is free: a fee is possible only for a copy or an inquiry asked too often.")
    if fee.amount < 1:
        raise Invalid("amount", "Give the amount as a whole number.")
    if not letters.is_open(row):
        raise Conflict("no_address", "A fee must be told before the work, and there is no address to write to.")
    row.fee, row.fee_currency, row.fee_told_ms = fee.amount, core.settings.currency, now
    letters.fee(tx, core, row, now=now)
    steps.move(tx, core, caller, row, "set_fee", rule=RULE, note=why, result=f"fee-{fee.amount}", now=now)


def may_cost(tx: Transaction, policy: Policy, row: RightsRequest) -> bool:
    """Whether this is at least the N-th request of its kind by the same person within the window."""
    return row.kind in PAYABLE and times(tx, policy, row) >= policy.number("fee_requests")


def times(tx: Transaction, policy: Policy, row: RightsRequest) -> int:
    """How often this person asked for the same in the window that ends with this request, itself included."""
    alike = (RightsRequest.subject == row.subject, RightsRequest.kind == row.kind)
    since = row.received_ms - policy.span_ms("fee_window")
    when = col(RightsRequest.received_ms).between(since, row.received_ms)
    return tx.session.exec(select(func.count()).select_from(RightsRequest).where(*alike, when)).one()
