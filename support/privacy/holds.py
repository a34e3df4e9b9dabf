"""Holds: what must not be deleted, although its period has ended or its owner asked, and who said so.

Danger. Evidence that a sweep takes in the night; a hold that nobody remembers and that keeps people's words for ever;
one person who sets and lifts holds as it suits her.

Principle. A hold is a reference and never a copy; it wins over retention, erasure and deletion (`keeping`). A
supervisor proposes, a privacy officer sets, and lifting takes two different officers. Every hold names a ground of
the policy, a case and a day on which somebody looks at it again. Held is not readable: what has expired stays hidden.

Boundary. A verb is one transaction with its ledger entry. Lifting puts the work that was deferred into the queue in
the same transaction. What the data know of holds is noted beside the keys afterwards (`note`, which the schedule
repeats, because a stop may come between), and comes back from there after a restore (`replay`), before anything is
erased.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlmodel import SQLModel, col, select

from chat import numbering
from chat.statements import CONVERSATION
from core import ids, jobs, ledger
from core.clauses import Clause
from core.clock import DAY
from core.database import Transaction, row_lock
from core.holdings import Holding, Ref
from core.identity import permissions
from core.identity.callers import Caller
from core.identity.permissions import Operation, Purpose, Resource
from core.policy import Policy
from core.refusals import Conflict, Invalid, NotAllowed, NotFound
from core.services import Core
from core.vault.rows import HoldNote
from support.privacy import keeping
from support.privacy.models import Hold

CLAUSES: Final = ("4(3)1", "4(3)3", "4(3)4", "4(3)5", "4(3)6", *(f"5(2)4({number})" for number in range(1, 6)))
KINDS: Final = ("conversation", "attachment", "order", "person", "visitor")
RELEASED: Final = "privacy.released"
_AGAINST_HARM = frozenset({"HARM", "REF_MALICE"})


@dataclass(frozen=True)
class Wanted:
    """What somebody wants held: `reference` is the number of a document, `case` of a case; codes, never sentences."""

    object: Ref
    ground: str
    reference: str
    case: str
    review_days: int


def grounds(policy: Policy) -> Mapping[str, Clause]:
    """The grounds on which something may be held, each with its clause."""
    return {str(policy.clause(number).values["ground"]): policy.clause(number) for number in CLAUSES}


def every(tx: Transaction, caller: Caller) -> list[Hold]:
    """All holds, the youngest first. Raises: NotFound for roles that have nothing to do with them."""
    permissions.require(caller, Operation.READ_RETENTION, Resource("retention", "all"))
    found = list(tx.session.exec(select(Hold).order_by(col(Hold.changed_ms).desc(), Hold.id)))
    tx.session.expunge_all()
    return found


def propose(
    tx: Transaction, core: Core, holdings: Sequence[Holding], caller: Caller, wanted: Wanted, *, now: int
) -> Hold:
    """Ask an officer for a hold; nothing is held yet. Raises: Refusal."""
    _may(tx, caller, Operation.PROPOSE_HOLD, wanted)
    hold = _new(tx, core.policy, holdings, wanted, now=now)
    hold.proposed_by, hold.proposed_ms = caller.ref, now
    return _written(tx, caller, "hold.propose", hold, now=now)


def place(
    tx: Transaction, core: Core, holdings: Sequence[Holding], caller: Caller, wanted: Wanted, *, now: int
) -> Hold:
    """Hold something from now on. Raises: Refusal; Conflict when it is being deleted at this moment."""
    _may(tx, caller, Operation.SET_HOLD, wanted)
    return _put_in_force(tx, caller, _new(tx, core.policy, holdings, wanted, now=now), now=now)


def accept(tx: Transaction, caller: Caller, hold_id: str, *, now: int) -> Hold:
    """Set what a supervisor has proposed. Raises: Refusal."""
    hold = _of_officer(tx, caller, hold_id, Operation.SET_HOLD)
    if not hold.is_proposal:
        raise Conflict("hold_state", "This proposal has been decided already.")
    return _put_in_force(tx, caller, hold, now=now)


def decline(tx: Transaction, caller: Caller, hold_id: str, *, now: int) -> Hold:
    """Let a proposal go. Raises: Refusal."""
    hold = _of_officer(tx, caller, hold_id, Operation.SET_HOLD)
    if not hold.is_proposal:
        raise Conflict("hold_state", "This proposal has been decided already.")
    hold.released_by, hold.released_ms = caller.ref, now
    return _written(tx, caller, "hold.decline", hold, now=now)


def renew(tx: Transaction, caller: Caller, hold_id: str, *, policy: Policy, days: int, now: int) -> Hold:
    """Looked at again and still needed: the next review is so many days from now, and nobody's wish to lift it stands.

    Raises:
        Refusal: it is not in force, not hers to decide, or the review lies beyond the policy's limit.
    """
    hold = _of_officer(tx, caller, hold_id, Operation.SET_HOLD)
    _require_in_force(hold)
    _check_review(policy, days)
    hold.review_days, hold.review_ms = days, now + days * DAY
    hold.release_by, hold.release_ms = None, None
    return _written(tx, caller, "hold.renew", hold, now=now)


def ask_release(tx: Transaction, caller: Caller, hold_id: str, *, now: int) -> Hold:
    """Say that a hold is no longer needed; a second officer has to agree. Raises: Refusal."""
    hold = _of_officer(tx, caller, hold_id, Operation.RELEASE_HOLD)
    _require_in_force(hold)
    hold.release_by, hold.release_ms = caller.ref, now
    return _written(tx, caller, "hold.release_asked", hold, now=now)


def release(tx: Transaction, caller: Caller, hold_id: str, *, now: int) -> Hold:
    """Lift a hold as the second officer; what was deferred is put into the queue. Raises: Refusal."""
    hold = _of_officer(tx, caller, hold_id, Operation.RELEASE_HOLD)
    _require_in_force(hold)
    if hold.release_by is None:
        raise Conflict("hold_state", "Nobody has asked yet to lift this hold.")
    if hold.release_by == caller.ref:
        raise NotAllowed("second_officer", "Lifting a hold takes a second officer; you were the first.")
    hold.released_by, hold.released_ms = caller.ref, now
    jobs.enqueue(tx, RELEASED, {"hold": hold.id}, run_ms=now, key=hold.id)
    return _written(tx, caller, "hold.release", hold, now=now)


async def note(core: Core) -> None:
    """Write beside the keys how all holds stand; repeating it is harmless."""
    if notes := await core.database.read(_notes):
        await core.vault.note_holds(notes)


async def replay(core: Core) -> int:
    """Bring back from beside the keys what these data do not know yet; return how many holds changed."""
    notes = await core.vault.holds()
    return await core.database.write(_replay, notes)


def _notes(tx: Transaction) -> list[HoldNote]:
    holds = tx.session.exec(select(Hold)).all()
    return [HoldNote(hold.id, hold.changed_ms, msgspec.json.encode(hold.model_dump())) for hold in holds]


def _replay(tx: Transaction, notes: Sequence[HoldNote]) -> int:
    changed = 0
    for each in notes:
        known = tx.session.get(Hold, each.id)
        if known is None or known.changed_ms < each.changed_ms:
            tx.session.merge(Hold(**msgspec.json.decode(each.facts)))
            changed += 1
    return changed


def _may(tx: Transaction, caller: Caller, operation: Operation, wanted: Wanted) -> None:
    permissions.require(caller, operation, _resource(tx, wanted.object), _purpose(wanted.ground), case=wanted.case)


def _resource(tx: Transaction, ref: Ref) -> Resource:
    """What is to be held as permissions see it: a conversation, and a picture in it, belong to a team."""
    scope = ref.id
    if ref.kind == "attachment":
        table = SQLModel.metadata.tables["attachment"].c
        scope = tx.execute(select(table.scope).where(table.id == ref.id)).scalar() or ref.id
    row = tx.execute(CONVERSATION.select().where(CONVERSATION.c.id == scope)).one_or_none()
    return numbering.resource(row) if row is not None else Resource(ref.kind, ref.id)


def _purpose(ground: str) -> Purpose:
    return Purpose.P6_FRAUD_HARM if ground in _AGAINST_HARM else Purpose.P1_LEGAL


def _new(tx: Transaction, policy: Policy, holdings: Sequence[Holding], wanted: Wanted, *, now: int) -> Hold:
    if wanted.ground not in grounds(policy):
        raise Invalid("ground", "Choose a ground for the hold.")
    if not wanted.reference or not wanted.case:
        raise Invalid("reference", "A hold needs the number of its case and of the document that asks for it.")
    _check_review(policy, wanted.review_days)
    _require_there(tx, holdings, wanted.object)
    return Hold(
        id=ids.new(),
        object_kind=wanted.object.kind,
        object_id=wanted.object.id,
        ground=wanted.ground,
        reference=wanted.reference,
        case_id=wanted.case,
        review_days=wanted.review_days,
        changed_ms=now,
    )


def _check_review(policy: Policy, days: int) -> None:
    longest = policy.number("refusal_review_days")
    if not 1 <= days <= longest:
        raise Invalid("review", "Choose a day on which the hold is looked at again, within the policy's limit.")


def _require_there(tx: Transaction, holdings: Sequence[Holding], ref: Ref) -> None:
    """Refuse what is not there, and what is already on its way out."""
    keeping.lock(tx)
    tables = [holding.tables[0] for holding in holdings if ref.kind in KINDS and ref.kind in holding.kinds]
    found = [SQLModel.metadata.tables[name].c.id for name in tables]
    if not any(tx.execute(select(column).where(column == ref.id)).first() for column in found):
        raise NotFound("no_such_object", "There is nothing with this identifier.")
    if keeping.is_doomed(tx, ref.id):
        raise Conflict("doomed", "This is being deleted at this moment; it is too late to hold it.")


def _put_in_force(tx: Transaction, caller: Caller, hold: Hold, *, now: int) -> Hold:
    keeping.lock(tx)
    if keeping.is_doomed(tx, hold.object_id):
        raise Conflict("doomed", "This is being deleted at this moment; it is too late to hold it.")
    hold.set_by, hold.set_ms, hold.review_ms = caller.ref, now, now + hold.review_days * DAY
    return _written(tx, caller, "hold.set", hold, now=now)


def _of_officer(tx: Transaction, caller: Caller, hold_id: str, operation: Operation) -> Hold:
    """The hold, locked, when this caller may decide about it."""
    one = select(Hold).where(Hold.id == hold_id)
    hold = tx.session.exec(row_lock(tx, one)).one_or_none()  # type: ignore[call-overload]  # the same select, locked
    if hold is None:
        permissions.require(caller, operation)
        raise NotFound
    about = Resource(hold.object_kind, hold.object_id)
    permissions.require(caller, operation, about, _purpose(hold.ground), case=hold.case_id)
    found: Hold = hold
    return found


def _require_in_force(hold: Hold) -> None:
    if not hold.is_in_force:
        raise Conflict("hold_state", "This hold is not in force.")


def _written(tx: Transaction, caller: Caller, action: str, hold: Hold, *, now: int) -> Hold:
    """Keep the row and append what was done, in the transaction of both; the row is given out as it is now."""
    hold.changed_ms = max(now, hold.changed_ms)
    tx.session.add(hold)
    tx.session.flush()
    ledger.append(
        tx,
        caller=caller,
        action=action,
        object=(hold.object_kind, hold.object_id),
        purpose=_purpose(hold.ground),
        reason=hold.reference,
        case=hold.case_id,
        result=f"{hold.ground}.hold-{hold.id}",
        now=now,
    )
    tx.session.expunge(hold)
    return hold
