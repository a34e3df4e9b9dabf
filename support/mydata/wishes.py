"""Wishes: what a person asks on her own page is a request like any other, and ends with what was done (5(2)2)."""

from typing import Final

from core.database import Transaction
from core.identity.callers import SYSTEM, Caller
from core.refusals import Conflict
from core.services import Core
from core.web import i18n
from support.rights import answering, proving, requests, steps
from support.rights.models import BEFORE_WORK, OPEN, Channel, Kind, Level, State
from support.rights.proving import Proof
from support.rights.requests import Asked, Received

__all__ = ["Received", "grant", "hear", "prove", "signed_in", "take_back"]

LATER: Final = (
    "Your address is new to us, so a code is not enough for this. We have your request and will write to you."
)


async def hear(
    core: Core, caller: Caller, kind: Kind, locale: str, *, words: str = "", conversation: str | None = None, now: int
) -> Received:
    """Receive the wish, which joins an open one of its kind; her fresh code proves who she is where one is needed."""
    await core.limits.spend("rights.person", caller.ref)
    asked = Asked(kind, Channel.MY_DATA, caller.ref, words=words, locale=locale, conversation=conversation)
    return await requests.take(core, caller, asked, now=now)


def prove(tx: Transaction, core: Core, caller: Caller, request_id: str, *, now: int) -> None:
    """Note that she has just shown who she is.

    Raises:
        Conflict: code `level`, when a code is too little for now; the request stands, and the desk goes on with it.
    """
    row = steps.find(tx, request_id)
    if row.identity_needed > Level.I1:
        raise Conflict("level", LATER)
    if row.state in (State.RECEIVED, State.IDENTITY_PENDING):
        proving.prove_identity(tx, core, caller, request_id, Proof("email_code"), now=now)


def signed_in(tx: Transaction, core: Core, caller: Caller, request_id: str, *, now: int) -> None:
    """Note that she is signed in by a code to her address, which is all that correcting and reading need."""
    assert caller.kind == "person", "only a person signs in with a code"
    assert caller.proof == "email_code"
    if steps.find(tx, request_id).state in (State.RECEIVED, State.IDENTITY_PENDING):
        proving.prove_identity(tx, core, SYSTEM, request_id, Proof("email_code"), now=now)


def grant(tx: Transaction, core: Core, request_id: str | None, answer: str, *, now: int) -> None:
    """Answer with what the product has just done by itself; does nothing for one that is decided already."""
    if request_id is None:
        return
    row = steps.find(tx, request_id)
    if row.state not in OPEN:
        return
    if row.state in BEFORE_WORK:
        requests.begin(tx, core, SYSTEM, request_id, now=now)
    answering.fulfil(tx, core, SYSTEM, request_id, i18n.gettext(row.locale, answer), now=now)
    requests.close(tx, core, SYSTEM, request_id, now=now)


def take_back(tx: Transaction, core: Core, caller: Caller, request_id: str | None, *, now: int) -> None:
    """She has thought better of it; does nothing for one that is decided already."""
    if request_id is not None and steps.find(tx, request_id).state in OPEN:
        requests.withdraw(tx, core, caller, request_id, now=now)
