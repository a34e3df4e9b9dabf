"""Profile: a person corrects the name she goes by and the address she signs in with (clause 5(1)1).

Danger. A stolen window that moves the account to another address; a change that nobody can trace.

Principle. A new address needs a code to the old one and a code to the new one, and no other code will do. What it was
before and what it is now stand sealed in the request. A new address ends every sign-in, and the old one is told.

Boundary. The code, the address, the sign-ins and the ledger entry are one transaction.
"""

import hmac
from dataclasses import dataclass
from typing import Final

from core import ledger, mail
from core.database import Transaction
from core.identity import codes, login, people, signins
from core.identity.callers import Caller
from core.identity.codes import Asker, CodePurpose, Issued, Typed, WrongCode
from core.identity.models import Person
from core.identity.signins import Fresh, Holder
from core.refusals import NotSignedIn
from core.services import Core
from support.mydata import wishes
from support.rights.models import Kind

RULE: Final = "R-5.1.1a"
CORRECTED: Final = "Your profile is corrected."


@dataclass(frozen=True)
class Passed:
    """That the old address was proven a moment ago, in this sign-in, for exactly this new one."""

    until_ms: int
    proof: str


async def rename(core: Core, caller: Caller, name: str, locale: str, *, now: int) -> None:
    """Correct the name. Raises: Invalid."""
    before = await core.database.write(_rename, core, caller, name, now=now)
    await _hear(core, caller, f"{before or '–'} → {' '.join(name.split())}", locale, now=now)


async def ask_old(core: Core, caller: Caller, address: str, asker: Asker, *, now: int) -> Issued:
    """Send a code to the address she has, for moving to another. Raises: Invalid, TooMany."""
    people.normalise(address)
    return await login.ask_again(core, caller, asker, CodePurpose.EMAIL_CHANGE_OLD, now=now)


async def ask_new(core: Core, caller: Caller, typed: Typed, address: str, *, now: int) -> tuple[Issued, Passed]:
    """Prove the old address with its code; send one to the new address. Raises: WrongCode, Invalid, TooMany."""
    email = people.normalise(address)
    await core.limits.spend("codes.tries", typed.asker.network)
    if not await core.database.write(_prove_old, core, caller, typed, now=now):
        raise WrongCode
    issued = await codes.request(core, email, typed.asker, CodePurpose.EMAIL_CHANGE_NEW, now=now)
    until_ms = now + core.policy.span_ms("step_up")
    return issued, Passed(until_ms, _proof(core, caller, email, until_ms))


async def move(core: Core, caller: Caller, typed: Typed, passed: Passed, *, now: int) -> Fresh:
    """Prove the new address with its code; it is hers from now on, and every sign-in but the new one ends.

    Raises: WrongCode, also when somebody else signs in with that address.
    """
    await core.limits.spend("codes.tries", typed.asker.network)
    moved = await core.database.write(_move, core, caller, typed, passed, now=now)
    if moved is None:
        raise WrongCode
    fresh, words = moved
    await _hear(core, caller, words, typed.asker.locale, now=now)
    return fresh


def _rename(tx: Transaction, core: Core, caller: Caller, name: str, *, now: int) -> str | None:
    person = _person(tx, caller)
    before = people.name_of(core.vault, person)
    people.rename(tx, core.vault, person, name)
    _note(tx, caller, "person.rename", now=now)
    return before


def _prove_old(tx: Transaction, core: Core, caller: Caller, typed: Typed, *, now: int) -> bool:
    assert typed.purpose is CodePurpose.EMAIL_CHANGE_OLD
    email = codes.redeem(tx, core, typed, now=now)
    return email is not None and email == people.email_of(core.vault, _person(tx, caller))


def _move(
    tx: Transaction, core: Core, caller: Caller, typed: Typed, passed: Passed, *, now: int
) -> tuple[Fresh, str] | None:
    assert typed.purpose is CodePurpose.EMAIL_CHANGE_NEW
    email = codes.redeem(tx, core, typed, now=now)
    if email is None or people.by_email(tx, core.vault, email) is not None:
        return None
    if passed.until_ms <= now or not hmac.compare_digest(_proof(core, caller, email, passed.until_ms), passed.proof):
        return None
    person = _person(tx, caller)
    before = people.email_of(core.vault, person)
    people.move(tx, core.vault, person, email, now=now)
    signins.end_all(tx, core.hub, "person", person.id)
    fresh = signins.start(tx, core.hub, Holder("person", person.id, "email_code", device=typed.asker.device), now=now)
    mail.post(tx, core, to=before, template="address_moved", locale=typed.asker.locale, context={}, now=now)
    _note(tx, caller, "person.move", now=now)
    return fresh, f"{before} → {email}"


async def _hear(core: Core, caller: Caller, words: str, locale: str, *, now: int) -> None:
    wish = await wishes.hear(core, caller, Kind.CORRECT, locale, words=words, now=now)
    await core.database.write(_done, core, caller, wish.id, now=now)


def _done(tx: Transaction, core: Core, caller: Caller, request_id: str, *, now: int) -> None:
    wishes.signed_in(tx, core, caller, request_id, now=now)
    wishes.grant(tx, core, request_id, CORRECTED, now=now)


def _person(tx: Transaction, caller: Caller) -> Person:
    person = people.by_id(tx, caller.id) if caller.kind == "person" else None
    if person is None:
        raise NotSignedIn
    return person


def _proof(core: Core, caller: Caller, email: str, until_ms: int) -> str:
    parts = (b"address/v1", (caller.sign_in or "").encode(), email.encode(), str(until_ms).encode())
    return core.vault.mac("session", *parts).hex()


def _note(tx: Transaction, caller: Caller, action: str, *, now: int) -> None:
    about = (caller.kind, caller.id)
    ledger.append(tx, caller=caller, action=action, object=about, purpose="P1_LEGAL", reason=RULE, now=now)
