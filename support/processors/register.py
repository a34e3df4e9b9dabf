"""The register of processors, and the one door through which something goes to them (clauses 3(4), 4(1)8, 4(1)9).

Danger. A connection that was opened for one field and later carries ten; an agreement that ended while data flow on.

Principle. No row, no delivery. A row names purpose, fields, region, contract, security terms and the day it ends, and
cannot be changed: another agreement is another row. A delivery that holds any field outside the row is refused whole,
and so shows its mistake, instead of going out trimmed.

Boundary. `passing` is asked in a transaction before anything is sent, and leaves a ledger entry with the id of the row
that allowed it and how many fields went, never their content.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlmodel import col, select

from core import ids, ledger
from core.clock import DAY
from core.database import Transaction
from core.identity import permissions
from core.identity.callers import Caller
from core.identity.permissions import Operation, Purpose, Resource
from core.refusals import Invalid, NotAllowed, NotFound
from support.processors.models import Processor

LONGEST_DAYS: Final = 3 * 366
_FIELD: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CONTRACT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,59}")
_ALL: Final = Resource("processors", "all")


@dataclass(frozen=True)
class Agreement:
    """What was agreed with a company; `fields` are names such as `order_number`."""

    name: str
    purpose: str
    fields: tuple[str, ...]
    region: str
    contract: str
    security: str
    days: int


@dataclass(frozen=True)
class Delivery:
    """What is about to leave, for whom, about which object of ours, and why."""

    processor: str
    about: tuple[str, str]
    purpose: Purpose
    payload: Mapping[str, Any]  # Any: values of named fields, checked by name
    case: str | None = None


def every(tx: Transaction, caller: Caller) -> list[Processor]:
    """All rows, those in force first. Raises: NotFound for roles that have nothing to do with them."""
    permissions.require(caller, Operation.READ_PROCESSORS, _ALL)
    found = list(tx.session.exec(select(Processor).order_by(col(Processor.ended_ms).is_not(None), Processor.name)))
    tx.session.expunge_all()
    return found


def add(tx: Transaction, caller: Caller, agreement: Agreement, *, now: int) -> Processor:
    """Open a connection to a company. Raises: NotFound for everybody but an officer; Invalid."""
    permissions.require(caller, Operation.MANAGE_PROCESSORS, _ALL)
    _check(agreement)
    row = Processor(
        id=ids.new(),
        name=agreement.name,
        purpose=agreement.purpose,
        fields=" ".join(sorted(set(agreement.fields))),
        region=agreement.region,
        contract=agreement.contract,
        security=agreement.security,
        expires_ms=now + agreement.days * DAY,
        added_by=caller.ref,
        added_ms=now,
    )
    tx.session.add(row)
    return _written(tx, caller, "processor.add", row, now=now)


def end(tx: Transaction, caller: Caller, processor_id: str, *, now: int) -> Processor:
    """Close the connection: nothing goes out from now on. Raises: NotFound."""
    permissions.require(caller, Operation.MANAGE_PROCESSORS, _ALL)
    row = tx.session.get(Processor, processor_id)
    if row is None or row.ended_ms is not None:
        raise NotFound
    row.ended_by, row.ended_ms = caller.ref, now
    return _written(tx, caller, "processor.end", row, now=now)


def valid(tx: Transaction, processor_id: str, *, now: int) -> Processor:
    """The row, when something may go out under it today. Raises: NotAllowed."""
    row = tx.session.get(Processor, processor_id)
    if row is None:
        raise NotAllowed("processor_missing", "This recipient is not in the register.")
    if not row.is_valid(now=now):
        raise NotAllowed("processor_expired", "The agreement with this recipient has ended.")
    return row


def passing(tx: Transaction, caller: Caller, delivery: Delivery, *, now: int) -> dict[str, Any]:  # Any: as it came
    """What may be sent now, noted in the ledger; send exactly this. Raises: NotAllowed."""
    row = valid(tx, delivery.processor, now=now)
    if delivery.purpose != row.purpose:
        raise NotAllowed("processor_purpose", "This recipient gets nothing for that purpose.")
    if not delivery.payload.keys() <= row.allowed:
        raise NotAllowed("processor_fields", "That holds more than was agreed with this recipient.")
    ledger.append(
        tx,
        caller=caller,
        action="delivery.pass",
        object=delivery.about,
        purpose=delivery.purpose,
        reason="R-3.4",
        case=delivery.case,
        result=f"to-{row.id}.fields-{len(delivery.payload)}",
        now=now,
    )
    return dict(delivery.payload)


def _check(agreement: Agreement) -> None:
    texts = (agreement.name, agreement.region, agreement.security)
    if not all(text.strip() and len(text) <= 200 for text in texts):
        raise Invalid("agreement", "Name the recipient, the region and the security terms.")
    if agreement.purpose not in set(Purpose):
        raise Invalid("purpose", "Choose the purpose of the agreement.")
    if not agreement.fields or not all(_FIELD.fullmatch(each) for each in agreement.fields):
        raise Invalid("fields", "Name the fields, such as order_number, with blanks between them.")
    if not _CONTRACT.fullmatch(agreement.contract):
        raise Invalid("contract", "Give the number of the contract: letters, digits, dots and dashes.")
    if not 1 <= agreement.days <= LONGEST_DAYS:
        raise Invalid("days", "Say for how many days the agreement is valid: at most three years.")


def _written(tx: Transaction, caller: Caller, action: str, row: Processor, *, now: int) -> Processor:
    tx.session.add(row)
    tx.session.flush()
    about = ("processor", row.id)
    ledger.append(tx, caller=caller, action=action, object=about, reason="R-3.4", case=row.contract, now=now)
    tx.session.expunge(row)
    return row
