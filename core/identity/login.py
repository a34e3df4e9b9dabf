"""Login: an address is proven and its owner signed in, in one transaction with the code that proves it.

Danger. A person whose key is destroyed because the browser went away at the wrong moment.

Principle. A newcomer's key is committed first. It is destroyed again only when the transaction certainly does not
stand; after a lost connection or a cancelled request it is kept, for the person may well have been made.

Boundary. The code, the person and the sign-in change in one transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core import mail
from core.database import Transaction
from core.identity import codes, people, signins
from core.identity.callers import Caller
from core.identity.codes import Asker, CodePurpose, Issued, Typed, WrongCode
from core.identity.people import NewKey
from core.identity.signins import Fresh, Holder
from core.refusals import NotAllowed, NotSignedIn, Refusal, Unavailable
from core.services import Core


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person who has just proved an address, and the new sign-in."""

    fresh: Fresh
    caller: Caller
    is_new: bool


async def ask(core: Core, address: str, asker: Asker, *, now: int) -> Issued:
    """Send a sign-in code; set the answer's challenge as the cookie `__Host-cx`."""
    return await codes.request(core, address, asker, CodePurpose.LOGIN, now=now)


async def confirm(core: Core, typed: Typed, *, now: int, replaces: Sequence[str] = ()) -> SignedIn:
    """Sign in whoever proves the address with the code; end the sign-ins that this one `replaces`.

    Raises:
        WrongCode: for every code that does not work, whatever the reason.
        TooMany: this network tries too fast.
    """
    await core.limits.spend("codes.tries", typed.asker.network)
    key = await _key_for_newcomer(core, typed, now=now)
    try:
        signed_in = await core.database.write(_confirm, core, typed, key, replaces, now=now)
    except Refusal:  # only then is it certain that nothing stands; a key too many harms nobody
        await people.discard_key(core, key)
        raise
    if signed_in is None or not signed_in.is_new:
        await people.discard_key(core, key)
    if signed_in is None:
        raise WrongCode
    return signed_in


async def ask_again(core: Core, caller: Caller, asker: Asker, purpose: CodePurpose, *, now: int) -> Issued:
    """Send a step-up code for something weighty to the caller's own address."""
    email = await core.database.read(_own_address, core, caller)
    return await codes.request(core, email, asker, purpose, now=now)


async def step_up(core: Core, caller: Caller, typed: Typed, *, now: int) -> str:
    """Prove the address again for something weighty; returns the new token of the same sign-in.

    Raises:
        WrongCode: also when the code proves somebody else's address.
    """
    await core.limits.spend("codes.tries", typed.asker.network)
    token = await core.database.write(_step_up, core, caller, typed, now=now)
    if token is None:
        raise WrongCode
    return token


def require_fresh_proof(core: Core, caller: Caller, *, now: int) -> None:
    """Refuse copies, deletion and a new address unless the address was proven minutes ago (clause 5(2)1).

    Raises:
        NotAllowed: code `proof_needed`: ask with `ask_again`, then `step_up`.
    """
    is_fresh = caller.proven_ms is not None and now < caller.proven_ms + core.policy.span_ms("step_up")
    if caller.kind != "person" or not is_fresh:
        raise NotAllowed("proof_needed", "Please prove your e-mail address with a new code first.")


def _confirm(
    tx: Transaction, core: Core, typed: Typed, key: NewKey | None, replaces: Sequence[str], *, now: int
) -> SignedIn | None:
    email = codes.redeem(tx, core, typed, now=now)
    if email is None:
        return None
    known = people.by_email(tx, core.vault, email)
    is_new = known is None
    if is_new and key is None:  # erased between our look and now: nothing stands, and the same code works again
        raise Unavailable
    person = people.find_or_create(tx, core.vault, email, key=key, now=now)
    if known is not None and people.was_away(known, core.policy, now=now):
        person.returned_ms = now
    person.verified_ms = now
    for replaced in replaces:
        signins.end(tx, core.hub, replaced)
    _tell_elsewhere(tx, core, person.id, email, typed.asker, now=now)
    fresh = signins.start(tx, core.hub, Holder("person", person.id, "email_code", device=typed.asker.device), now=now)
    caller = Caller(
        kind="person",
        id=person.id,
        name=people.shown_name(core.vault, person),
        sign_in=fresh.id,
        proof="email_code",
        proven_ms=now,
    )
    return SignedIn(fresh, caller, is_new)


def _tell_elsewhere(tx: Transaction, core: Core, person_id: str, email: str, asker: Asker, *, now: int) -> None:
    """Somebody who is signed in elsewhere is told of a sign-in on another kind of device (clause 3(3))."""
    known = {other.device for other in signins.all_of(tx, "person", person_id, now=now)}
    if known and asker.device not in known:
        context = {"device": asker.device, "page": f"{core.settings.public_url}/my-data"}
        mail.post(tx, core, to=email, template="signed_in", locale=asker.locale, context=context, now=now)


def _own_address(tx: Transaction, core: Core, caller: Caller) -> str:
    person = people.by_id(tx, caller.id) if caller.kind == "person" else None
    if person is None:
        raise NotSignedIn
    return people.email_of(core.vault, person)


def _step_up(tx: Transaction, core: Core, caller: Caller, typed: Typed, *, now: int) -> str | None:
    email = codes.redeem(tx, core, typed, now=now)
    person = people.by_email(tx, core.vault, email) if email else None
    if person is None or caller.kind != "person" or person.id != caller.id or caller.sign_in is None:
        return None
    return signins.prove_again(tx, caller.sign_in, now=now)


async def _key_for_newcomer(core: Core, typed: Typed, *, now: int) -> NewKey | None:
    """A committed key for the person this code would make; None for everyone known and for wrong codes."""
    email = await core.database.read(codes.foresee, core, typed, now=now)
    if email is None or await core.database.read(_is_known, core, email):
        return None
    return await people.prepare_key(core)


def _is_known(tx: Transaction, core: Core, email: str) -> bool:
    return people.by_email(tx, core.vault, email) is not None
