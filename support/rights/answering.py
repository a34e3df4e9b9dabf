"""Answering: a request is carried out, in full or in part, and the person is told (clauses 5(1)1 to 5(1)3).

Danger. A request that counts as done though nobody was told; a part left out in silence.

Principle. The answer and the letter that says where it waits stand in one transaction. A part needs to say what was
left out and why, and on what ground.
"""

from dataclasses import dataclass

from core.database import Transaction
from core.identity.callers import Caller
from core.refusals import Invalid
from core.services import Core
from support.rights import grounds, letters, steps
from support.rights.models import ANSWERED, RightsRequest, State

FULFILLED = "FULFILLED"


@dataclass(frozen=True)
class Part:
    """An answer, and what of the request was not done: what, why, and the ground of clause 5(2)3 or 5(2)4."""

    answer: str
    left_out: str
    why: str
    ground: str


def fulfil(tx: Transaction, core: Core, caller: Caller, request_id: str, answer: str, *, now: int) -> None:
    """It was done as asked: by the officer, or by the system when the person used the button herself."""
    row = steps.for_work(tx, caller, request_id, {State.IN_PROGRESS})
    row.decision = FULFILLED
    _answer(tx, core, caller, row, answer, now=now)
    steps.move(tx, core, caller, row, "fulfil", to=State.FULFILLED, now=now)


def fulfil_in_part(tx: Transaction, core: Core, caller: Caller, request_id: str, part: Part, *, now: int) -> None:
    """The rest was done. Raises: Invalid, when what or why is not said, or the ground is none of the policy's."""
    row = steps.for_decision(tx, caller, request_id, {State.IN_PROGRESS})
    what, why = steps.written(part.left_out, what="left_out"), steps.written(part.why, what="why")
    if part.ground not in grounds.every(core.policy):
        raise Invalid("ground", "Choose the ground on which this part was left out.")
    row.decision = part.ground
    row.left_out_sealed = steps.seal(core, row, "left_out", f"{what}\n{why}")
    _answer(tx, core, caller, row, part.answer, now=now)
    steps.move(tx, core, caller, row, "fulfil_in_part", to=State.PARTIAL, reason=part.ground, now=now)


def told_otherwise(tx: Transaction, core: Core, caller: Caller, request_id: str, way: str, *, now: int) -> None:
    """Note that the person, who has no address here, was told in another way. Raises: Invalid."""
    row = steps.for_decision(tx, caller, request_id, ANSWERED)
    row.answered_ms = row.answered_ms or now
    steps.move(tx, core, caller, row, "tell", note=steps.written(way, what="way"), now=now)


def _answer(tx: Transaction, core: Core, caller: Caller, row: RightsRequest, answer: str, *, now: int) -> None:
    row.answer_sealed = steps.seal(core, row, "answer", steps.written(answer, what="answer"))
    row.decided_by, row.decided_ms = caller.ref, now
    letters.answer(tx, core, row, now=now)
