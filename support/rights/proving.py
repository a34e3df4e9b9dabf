"""Proving: how far somebody must show who they are, and how it was shown (clause 5(2)1).

Danger. A copy or a deletion given to whoever writes from the right address; more asked for than the kind needs; scans
of identity documents that stay.

Principle. The level that a kind needs is computed, and asking for more is not offered. A sender's address proves
nothing (I0). A fresh code is I1, the code and an order or a call to the order's number I2, a document looked at by the
privacy officer and not kept I3. Only method, level, verifier, time and result are written down.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from core import clock
from core.database import Transaction
from core.identity import people
from core.identity.callers import Caller
from core.identity.permissions import Operation
from core.policy import Policy
from core.refusals import Conflict, Invalid, NotAllowed, NotFound
from core.services import Core
from support.rights import steps
from support.rights.models import BEFORE_WORK, Kind, Level, RightsRequest, State

METHODS: Final = MappingProxyType(
    {"email_code": Level.I1, "order_knowledge": Level.I2, "call_back": Level.I2, "document": Level.I3}
)
RULE: Final = "R-5.2.1"
ANYBODY: Final = frozenset({Kind.QUESTION, Kind.COMPLAINT})
WEIGHTY: Final = frozenset({Kind.COPY, Kind.DELETE, Kind.STOP})


@dataclass(frozen=True)
class Proof:
    """How it was shown; `subject` names the person when the request came from an address that nobody had proven."""

    method: str
    subject: str | None = None


def needed(tx: Transaction, policy: Policy, kind: str, subject: str | None, *, is_for_another: bool, now: int) -> Level:
    """The lowest level at which a request of this kind may be worked on."""
    if is_for_another:
        return Level.I3
    if kind in ANYBODY:
        return Level.I0
    if kind in WEIGHTY and _is_stale(tx, policy, subject, now=now):
        return Level.I2
    return Level.I1


def ask_identity(tx: Transaction, core: Core, caller: Caller, request_id: str, *, now: int) -> None:
    """Note that the person was asked to show who they are; the clock goes on."""
    row = steps.for_work(tx, caller, request_id, {State.RECEIVED})
    steps.move(tx, core, caller, row, "ask_identity", to=State.IDENTITY_PENDING, rule=RULE, now=now)


def prove_identity(tx: Transaction, core: Core, caller: Caller, request_id: str, proof: Proof, *, now: int) -> None:
    """Note that somebody has shown who they are: by the officer, or by a person's own fresh code.

    Raises:
        NotFound: not there, or not the caller's.
        NotAllowed: code `step_up`: the person's own code is not fresh.
        Invalid: a method that we do not know, or a person who is not there.
        Conflict: code `level`: less than is needed.
    """
    row = steps.locked(tx, request_id)
    _may_prove(core, caller, row, proof, now=now)
    steps.standing(row, BEFORE_WORK)
    level = METHODS.get(proof.method)
    if level is None:
        raise Invalid("method", "Choose how the identity was shown.")
    if proof.subject is not None:
        _bind(tx, core, row, proof.subject, now=now)
    if level < row.identity_needed:
        raise Conflict("level", "This does not prove as much as this kind of request needs.")
    row.identity_level, row.identity_method = level, proof.method
    row.identity_verifier, row.identity_ms = caller.ref, now
    steps.move(tx, core, caller, row, "prove_identity", to=State.IDENTITY_OK, reason=level, rule=RULE, now=now)


def _may_prove(core: Core, caller: Caller, row: RightsRequest, proof: Proof, *, now: int) -> None:
    """A person proves themselves by a fresh code and nothing else; staff need the right to decide."""
    if caller.is_staff or caller.kind == "system":
        steps.may(caller, Operation.DECIDE_CASE, row)
        return
    if caller.ref != row.subject or proof.method != "email_code" or proof.subject is not None:
        raise NotFound
    fresh_ms = core.policy.span_ms("step_up")
    if caller.proof != "email_code" or caller.proven_ms is None or caller.proven_ms <= now - fresh_ms:
        raise NotAllowed("step_up", "Please confirm with a fresh code first.")


def _bind(tx: Transaction, core: Core, row: RightsRequest, subject: str, *, now: int) -> None:
    """Tie a stranger's request to the person who turned out to have written it."""
    kind, _, person_id = subject.partition(":")
    if not row.subject.startswith("writer:") or kind != "person" or people.by_id(tx, person_id) is None:
        raise Invalid("subject", "There is no person with this id.")
    row.subject = subject
    row.identity_needed = needed(tx, core.policy, row.kind, subject, is_for_another=row.is_for_another, now=now)


def _is_stale(tx: Transaction, policy: Policy, subject: str | None, *, now: int) -> bool:
    """Whether the person came so long ago, or with so new an address, that an open mailbox alone is too little."""
    kind, _, person_id = (subject or "").partition(":")
    person = people.by_id(tx, person_id) if kind == "person" else None
    if person is None:
        return True
    is_new = max(person.moved_ms or 0, person.returned_ms or 0) > now - policy.number("address_fresh_days") * clock.DAY
    return is_new or people.was_away(person, policy, now=now)
