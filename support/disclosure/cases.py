"""Disclosure cases: who may have what about whom, on which ground, approved by which two people.

Danger. A friendly voice on the telephone, an order for one week answered with ten years, one person who decides alone,
a person who never learns that strangers read her words.

Principle. A case is the only way out for content. It names one ground of the policy and brings what that ground
demands; it holds the fewest things that answer the demand; two different people approve, one of them a privacy
officer, and they approve exactly what is in it then: whatever changes afterwards makes their approval void. Serious
harm may go out on the officer's word alone, and reports itself when the second does not follow in time.

Boundary. A verb is one transaction with its ledger entry, which names the case and never what it says.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
from sqlalchemy import delete
from sqlmodel import col, select

from chat import numbering
from chat.statements import CONVERSATION
from core import jobs, ledger
from core.clock import DAY
from core.database import Transaction, row_lock
from core.holdings import Holding
from core.identity import acknowledgements, permissions
from core.identity.callers import Caller, Role
from core.identity.permissions import Operation, Purpose, Resource
from core.refusals import Conflict, Invalid, NotAllowed, NotFound
from core.services import Core
from support.disclosure import grounds, sealing
from support.disclosure.grounds import GROUNDS
from support.disclosure.models import Disclosure, DisclosureApproval, DisclosureItem
from support.disclosure.sealing import Fresh
from support.processors import register

UNAPPROVED: Final = "disclosure.harm"
DOCUMENT_LIMIT: Final = 4 * 1024 * 1024
CONSENT_CHANNEL: Final = "disclosure"
_PURPOSES: Final = {grounds.HARM: Purpose.P6_FRAUD_HARM, grounds.HAZARD: Purpose.P6_FRAUD_HARM}


@dataclass(frozen=True)
class Asked:
    """What somebody wants given: `reference` is the number of the demand, a code; `facts` are sealed."""

    ground: str
    subject: str
    reference: str
    facts: Mapping[str, str]
    processor: str | None = None


@dataclass(frozen=True)
class Item:
    """One thing to give: an object, of a conversation only the entries `first` to `last`; or a class of metadata."""

    kind: str
    id: str
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True)
class Standing:
    """A case as it stands: what is missing, who approved it as it is now, and whether it may go out."""

    row: Disclosure
    items: Sequence[DisclosureItem]
    missing: Sequence[str]
    approvals: Sequence[DisclosureApproval]
    is_cleared: bool


def every(tx: Transaction, caller: Caller) -> list[Disclosure]:
    """The register, the youngest first. Raises: NotFound for roles that have nothing to do with it."""
    permissions.require(caller, Operation.READ_DISCLOSURES, Resource("disclosures", "all"))
    found = list(tx.session.exec(select(Disclosure).order_by(col(Disclosure.opened_ms).desc(), Disclosure.id)))
    tx.session.expunge_all()
    return found


def open_(tx: Transaction, core: Core, caller: Caller, fresh: Fresh, asked: Asked, *, now: int) -> Disclosure:
    """Open a case; nothing is chosen yet. Raises: Refusal."""
    if asked.ground not in GROUNDS:
        raise Invalid("ground", "Choose one of the grounds of the policy.")
    _may_prepare(caller, asked.ground, fresh.id)
    if asked.ground == grounds.PUBLIC and caller.role is not Role.PRIVACY_OFFICER:
        raise NotAllowed("officers_reasoning", "The privacy officer writes down the reasons for this ground.")
    row = Disclosure(
        id=fresh.id,
        dek_id=fresh.key.id,
        ground=asked.ground,
        subject=asked.subject,
        reference=asked.reference,
        processor_id=asked.processor or None,
        facts_sealed=sealing.seal_facts(core, fresh.key, fresh.id, asked.facts),
        opened_by=caller.ref,
        opened_role=str(caller.role),
        opened_ms=now,
    )
    return _written(tx, caller, "disclosure.open", row, now=now)


def attach(tx: Transaction, core: Core, caller: Caller, case_id: str, document: bytes, *, now: int) -> Disclosure:
    """Keep the demand itself, sealed, with its SHA-256. Raises: Refusal."""
    row = _open_case(tx, caller, case_id)
    if not 0 < len(document) <= DOCUMENT_LIMIT:
        raise Invalid("document", "The document must hold something, and at most 4 MB.")
    row.document_sealed = sealing.seal_document(core, row, document)
    row.document_sha256 = hashlib.sha256(document).hexdigest()
    return _written(tx, caller, "disclosure.document", row, now=now)


def choose(  # noqa: PLR0917  (what of whose goes into which case)
    tx: Transaction,
    core: Core,
    holdings: Sequence[Holding],
    caller: Caller,
    case_id: str,
    items: Sequence[Item],
    *,
    now: int,
) -> Disclosure:
    """Say what exactly is to be given; what was chosen before is replaced, and a conversation ends where it ends now.

    Raises:
        Refusal: something does not go with the ground, the subject or the caller.
    """
    row = _open_case(tx, caller, case_id)
    _check_items(tx, core, holdings, row, items, now=now)
    _check_team(tx, caller, row, items)
    fixed = [_fixed(tx, item) for item in items]
    tx.execute(delete(DisclosureItem).where(col(DisclosureItem.disclosure_id) == row.id))
    for item in fixed:
        tx.session.add(
            DisclosureItem(disclosure_id=row.id, kind=item.kind, object_id=item.id, first=item.first, last=item.last)
        )
    return _written(tx, caller, "disclosure.choose", row, result=f"items-{len(items)}", now=now)


def standing(tx: Transaction, core: Core, caller: Caller, case_id: str, *, now: int) -> Standing:
    """The case as it stands. Raises: NotFound."""
    permissions.require(caller, Operation.READ_DISCLOSURES, Resource("disclosures", "all"))
    row = tx.session.get(Disclosure, case_id)
    if row is None:
        raise NotFound
    return _standing(tx, core, row, now=now)


def approve(tx: Transaction, core: Core, caller: Caller, case_id: str, *, now: int) -> Standing:
    """Approve what is in the case now, as one of two different people. Raises: Refusal."""
    row = _locked(tx, case_id)
    operation = Operation.APPROVE_EXPORT if caller.role is Role.PRIVACY_OFFICER else Operation.SECOND_EXPORT
    permissions.require(caller, operation, Resource("disclosure", row.id), _purpose(row.ground), case=row.id)
    if row.closed_ms is not None or (row.given_ms is not None and row.ground != grounds.HARM):
        raise Conflict("disclosure_state", "This case is decided already.")
    now_stands = _standing(tx, core, row, now=now)
    if now_stands.missing or not now_stands.items:
        raise Conflict("disclosure_incomplete", "The case does not hold yet what its ground demands.")
    tx.session.merge(
        DisclosureApproval(
            disclosure_id=row.id, by=caller.ref, role=str(caller.role), digest=_digest(tx, row), at_ms=now
        )
    )
    _written(tx, caller, "disclosure.approve", row, now=now)
    return standing(tx, core, caller, case_id, now=now)


def preview(tx: Transaction, core: Core, caller: Caller, case_id: str, *, now: int) -> Standing:
    """Let an approver look at what would go out; the look is entered before anything is shown. Raises: Refusal."""
    row = _locked(tx, case_id)
    about = Resource("disclosure", row.id)
    permissions.require(caller, Operation.SECOND_EXPORT, about, _purpose(row.ground), case=row.id)
    if not may_preview(caller, row):
        raise NotFound
    _written(tx, caller, "disclosure.preview", row, now=now)
    return standing(tx, core, caller, case_id, now=now)


def may_preview(caller: Caller, row: Disclosure) -> bool:
    """A supervisor looks only into a case of somebody else's: her own would open anybody's things to her."""
    return caller.role is not Role.SUPERVISOR or row.opened_by != caller.ref


def give(tx: Transaction, core: Core, caller: Caller, case_id: str, *, now: int) -> Standing:
    """Let it go out: entered before the first byte leaves. Raises: Refusal."""
    row = _of_officer(tx, caller, case_id)
    cleared = _standing(tx, core, row, now=now)
    if not cleared.is_cleared:
        raise NotAllowed("disclosure_unapproved", "Two different people must approve this case first.")
    if row.given_ms is None:
        row.given_by, row.given_ms = caller.ref, now
        if row.ground == grounds.HARM and len(cleared.approvals) < 2:
            row.harm_due_ms = now + core.policy.span_ms("harm_approval")
            jobs.enqueue(tx, UNAPPROVED, {"case": row.id}, run_ms=row.harm_due_ms, key=row.id)
    _written(tx, caller, "disclosure.give", row, result=f"items-{len(cleared.items)}", now=now)
    return standing(tx, core, caller, case_id, now=now)


def note_manifest(tx: Transaction, case_id: str, sha256: str) -> None:
    """Keep which archive it was."""
    row = tx.session.get_one(Disclosure, case_id)
    row.manifest_sha256 = sha256
    tx.session.add(row)


def report_unapproved(tx: Transaction, core: Core, caller: Caller, case_id: str, *, now: int) -> bool:
    """Say in the ledger and on the register that the second approval did not follow in time; whether it was so."""
    row = _locked(tx, case_id)
    approved = _standing(tx, core, row, now=now).approvals
    if len(approved) >= 2 or row.reported_ms is not None or row.harm_due_ms is None or now < row.harm_due_ms:
        return False
    row.reported_ms = now
    _written(tx, caller, "disclosure.unapproved", row, result="overdue", now=now)
    return True


def deliver(tx: Transaction, core: Core, caller: Caller, case_id: str, proof: str, *, now: int) -> Disclosure:
    """Note how it was handed over, and to whom. Raises: Refusal."""
    row = _of_officer(tx, caller, case_id)
    if row.given_ms is None:
        raise Conflict("disclosure_state", "Nothing of this case has gone out yet.")
    _note(core, row, "delivery", proof)
    row.delivered_ms = now
    return _written(tx, caller, "disclosure.deliver", row, now=now)


def tell(tx: Transaction, core: Core, caller: Caller, case_id: str, how: str, *, now: int) -> Disclosure:
    """Note that the person was told, also long after the case was closed. Raises: Refusal."""
    row = _for_officer(tx, caller, case_id)
    _note(core, row, "told", how)
    row.told_ms, row.barred_ms, row.barred_review_ms = now, None, None
    return _written(tx, caller, "disclosure.tell", row, now=now)


def bar(tx: Transaction, core: Core, caller: Caller, case_id: str, why: str, days: int, *, now: int) -> Disclosure:  # noqa: PLR0917
    """Note why the law forbids telling the person now, and when that is looked at again: then this, or `tell`.

    Raises:
        Refusal: no reason, a review beyond the policy's limit, or not hers to decide.
    """
    row = _for_officer(tx, caller, case_id)
    if not 1 <= days <= core.policy.number("refusal_review_days"):
        raise Invalid("review", "Choose a day on which this is looked at again, within the policy's limit.")
    _note(core, row, "barred", why)
    row.barred_ms, row.barred_review_ms = now, now + days * DAY
    return _written(tx, caller, "disclosure.bar", row, now=now)


def close(tx: Transaction, core: Core, caller: Caller, case_id: str, *, now: int) -> Disclosure:
    """End the case: given, handed over, and its subject told or lawfully not; or nothing given at all."""
    row = _of_officer(tx, caller, case_id)
    is_settled = row.delivered_ms is not None and (row.told_ms is not None or row.barred_ms is not None)
    if row.given_ms is not None and not is_settled:
        raise Conflict("disclosure_unsettled", "Note the hand-over and the notice to the person first.")
    if row.given_ms is not None and len(_standing(tx, core, row, now=now).approvals) < 2:
        raise Conflict("disclosure_unapproved", "Two different people must approve this case first.")
    row.closed_ms = now
    return _written(tx, caller, "disclosure.close", row, result="given" if row.given_ms else "nothing", now=now)


def _may_prepare(caller: Caller, ground: str, case_id: str) -> None:
    operation = Operation.APPROVE_EXPORT if caller.role is Role.PRIVACY_OFFICER else Operation.PROPOSE_EXPORT
    permissions.require(caller, operation, Resource("disclosure", case_id), _purpose(ground), case=case_id)


def _purpose(ground: str) -> Purpose:
    return _PURPOSES.get(ground, Purpose.P1_LEGAL)


def _locked(tx: Transaction, case_id: str) -> Disclosure:
    row = tx.session.exec(
        row_lock(tx, select(Disclosure).where(Disclosure.id == case_id))  # type: ignore[call-overload]  # locked
    ).one_or_none()
    if row is None:
        raise NotFound
    found: Disclosure = row
    return found


def _open_case(tx: Transaction, caller: Caller, case_id: str) -> Disclosure:
    row = _locked(tx, case_id)
    _may_prepare(caller, row.ground, case_id)
    if row.given_ms is not None or row.closed_ms is not None:
        raise Conflict("disclosure_state", "This case is decided already.")
    return row


def _for_officer(tx: Transaction, caller: Caller, case_id: str) -> Disclosure:
    row = _locked(tx, case_id)
    about = Resource("disclosure", row.id)
    permissions.require(caller, Operation.APPROVE_EXPORT, about, _purpose(row.ground), case=row.id)
    return row


def _of_officer(tx: Transaction, caller: Caller, case_id: str) -> Disclosure:
    row = _for_officer(tx, caller, case_id)
    if row.closed_ms is not None:
        raise Conflict("disclosure_state", "This case is decided already.")
    return row


def _check_items(
    tx: Transaction, core: Core, holdings: Sequence[Holding], row: Disclosure, items: Sequence[Item], *, now: int
) -> None:
    """Only kinds of this ground, and only what is the subject's. Raises: Invalid, NotAllowed, NotFound."""
    allowed = GROUNDS[row.ground].kinds
    if not items or not all(item.kind in allowed for item in items):
        raise Invalid("items", "This ground does not allow to give that.")
    if row.ground == grounds.HAZARD:
        if not {item.id for item in items} <= set(core.policy.codes("hazard_fields")):
            raise Invalid("items", "This ground does not allow to give that.")
        return
    if row.ground == grounds.CONTRACT:
        recipient = register.valid(tx, row.processor_id or "", now=now)
        if not {item.kind for item in items} <= recipient.allowed:
            raise NotAllowed("processor_fields", "That holds more than was agreed with this recipient.")
    hers = {held.object for holding in holdings for held in holding.of(tx, core.policy, row.subject)}
    if not all((item.kind, item.id) in hers for item in items):
        raise NotFound("no_such_object", "There is nothing with this identifier.")
    if not all(_is_range(item) for item in items):
        raise Invalid("range", "Give the first and the last entry of the conversation, in this order.")


