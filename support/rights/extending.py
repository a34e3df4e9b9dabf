"""Extending: the answer takes longer, told in writing before the day it was due.

The policy promises its days for every kind; the law lets only an inquiry or a copy take longer (Personal Data
Protection Act, article 13). Any other extension is possible, because an answer that comes is better than none, and is
marked as what it is: a breach of the policy.
"""

from typing import Final

from core.database import Transaction
from core.identity.callers import Caller
from core.refusals import Conflict
from core.services import Core
from support.rights import deadlines, letters, steps
from support.rights.models import OPEN, Kind

EXTENDABLE: Final = frozenset({Kind.INQUIRE, Kind.COPY})


def extend(tx: Transaction, core: Core, caller: Caller, request_id: str, reason: str, *, now: int) -> None:
    """Move the due date once, and write to the person.

    Raises:
        NotFound: not there, or the caller is not the privacy officer.
        Conflict: code `state`; `late`, after the due date; `extended`; `no_address`, nobody to write to.
        Invalid: no reason.
    """
    row = steps.for_decision(tx, caller, request_id, OPEN)
    why = steps.written(reason, what="reason")
    if row.extended_ms is not None:
        raise Conflict("extended", "This request was extended already; it can be done once.")
    if now > row.due_ms:
        raise Conflict("late", "The day on which the answer was due is over; it is too late to extend.")
    if not letters.is_open(row):
        raise Conflict("no_address", "An extension needs a written notice, and there is no address to write to.")
    row.extended_ms, row.alarms = now, 0
    days = core.policy.days("answer") + core.policy.days("extension")
    row.due_ms = deadlines.due_ms(row.received_ms, days, core.settings.time_zone)
    is_breach = row.kind not in EXTENDABLE
    row.is_policy_breach = row.is_policy_breach or is_breach
    letters.extension(tx, core, row, now=now)
    result = "policy-breach" if is_breach else "ok"
    steps.move(tx, core, caller, row, "extend", note=why, result=result, now=now)
