"""Reviews of access: every quarter the privacy officer confirms or revokes what each colleague may see (3(2)).

Danger. An account that nobody needs any more and that still opens conversations; somebody who confirms herself; a
house that locks its last administrator out.

Principle. A decision names one colleague, is never one's own, and stands in a row and in the ledger. Whoever has not
been at work for the whole period is suspended by a job, without anybody having to think of it; the officer lifts it by
confirming. The last administrator who can sign in is left alone.

Boundary. A decision and what follows from it are one transaction; sockets close after the commit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlmodel import col, func, select

from core import clock, ids, jobs, ledger
from core.database import Transaction
from core.identity import Caller, Role, permissions, staff
from core.identity.callers import SYSTEM
from core.identity.models import SignIn, StaffMember
from core.identity.permissions import GRANTS, Operation, Resource
from core.ledger import LedgerEntry
from core.policy import Policy
from core.refusals import NotFound
from core.services import Core
from support.admin.models import AccessReview
from support.desk.badges import ROLE_LABELS
from support.desk.words import _

JOB = "access.suspend"
EVERY_MS = clock.DAY

Decision = Literal["confirmed", "revoked"]
SEES = {
    Operation.READ_CONVERSATION: _("conversations"),
    Operation.SEARCH: _("search"),
    Operation.REVEAL: _("masked fields, one by one"),
    Operation.VIEW_ORDER: _("orders, masked"),
    Operation.REVIEW_TRANSCRIPT: _("transcripts, with a purpose"),
    Operation.MAKE_COPY: _("copies, with a case"),
    Operation.READ_LEDGER: _("the ledger"),
    Operation.READ_ROSTER: _("the list of staff"),
    Operation.MANAGE_STAFF: _("accounts of staff"),
    Operation.MANAGE_KEYS: _("keys, without content"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """What one colleague may see, when she last was at work, and what became of the last review."""

    id: str
    login: str
    name: str
    role_label: str
    team: str | None
    sees: Sequence[str]
    used_ms: int
    reviewed_ms: int | None
    decision: str | None
    is_due: bool
    is_suspended: bool
    is_open_to_me: bool


def read(tx: Transaction, policy: Policy, caller: Caller, *, now: int) -> list[Line]:
    """Everybody whose account stands or is suspended, those whose review is due first."""
    permissions.require(caller, Operation.READ_ROSTER, Resource("roster", "all"))
    lines = [_line(tx, policy, caller, member, now=now) for member in staff.everyone(tx)]
    standing = [line for line in lines if line.decision != "gone"]
    return sorted(standing, key=lambda line: (not line.is_due, line.name))


def decide(tx: Transaction, core: Core, caller: Caller, staff_id: str, decision: Decision, *, now: int) -> None:
    """Confirm what a colleague may see, or close the account. Raises: NotFound, for oneself too."""
    permissions.require(caller, Operation.APPROVE_PRIVILEGE, Resource("staff", staff_id))
    member = staff.by_id(tx, staff_id)
    if member is None or (member.disabled_ms is not None and not _is_suspended(tx, member)):
        raise NotFound
    if decision == "revoked":
        staff.disable(tx, core, staff_id, now=now)
    elif member.disabled_ms is not None:
        staff.enable(tx, staff_id)
    _keep(tx, caller, member, decision, now=now)


async def suspend_unused(core: Core, *, now: int) -> int:
    """Suspend everybody who has not been at work for the whole period; returns how many."""
    return await core.database.write(_suspend_unused, core, now=now)


def handlers(core: Core) -> dict[str, jobs.Handler]:
    """What the runner of jobs calls; let `JOB` come again every `EVERY_MS`."""

    async def run(_job: jobs.Job) -> None:
        await suspend_unused(core, now=clock.now())

    return {JOB: run}


def _suspend_unused(tx: Transaction, core: Core, *, now: int) -> int:
    period = core.policy.span_ms("unused_access")
    active = [member for member in staff.everyone(tx) if member.disabled_ms is None]
    unused = [member for member in active if used_ms(tx, member) <= now - period]
    admins = [member for member in active if member.role == Role.ADMIN]
    if admins and all(member in unused for member in admins):
        unused.remove(max(admins, key=lambda member: used_ms(tx, member)))
    for member in unused:
        staff.disable(tx, core, member.id, now=now)
        _keep(tx, SYSTEM, member, "suspended", now=now)
    return len(unused)


def used_ms(tx: Transaction, member: StaffMember) -> int:
    """When a colleague was last at work: an act in the ledger, a look at a page, the agreement, or the first day."""
    acted = select(func.max(LedgerEntry.at_ms)).where(LedgerEntry.actor == f"staff:{member.id}")
    seen = select(func.max(SignIn.seen_ms)).where(SignIn.caller_kind == "staff", SignIn.caller_id == member.id)
    lifted = select(func.max(AccessReview.at_ms)).where(
        AccessReview.staff_id == member.id, AccessReview.decision == "confirmed"
    )
    times = [tx.session.exec(each).one() for each in (acted, seen, lifted)]
    return max(member.created_ms, member.agreement_ms or 0, *(each or 0 for each in times))


def _line(tx: Transaction, policy: Policy, caller: Caller, member: StaffMember, *, now: int) -> Line:
    last = _last(tx, member)
    is_suspended = _is_suspended(tx, member)
    is_gone = member.disabled_ms is not None and not is_suspended
    reviewed_ms = last.at_ms if last else None
    is_old = (reviewed_ms or member.created_ms) <= now - policy.span_ms("access_review")
    role = Role(member.role)
    has_moved = last is not None and (last.role, last.team) != (member.role, member.team)
    return Line(
        id=member.id,
        login=member.login,
        name=member.name,
        role_label=ROLE_LABELS[role],
        team=member.team,
        sees=[words for operation, words in SEES.items() if operation in GRANTS[role]],
        used_ms=used_ms(tx, member),
        reviewed_ms=reviewed_ms,
        decision="gone" if is_gone else last.decision if last else None,
        is_due=not is_gone and (last is None or is_old or has_moved or is_suspended),
        is_suspended=is_suspended,
        is_open_to_me=permissions.can(caller, Operation.APPROVE_PRIVILEGE, Resource("staff", member.id)),
    )


def _last(tx: Transaction, member: StaffMember) -> AccessReview | None:
    of_member = select(AccessReview).where(AccessReview.staff_id == member.id)
    return tx.session.exec(of_member.order_by(col(AccessReview.at_ms).desc(), col(AccessReview.id).desc())).first()


def _is_suspended(tx: Transaction, member: StaffMember) -> bool:
    last = _last(tx, member) if member.disabled_ms is not None else None
    return last is not None and last.decision == "suspended"


def _keep(tx: Transaction, caller: Caller, member: StaffMember, decision: str, *, now: int) -> None:
    tx.session.add(
        AccessReview(
            id=ids.new(),
            staff_id=member.id,
            role=member.role,
            team=member.team,
            decision=decision,
            decided_by=caller.ref,
            at_ms=now,
        )
    )
    tx.session.flush()
    ledger.append(
        tx,
        caller=caller,
        action="access.review",
        object=("staff", member.id),
        reason="R-3.2c",
        result=decision,
        now=now,
    )
