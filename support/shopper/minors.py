"""Minors: whoever says to be under age may read, and nothing more until a guardian has agreed (6(2)).

Danger. A minor's words or pictures taken without anybody's consent; a minor asked for more than is needed to find the
guardian; a consent that can be given by the minor's own address, or counted for another minor.

Principle. The one thing asked is the guardian's address, and only its keyed hash is kept. A code sent there and typed
in the minor's own browser proves that the guardian was asked; the same act agrees to the version that was shown. Both
are bound to the minor's subject and to that version: the next version needs the guardian again.

Boundary. Saying to be a minor, the guest and the sign-in are one transaction. The code is used up in the transaction
that keeps the consent; a wrong one is counted in one that commits, and refused after it.
"""

from dataclasses import dataclass

from sqlmodel import SQLModel, col, select, update

from core import ids
from core.database import Transaction, insert_ignore
from core.identity import acknowledgements, codes, people, signins
from core.identity.acknowledgements import Shown
from core.identity.callers import Caller
from core.identity.codes import Asker, CodePurpose, Issued, Typed, WrongCode
from core.identity.models import Person, SignIn
from core.identity.signins import Fresh, Holder
from core.refusals import Conflict, Invalid, NotAllowed, NotSignedIn
from core.services import Core
from support.shopper.models import GuardianConsent, Minor

METHOD = "email_code"
CHANNEL = "guardian"
STRANGER = Caller("visitor", "")


@dataclass(frozen=True, slots=True)
class Declared:
    """A minor on record, with a new sign-in."""

    caller: Caller
    sign_in: Fresh


def needs_guardian(tx: Transaction, core: Core, subject: str) -> bool:
    """Whether `subject` said to be a minor and no guardian has agreed to the version in force."""
    return tx.session.get(Minor, subject) is not None and not _has_consent(tx, core, subject)


def require_guardian(tx: Transaction, core: Core, subject: str) -> None:
    """Refuse messages, files, orders and proofs of a declared minor without a guardian. Raises: NotAllowed."""
    if needs_guardian(tx, core, subject):
        raise NotAllowed("guardian_needed", "A parent or guardian must agree before you can write to us.")


def declare(tx: Transaction, core: Core, caller: Caller | None, device: str, *, now: int) -> Declared:
    """Keep that somebody said to be under age; of a stranger, that is all there is.

    Every sign-in of hers ends with its sockets, so nothing goes on that was open before she said so.
    """
    if caller is None:
        visitor = people.welcome_visitor(tx, now=now)
        caller = Caller("visitor", visitor, name=people.guest_name(visitor))
    signins.end_all(tx, core.hub, caller.kind, caller.id)
    holder = Holder(caller.kind, caller.id, caller.proof, device=device)
    sign_in = signins.start(tx, core.hub, holder, now=now)
    tx.execute(update(SignIn).where(col(SignIn.id) == sign_in.id).values(proven_ms=caller.proven_ms))
    table = SQLModel.metadata.tables["minor"]
    insert_ignore(tx, table, [{"subject": caller.ref, "declared_ms": now}], ("subject",))
    return Declared(caller, sign_in)


async def ask_guardian(core: Core, minor: Caller, address: str, asker: Asker, *, now: int) -> Issued:
    """Send the guardian a code; the answer is the same for every valid address but the minor's own.

    Raises:
        Invalid: not an address, or the minor's own. TooMany: asked too fast.
    """
    mac = people.address_mac(core.vault, people.normalise(address))
    await core.database.read(_refuse_own, minor, mac)
    return await codes.request(core, address, asker, CodePurpose.GUARDIAN, now=now)


async def consent(core: Core, minor: Caller, typed: Typed, shown: Shown, *, now: int) -> None:
    """Keep that the guardian who read the code agreed, for this minor, to the version that was shown.

    Raises:
        Conflict: code `policy_changed`: another version was shown than the one in force.
        WrongCode: for every code that does not work.
    """
    assert typed.purpose is CodePurpose.GUARDIAN, "no other code is a guardian's"
    if shown.policy_version != core.policy.version:
        raise Conflict("policy_changed", "Our policy has changed. Please read the new notice and agree to it.")
    await core.limits.spend("codes.tries", typed.asker.network)
    if not await core.database.write(_consent, core, minor, typed, shown, now=now):
        raise WrongCode


def carry_over(tx: Transaction, guest: str, person: str) -> None:
    """A guest who said to be a minor stays one when she proves an address; the guardian's consent goes with her."""
    tables = SQLModel.metadata.tables
    declared = tx.session.get(Minor, guest)
    if declared is None:
        return
    insert_ignore(tx, tables["minor"], [{"subject": person, "declared_ms": declared.declared_ms}], ("subject",))
    hers = tx.session.get(Person, person.removeprefix("person:"))
    given = select(GuardianConsent).where(GuardianConsent.minor_ref == guest)
    if hers is not None:  # who turns out to have given her own address has no guardian yet
        given = given.where(GuardianConsent.guardian_mac != hers.email_mac)
    for row in tx.session.exec(given).all():
        copied = {**row.model_dump(), "id": ids.new(), "minor_ref": person}
        insert_ignore(tx, tables["guardian_consent"], [copied], ("minor_ref", "policy_version"))


def _consent(tx: Transaction, core: Core, minor: Caller, typed: Typed, shown: Shown, *, now: int) -> bool:
    if tx.session.get(Minor, minor.ref) is None:
        raise NotSignedIn
    address = codes.redeem(tx, core, typed, now=now)
    if address is None:
        return False
    mac = people.address_mac(core.vault, address)
    _refuse_own(tx, minor, mac)
    row = {
        "id": ids.new(),
        "minor_ref": minor.ref,
        "guardian_mac": mac,
        "policy_version": shown.policy_version,
        "policy_sha256": shown.policy_sha256,
        "locale": shown.locale,
        "method": METHOD,
        "at_ms": now,
    }
    insert_ignore(tx, SQLModel.metadata.tables["guardian_consent"], [row], ("minor_ref", "policy_version"))
    acknowledgements.record(tx, minor.ref, shown, "consent", now=now)
    return True


def _has_consent(tx: Transaction, core: Core, subject: str) -> bool:
    given = select(GuardianConsent.id).where(
        GuardianConsent.minor_ref == subject,
        GuardianConsent.policy_version == core.policy.version,
        GuardianConsent.policy_sha256 == core.policy.sha256,
    )
    return tx.session.exec(given).first() is not None


def _refuse_own(tx: Transaction, minor: Caller, mac: bytes) -> None:
    own = select(Person.id).where(Person.id == minor.id, Person.email_mac == mac, col(Person.erased_ms).is_(None))
    if minor.kind == "person" and tx.session.exec(own).first() is not None:
        raise Invalid("own_address", "This is your own address. Please give the address of a parent or guardian.")