def _check_team(tx: Transaction, caller: Caller, row: Disclosure, items: Sequence[Item]) -> None:
    """A supervisor proposes conversations of her own team only; an officer adds the rest. Raises: NotFound."""
    if caller.role is not Role.SUPERVISOR:
        return
    if any(item.kind != "conversation" for item in items):
        raise NotFound("officers_choice", "You can choose conversations of your team; a privacy officer adds the rest.")
    chosen = [item.id for item in items]
    for found in tx.execute(CONVERSATION.select().where(CONVERSATION.c.id.in_(chosen))):
        about = numbering.resource(found)
        permissions.require(caller, Operation.PROPOSE_EXPORT, about, _purpose(row.ground), case=row.id)


def _fixed(tx: Transaction, item: Item) -> Item:
    """A conversation with its last entry as of now: nobody approves what is written afterwards. Raises: Invalid."""
    if item.kind != "conversation":
        return item
    newest = int(tx.execute(select(CONVERSATION.c.last_pub_seq).where(CONVERSATION.c.id == item.id)).scalar_one())
    first, last = item.first or 1, min(item.last or newest, newest)
    if first > last:
        raise Invalid("range", "Give the first and the last entry of the conversation, in this order.")
    return replace(item, first=first, last=last)


def _is_range(item: Item) -> bool:
    return (item.first is None or item.first >= 1) and (item.last is None or item.last >= (item.first or 1))


