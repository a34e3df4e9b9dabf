"""The sheet: one request on one screen: who, what, when, how proven, what can be done now.

Danger. A look at somebody's words that leaves no trace; more of the person on the screen than the decision needs.

Principle. The look is in the ledger in the same transaction, with its purpose and its case; names and addresses are
masked on the server. What erasing would do is computed from the holdings, as the erasure itself would.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core import ledger
from core.database import Transaction
from core.holdings import Held, Holding
from core.identity import people
from core.identity.callers import Caller
from core.identity.permissions import Operation, Purpose
from core.masking import mask_email, mask_name
from core.services import Core
from support.privacy import erasure
from support.rights import deadlines, fees, steps
from support.rights.models import BEFORE_WORK, OPEN, Kind, RightsRequest, RightsStep, State

LETTERS = {"receive": "rights_received", "extend": "rights_extended", "set_fee": "rights_fee"}
ANSWERS = frozenset({"fulfil", "fulfil_in_part", "refuse"})


@dataclass(frozen=True)
class Step:
    """One line of the timeline."""

    number: int
    at_ms: int
    verb: str
    by: str
    state: str
    reason: str
    note: str


@dataclass(frozen=True)
class Letter:
    """A letter that was posted to the person."""

    template: str
    at_ms: int


@dataclass(frozen=True)
class Who:
    """The person as the officer sees her."""

    name: str
    address: str
    kind: str


@dataclass(frozen=True)
class Part:
    """What of one holding goes or stays if the person is erased."""

    title: str
    clause: str
    count: int
    rules: str
    until_ms: int | None


@dataclass(frozen=True)
class Sheet:
    """Everything on the screen; `row` is read only for its codes and times."""

    row: RightsRequest
    reference: str
    who: Who
    words: str
    answer: str
    basis: str
    left_out: str
    steps: Sequence[Step]
    letters: Sequence[Letter]
    left: int | None
    times: int
    may_cost: bool
    goes: Sequence[Part]
    stays: Sequence[Part]

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.row.state in OPEN

    @property
    def is_before_work(self) -> bool:
        """Whether the work has not begun."""
        return self.row.state in BEFORE_WORK

    @property
    def is_stranger(self) -> bool:
        """Whether it came from an address that belongs to nobody we know."""
        return self.row.subject.startswith("writer:")


def open_(
    tx: Transaction, core: Core, holdings: Sequence[Holding], caller: Caller, request_id: str, *, now: int
) -> Sheet:
    """The sheet, and the ledger entry that says it was looked at. Raises: NotFound."""
    row = steps.find(tx, request_id)
    steps.may(caller, Operation.DECIDE_CASE, row)
    done = steps.all_of(tx, row.id)
    plan = erasure.plan(tx, holdings, core.policy, row.subject) if row.kind == Kind.DELETE else None
    sheet = Sheet(
        row=row,
        reference=steps.reference(row.id),
        who=_who(tx, core, row),
        words=steps.open_(core, row, "words"),
        answer=steps.open_(core, row, "answer"),
        basis=steps.open_(core, row, "basis"),
        left_out=steps.open_(core, row, "left_out"),
        steps=[_step(core, row, step) for step in done],
        letters=_letters(row, done),
        left=deadlines.days_left(row.due_ms, core.settings.time_zone, now=now) if row.state in OPEN else None,
        times=fees.times(tx, core.policy, row),
        may_cost=fees.may_cost(tx, core.policy, row),
        goes=[_part(holding, held) for holding, held in plan.goes] if plan else [],
        stays=[_part(holding, held) for holding, held in plan.stays] if plan else [],
    )
    about = (steps.KIND, row.id)
    ledger.append(tx, caller=caller, action="rights.view", object=about, purpose=Purpose.P1_LEGAL, case=row.id, now=now)
    tx.session.expunge_all()
    return sheet


def _who(tx: Transaction, core: Core, row: RightsRequest) -> Who:
    kind, _, subject_id = row.subject.partition(":")
    person = people.by_id(tx, subject_id) if kind == "person" else None
    if person is not None:
        name = people.name_of(core.vault, person)
        return Who(mask_name(name) if name else "", mask_email(people.email_of(core.vault, person)), kind)
    reply = steps.open_(core, row, "reply")
    return Who(people.guest_name(subject_id) if kind == "visitor" else "", mask_email(reply) if reply else "", kind)


def _step(core: Core, row: RightsRequest, step: RightsStep) -> Step:
    by = step.role or step.actor.partition(":")[0]
    note = steps.note_of(core, row, step)
    return Step(step.number, step.at_ms, step.verb, by, step.state, step.reason or "", note)


def _letters(row: RightsRequest, done: Sequence[RightsStep]) -> list[Letter]:
    """The letters, by the steps that post them; without an address the first was none."""
    posted = [Letter(LETTERS[step.verb], step.at_ms) for step in done if step.verb in LETTERS]
    if not _had_address(row):
        posted = []
    answered = [step.at_ms for step in done if step.verb in ANSWERS]
    if answered and row.answered_ms == answered[-1]:
        posted.append(Letter("rights_answered", answered[-1]))
    return posted


def _had_address(row: RightsRequest) -> bool:
    return row.reply_sealed is not None or (row.state == State.CLOSED and row.answered_ms == row.decided_ms)


def _part(holding: Holding, held: Sequence[Held]) -> Part:
    rules = ", ".join(sorted({each.stays for each in held if each.stays}))
    until = max((each.until_ms or 0 for each in held), default=0)
    return Part(holding.title, holding.clause, len(held), rules, until or None)
