"""Steps: how a request is found, moved on and written about, the same way for every verb.

Danger. A verb that forgets to look at the state, a step without its ledger entry, words in the ledger.

Principle. One function finds and locks, one moves; both are all that a verb needs. The step and the ledger entry are
written in the verb's own transaction and hold ids and codes; what people wrote is sealed under the request's key.
"""

from collections.abc import Set as AbstractSet
from typing import Final

from sqlalchemy import select as select_core
from sqlmodel import col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from core import ids, ledger
from core.database import Transaction, row_lock
from core.identity import permissions
from core.identity.callers import Caller, Role
from core.identity.permissions import Operation, Purpose, Resource
from core.refusals import Conflict, Invalid, NotFound
from core.services import Core
from core.vault.keys import DataKey
from support.rights.models import RightsRequest, RightsStep, State

KIND: Final = "rights_request"
TABLE: Final = "rights_request"
STEP_TABLE: Final = "rights_step"
LONGEST_WORDS: Final = 20_000
RULE: Final = "R-5.2.2a"


def find(tx: Transaction, request_id: str) -> RightsRequest:
    """The request, to be read. Raises: NotFound."""
    found = tx.session.exec(_named(request_id)).first()
    if found is None:
        raise NotFound
    return found


def locked(tx: Transaction, request_id: str) -> RightsRequest:
    """The request, locked until the commit. Raises: NotFound."""
    tx.execute(row_lock(tx, select_core(col(RightsRequest.id)).where(col(RightsRequest.id) == request_id)))
    row = find(tx, request_id)
    tx.session.flush()
    tx.session.refresh(row)  # it may have been read before the lock was had
    return row


def _named(request_id: str) -> SelectOfScalar[RightsRequest]:
    return select(RightsRequest).where(RightsRequest.id == request_id, col(RightsRequest.hidden_ms).is_(None))


def may(caller: Caller, operation: Operation, row: RightsRequest) -> None:
    """Refuse unless the caller may do this with this request. Raises: NotFound."""
    permissions.require(caller, operation, Resource(KIND, row.id, owner=row.subject))


def for_decision(tx: Transaction, caller: Caller, request_id: str, states: AbstractSet[State]) -> RightsRequest:
    """The request, for what only the privacy officer decides; not even the system may.

    Raises:
        NotFound: not there, or the caller is not the privacy officer.
        Conflict: code `state`: it does not stand where this can be done.
    """
    row = locked(tx, request_id)
    if caller.role is not Role.PRIVACY_OFFICER:
        raise NotFound
    return standing(row, states)


def for_work(tx: Transaction, caller: Caller, request_id: str, states: AbstractSet[State]) -> RightsRequest:
    """The request, for what the privacy officer does by hand and the system may do by rule. Raises as above."""
    row = locked(tx, request_id)
    may(caller, Operation.DECIDE_CASE, row)
    return standing(row, states)


def standing(row: RightsRequest, states: AbstractSet[State]) -> RightsRequest:
    """The request, if it stands in one of these states. Raises: Conflict."""
    if row.state not in states:
        raise Conflict("state", "This request has moved on. Reload the page to see where it stands.")
    return row


def move(
    tx: Transaction,
    core: Core,
    caller: Caller,
    row: RightsRequest,
    verb: str,
    *,
    now: int,
    to: State | None = None,
    reason: str | None = None,
    note: str = "",
    rule: str = RULE,
    result: str = "ok",
) -> None:
    """Write the step and its ledger entry and, with `to`, set the state."""
    if to is not None:
        row.state = to
    tx.session.add(row)
    tx.session.flush()
    step_id = ids.new()
    sealed = core.vault.seal_field(key_of(core, row), STEP_TABLE, step_id, "note", note) if note else None
    counted = select(func.count()).select_from(RightsStep).where(RightsStep.request_id == row.id)
    tx.session.add(
        RightsStep(
            id=step_id,
            request_id=row.id,
            number=tx.session.exec(counted).one() + 1,
            at_ms=now,
            actor=caller.ref,
            role=caller.role,
            verb=verb,
            state=row.state,
            reason=reason,
            note_sealed=sealed,
        )
    )
    tx.session.flush()
    ledger.append(
        tx,
        caller=caller,
        action=f"rights.{verb}",
        object=(KIND, row.id),
        purpose=Purpose.P1_LEGAL,
        reason=reason if reason and reason[:4] in ("REJ_", "REF_") else rule,
        case=row.id,
        result=result,
        now=now,
    )


def key_of(core: Core, row: RightsRequest) -> DataKey:
    """The request's own key."""
    return core.vault.key(row.dek_id, scope=row.id, owner=owner(row.id))


def owner(request_id: str) -> str:
    """Whose key it is: the request's, so that it outlives the person's."""
    return f"{KIND}:{request_id}"


def seal(core: Core, row: RightsRequest, column: str, text: str) -> bytes:
    """Seal one column of a request."""
    return core.vault.seal_field(key_of(core, row), TABLE, row.id, column, text)


def open_(core: Core, row: RightsRequest, column: str) -> str:
    """One sealed column of a request, or nothing."""
    sealed = getattr(row, f"{column}_sealed")
    return core.vault.open_field(key_of(core, row), TABLE, row.id, column, sealed) if sealed else ""


def note_of(core: Core, row: RightsRequest, step: RightsStep) -> str:
    """What was written with a step."""
    if step.note_sealed is None:
        return ""
    return core.vault.open_field(key_of(core, row), STEP_TABLE, step.id, "note", step.note_sealed)


def all_of(tx: Transaction, request_id: str) -> list[RightsStep]:
    """Every step of a request, in order."""
    mine = select(RightsStep).where(RightsStep.request_id == request_id).order_by(col(RightsStep.number))
    return list(tx.session.exec(mine))


def written(text: str, *, what: str) -> str:
    """What somebody wrote, without its edges. Raises: Invalid, when that is nothing or far too much."""
    plain = text.replace("\r\n", "\n").strip()
    if not plain:
        raise Invalid(what, "Please write a sentence or two here; it may not stay empty.")
    if len(plain) > LONGEST_WORDS:
        raise Invalid(what, "That is too long. Please keep to 20,000 characters.")
    return plain


def reference(request_id: str) -> str:
    """The number that people are told: `R-7F2A-19C4`."""
    return f"R-{request_id[:4]}-{request_id[4:8]}".upper()