def _standing(tx: Transaction, core: Core, row: Disclosure, *, now: int) -> Standing:
    items = _items(tx, row.id)
    missing = grounds.missing(row.ground, sealing.facts_of(core, row), has_document=row.document_sha256 is not None)
    missing += _lacking(tx, row, now=now)
    digest = _digest(tx, row)
    found = tx.session.exec(select(DisclosureApproval).where(DisclosureApproval.disclosure_id == row.id)).all()
    approvals = [each for each in found if each.digest == digest]
    officers = sum(each.role == Role.PRIVACY_OFFICER for each in approvals)
    enough = officers >= 1 and (len(approvals) >= 2 or row.ground == grounds.HARM)
    return Standing(row, items, missing, approvals, enough and bool(items) and not missing)


def _lacking(tx: Transaction, row: Disclosure, *, now: int) -> list[str]:
    """What has to be true outside the case: the recipient's row today, the person's own consent."""
    if row.ground == grounds.CONTRACT:
        try:
            register.valid(tx, row.processor_id or "", now=now)
        except NotAllowed:
            return ["processor"]
    if row.ground == grounds.BENEFIT:
        given = acknowledgements.all_of(tx, row.subject)
        if not any(each.kind == "consent" and each.channel == CONSENT_CHANNEL for each in given):
            return ["consent"]
    return []


