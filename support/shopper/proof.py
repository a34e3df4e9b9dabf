"""Proving an address inside the chat: a code is sent, typed, and the conversation becomes the person's.

Danger. A guest's conversation that goes to whoever signs in next in the same browser, or a guest's token that grows
into a person's.

Principle. Proving makes a new sign-in and never changes the guest's. A conversation changes hands only when she names
it with her code, and only while this browser holds the guest's sign-in that owns it (privacy.md section 4.3).

Boundary. The code, the person and the sign-in are one transaction (`login.confirm`); handing over is `identify`, which
may be done again; the guest's sign-in ends last, so a crash before leaves her able to repeat.
"""

from dataclasses import dataclass

from chat import conversations
from chat.conversations import Proven
from core.database import Transaction
from core.identity import acknowledgements, login, people, signins
from core.identity.callers import Caller
from core.identity.codes import Typed
from core.identity.signins import Fresh
from core.refusals import NotSignedIn
from core.services import Core
from media.uploads import Media
from support.shopper import minors, others


@dataclass(frozen=True, slots=True)
class Held:
    """The sign-ins that this browser holds: a guest's, a person's from before."""

    guest: Caller | None
    person: Caller | None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who she is now, her new sign-in, and whether the guest she was is gone."""

    person: Caller
    fresh: Fresh
    guest_has_left: bool


async def prove(core: Core, media: Media, typed: Typed, held: Held, conversation: str | None, *, now: int) -> SignedIn:
    """Sign in with a code; `conversation` of the guest, when named, becomes hers.

    Raises:
        WrongCode: for every code that does not work.
        NotFound: the conversation is not this guest's.
    """
    replaces = [held.person.sign_in] if held.person and held.person.sign_in else []
    signed_in = await login.confirm(core, typed, now=now, replaces=replaces)
    person = signed_in.caller
    if held.guest is not None:  # who said to be a minor stays one, whether or not anything of hers comes along
        await core.database.write(minors.carry_over, held.guest.ref, person.ref)
    if held.guest is None or conversation is None:
        return SignedIn(person, signed_in.fresh, guest_has_left=False)
    email = await core.database.read(address_of, core, person)
    await conversations.identify(core, media, conversation, Proven(held.guest, person, email), now=now)
    await core.database.write(_retire, core, held.guest, person)
    return SignedIn(person, signed_in.fresh, guest_has_left=True)


def address_of(tx: Transaction, core: Core, person: Caller) -> str:
    """The proven address of a person who is signed in."""
    found = people.by_id(tx, person.id) if person.kind == "person" else None
    if found is None:
        raise NotSignedIn
    return people.email_of(core.vault, found)


def leave(tx: Transaction, core: Core, sign_ins: list[str]) -> None:
    """Sign out of everything this browser holds; its sockets close after the commit."""
    for sign_in in sign_ins:
        signins.end(tx, core.hub, sign_in)


def _retire(tx: Transaction, core: Core, guest: Caller, person: Caller) -> None:
    acknowledgements.carry_over(tx, guest.ref, person.ref)
    others.carry_over(tx, guest.ref, person.ref)
    assert guest.sign_in is not None
    signins.end(tx, core.hub, guest.sign_in)
