"""Ringing: the clock of every open request is looked at, alarms go out, and a missed day is written down.

Danger. The day passes while the officer is on leave, and nobody can tell afterwards.

Principle. Each alarm and each breach is a step, a ledger entry and a letter to the shop's own mailbox, once, in one
transaction per request; the ledger is kept for years, so a breach cannot be talked away.
"""

from typing import Final

from sqlmodel import col, select

from core.database import Transaction
from core.identity.callers import SYSTEM
from core.services import Core
from support.rights import deadlines, letters, refusing, steps
from support.rights.models import OPEN, RightsRequest

JOB: Final = "rights.clock"


async def ring(core: Core, *, now: int) -> int:
    """Look at every open request and at what was refused for a time; returns how many rang or came back."""
    rang = await core.database.write(refusing.resume_due, core, now=now)
    for request_id in await core.database.read(open_requests):
        rang += await core.database.write(ring_one, core, request_id, now=now)
    return rang


def open_requests(tx: Transaction) -> list[str]:
    """The ids of what is not answered yet, the first due first."""
    wanted = select(RightsRequest.id).where(col(RightsRequest.state).in_(OPEN), col(RightsRequest.hidden_ms).is_(None))
    return list(tx.session.exec(wanted.order_by(col(RightsRequest.due_ms))))


def ring_one(tx: Transaction, core: Core, request_id: str, *, now: int) -> int:
    """Ring what this request has come to since the last time; 1 when anything rang."""
    row = steps.locked(tx, request_id)
    if row.state not in OPEN:
        return 0
    zone = core.settings.time_zone
    left = deadlines.days_left(row.due_ms, zone, now=now)
    if now > row.due_ms:
        if row.breached_ms is not None:
            return 0
        row.breached_ms, row.is_policy_breach = now, True
        steps.move(tx, core, SYSTEM, row, "breach", result="late", now=now)
    else:
        rung = deadlines.alarms_due(core.policy, row.due_ms, zone, now=now)
        if rung <= row.alarms:
            return 0
        row.alarms = rung
        steps.move(tx, core, SYSTEM, row, "alarm", result=f"days-left-{left}", now=now)
    letters.alarm(tx, core, row, days=left, now=now)
    return 1