def _items(tx: Transaction, case_id: str) -> list[DisclosureItem]:
    mine = select(DisclosureItem).where(DisclosureItem.disclosure_id == case_id)
    return list(tx.session.exec(mine.order_by(DisclosureItem.kind, DisclosureItem.object_id)))


def _digest(tx: Transaction, row: Disclosure) -> str:
    """Of all that an approval is about."""
    items = [(each.kind, each.object_id, each.first, each.last) for each in _items(tx, row.id)]
    sealed = hashlib.sha256(row.facts_sealed).hexdigest()
    about = (row.ground, row.subject, row.reference, row.processor_id, sealed, row.document_sha256, items)
    return hashlib.sha256(msgspec.json.encode(about)).hexdigest()


def _note(core: Core, row: Disclosure, name: str, text: str) -> None:
    if not text.strip():
        raise Invalid("note", "Write down how it was done.")
    notes = {**sealing.notes_of(core, row), name: text}
    row.notes_sealed = sealing.seal_facts(core, sealing.key_of(core, row), row.id, notes, "notes")


def _written(
    tx: Transaction, caller: Caller, action: str, row: Disclosure, *, result: str = "ok", now: int
) -> Disclosure:
    tx.session.add(row)
    tx.session.flush()
    kind, _, subject_id = row.subject.partition(":")
    ledger.append(
        tx,
        caller=caller,
        action=action,
        object=(kind, subject_id),
        purpose=_purpose(row.ground),
        reason=row.reference,
        case=row.id,
        result=f"{row.ground}.{result}",
        now=now,
    )
    return row
