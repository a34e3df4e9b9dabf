"""Refusing: a request is declined by the privacy officer, in writing, and what was postponed comes back by itself.

Danger. A right that the law gives, refused with a code; a deletion refused "for now" that nobody looks at again.

Principle. Only the officer refuses, never the system. Reasons and a legal basis are written, the complaint route is
told with every answer, and what the product offers as a button is never technically too much (clause 5(2)3). A ground
of clause 5(2)4 has a review date, within the policy's days; when it passes, a refused deletion stands open again.
"""

from dataclasses import dataclass
from typing import Final

from sqlmodel import col, select

from core import clock
from core.database import Transaction
from core.identity.callers import SYSTEM, Caller
from core.refusals import Conflict, Invalid
from core.services import Core
from support.rights import deadlines, grounds, letters, steps
from support.rights.models import OPEN, Kind, RightsRequest, State

OFFERED: Final = frozenset(Kind) - {Kind.COMPLAINT, Kind.QUESTION}
NEEDS_COUNSEL: Final = frozenset({"REJ_TECH", "REJ_UNREAL"})
RULE: Final = "R-5.2.4"


@dataclass(frozen=True)
class Refused:
    """A decision to refuse; `whole_because` says why no part can be done, `review_ms` when it is looked at again."""

    ground: str
    reasons: str
    legal_basis: str
    review_ms: int | None = None
    whole_because: str = ""


def refuse(tx: Transaction, core: Core, caller: Caller, request_id: str, refused: Refused, *, now: int) -> None:
    """Decline a request.

    Raises:
        NotFound: not there, or the caller is not the privacy officer.
        Conflict: code `state`; `offered`, `REJ_TECH` for what is a button here; `not_repeated`.
        Invalid: code `ground`, `reasons`, `legal_basis`, `whole_because` or `review`.
    """
    row = steps.for_decision(tx, caller, request_id, OPEN)
    reasons = steps.written(refused.reasons, what="reasons")
    basis = steps.written(refused.legal_basis, what="legal_basis")
    note = basis
    if refused.ground in grounds.declining(core.policy):
        _check_declined(tx, row, refused.ground)
    elif refused.ground in grounds.impossible(core.policy):
        note += "\n" + steps.written(refused.whole_because, what="whole_because")
        row.review_ms = _review(core, refused.review_ms, now=now)
    else:
        raise Invalid("ground", "Choose the ground of the refusal.")
    row.decision, row.decided_by, row.decided_ms = refused.ground, caller.ref, now
    row.needs_counsel = refused.ground in NEEDS_COUNSEL
    row.answer_sealed = steps.seal(core, row, "answer", reasons)
    row.basis_sealed = steps.seal(core, row, "basis", basis)
    row.state = State.REFUSED
    letters.answer(tx, core, row, now=now)
    steps.move(tx, core, caller, row, "refuse", to=State.REFUSED, reason=refused.ground, note=note, now=now)


def resume(tx: Transaction, core: Core, caller: Caller, request_id: str, *, now: int) -> None:
    """Take a refused request up again because its ground has ended; it gets a clock of its own.

    Raises: NotFound, Conflict.
    """
    row = steps.for_work(tx, caller, request_id, {State.REFUSED, State.CLOSED})
    if row.decision not in grounds.impossible(core.policy):
        raise Conflict("state", "Only what was refused for a time comes back.")
    row.due_ms = deadlines.due_ms(now, core.policy.days("answer"), core.settings.time_zone)
    row.alarms, row.extended_ms, row.breached_ms = 0, None, None
    row.closed_ms = row.review_ms = row.answered_ms = row.decided_ms = None
    row.decision = row.decided_by = None
    steps.move(tx, core, caller, row, "resume", to=State.IN_PROGRESS, rule=RULE, now=now)


def resume_due(tx: Transaction, core: Core, *, now: int) -> int:
    """Take up every refused deletion whose review date has passed; returns how many."""
    waiting = select(RightsRequest.id).where(
        RightsRequest.kind == Kind.DELETE,
        col(RightsRequest.state).in_({State.REFUSED, State.CLOSED}),
        col(RightsRequest.review_ms) <= now,
        col(RightsRequest.hidden_ms).is_(None),
    )
    passed = list(tx.session.exec(waiting))
    for request_id in passed:
        resume(tx, core, SYSTEM, request_id, now=now)
    return len(passed)


def _check_declined(tx: Transaction, row: RightsRequest, ground: str) -> None:
    if ground == "REJ_TECH" and row.kind in OFFERED:
        raise Conflict("offered", "This is something that the product does at the press of a button.")
    if ground == "REJ_REPEAT" and not row.merged and not _earlier(tx, row):
        raise Conflict("not_repeated", "This person has not asked for the same before.")


def _earlier(tx: Transaction, row: RightsRequest) -> bool:
    alike = select(RightsRequest.id).where(
        RightsRequest.subject == row.subject, RightsRequest.kind == row.kind, RightsRequest.id != row.id
    )
    return tx.session.exec(alike).first() is not None


def _review(core: Core, review_ms: int | None, *, now: int) -> int:
    days = core.policy.number("refusal_review_days")
    if review_ms is None or not now < review_ms <= now + days * clock.DAY:
        raise Invalid("review", "Give a date on which this is looked at again, within the days of the policy.")
    return review_ms
