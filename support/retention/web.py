"""The retention board's doors: the page, the holds' forms, and an officer's word to a sweep that was stopped.

Supervisors propose and privacy officers decide; administrators and auditors read. No name and no address is ever
typed here: what is held is named by its identifier, and every reason is the number of a document.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from core import clock, ids
from core.database import Transaction
from core.holdings import Holding, Ref
from core.identity import Caller, Role
from core.refusals import Invalid, NotFound, Refusal
from core.services import core_of
from core.web.bodies import form
from support.desk.badges import ROLE_LABELS, show, staff_page
from support.desk.words import _
from support.privacy import confirming, holds
from support.privacy.holds import Wanted
from support.privacy.models import Hold
from support.retention import board

READERS = (Role.SUPERVISOR, Role.PRIVACY_OFFICER, Role.ADMIN, Role.AUDITOR)
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,59}")
KINDS = {
    "conversation": _("A conversation"),
    "attachment": _("A picture or video"),
    "order": _("An order"),
    "person": _("Everything of a customer"),
    "visitor": _("Everything of a guest"),
}
assert tuple(KINDS) == holds.KINDS
STATES = {
    "running": _("At work"),
    "done": _("Done"),
    "braked": _("Stopped by the brake"),
    "failed": _("Failed"),
    "lost": _("Its process ended"),
}
SAID = {
    "proposed": _("Proposed. An officer decides."),
    "set": _("The hold is in force."),
    "accepted": _("The hold is in force."),
    "declined": _("The proposal was declined."),
    "renewed": _("The next review is noted."),
    "asked": _("A second officer has to agree."),
    "released": _("The hold is lifted. What it had deferred goes on by itself."),
    "confirmed": _("The sweep goes on. Look at the last sweeps in a moment."),
}


@dataclass(frozen=True)
class Asked:
    """What the form for a hold held, given back as it was typed."""

    kind: str = "conversation"
    id: str = ""
    ground: str = "COURT"
    reference: str = ""
    case: str = ""
    days: str = "30"


@staff_page(*READERS)
async def look(request: Request, caller: Caller) -> Response:
    """The board."""
    return await _board(request, caller)


@staff_page(Role.SUPERVISOR, Role.PRIVACY_OFFICER)
async def ask(request: Request, caller: Caller) -> Response:
    """A new hold: in force when an officer asks, a proposal when a supervisor does."""
    fields = await form(request)
    asked = Asked(
        *(fields.get(name, "").strip()[:64] for name in ("kind", "id", "ground", "reference", "case", "days"))
    )
    core, is_officer = core_of(request), caller.role is Role.PRIVACY_OFFICER
    verb = holds.place if is_officer else holds.propose
    try:
        await core.database.write(verb, core, _holdings(request), caller, _wanted(asked), now=clock.now())
        await holds.note(core)
    except Refusal as refusal:
        return await _board(request, caller, asked=asked, refused=refusal)
    return _said("set" if is_officer else "proposed")


@staff_page(Role.PRIVACY_OFFICER)
async def accept(request: Request, caller: Caller) -> Response:
    """A supervisor's proposal comes into force."""
    return await _decide(request, caller, "accepted", holds.accept)


@staff_page(Role.PRIVACY_OFFICER)
async def decline(request: Request, caller: Caller) -> Response:
    """A supervisor's proposal is let go."""
    return await _decide(request, caller, "declined", holds.decline)


@staff_page(Role.PRIVACY_OFFICER)
async def renew(request: Request, caller: Caller) -> Response:
    """A hold is looked at and still needed, for as long as the policy lets it go unlooked at."""
    policy = core_of(request).policy
    verb = partial(holds.renew, policy=policy, days=policy.number("refusal_review_days"))
    return await _decide(request, caller, "renewed", verb)


@staff_page(Role.PRIVACY_OFFICER)
async def ask_release(request: Request, caller: Caller) -> Response:
    """The first officer says that a hold is no longer needed."""
    return await _decide(request, caller, "asked", holds.ask_release)


@staff_page(Role.PRIVACY_OFFICER)
async def release(request: Request, caller: Caller) -> Response:
    """The second officer agrees."""
    return await _decide(request, caller, "released", holds.release)


@staff_page(Role.PRIVACY_OFFICER)
async def confirm(request: Request, caller: Caller) -> Response:
    """A sweep that the brake has stopped may go on, as far as it was seen."""
    fields = await form(request)
    core, reference = core_of(request), fields.get("reference", "").strip()
    try:
        _check_references(reference)
        objects = int(fields.get("objects", "0"))
        await core.database.write(confirming.confirm, caller, objects, reference, now=clock.now())
    except ValueError:
        raise NotFound from None
    except Refusal as refusal:
        return await _board(request, caller, refused=refusal)
    return _said("confirmed")


class _Decision(Protocol):
    def __call__(self, tx: Transaction, caller: Caller, hold_id: str, /, *, now: int) -> Hold: ...


async def _decide(request: Request, caller: Caller, said: str, verb: _Decision) -> Response:
    """The board again, after an officer's decision about a hold, or with the reason why it does not stand."""
    await form(request)
    core, hold_id = core_of(request), str(request.path_params["hold"])
    try:
        await core.database.write(verb, caller, hold_id, now=clock.now())
    except NotFound:
        raise
    except Refusal as refusal:
        return await _board(request, caller, refused=refusal)
    await holds.note(core)
    return _said(said)


async def _board(
    request: Request, caller: Caller, *, asked: Asked | None = None, refused: Refusal | None = None
) -> Response:
    core, now = core_of(request), clock.now()
    return show(
        request,
        caller,
        "retention/board.html",
        here="retention",
        status=refused.status if refused else 200,
        board=await core.database.read(board.read, _holdings(request), core.policy, caller, now=now),
        now=now,
        policy=core.policy,
        grounds=holds.grounds(core.policy),
        longest=core.policy.number("refusal_review_days"),
        kinds=KINDS,
        states=STATES,
        roles=ROLE_LABELS,
        is_officer=caller.role is Role.PRIVACY_OFFICER,
        may_ask=caller.role in (Role.SUPERVISOR, Role.PRIVACY_OFFICER),
        me=caller.ref,
        asked=asked or Asked(),
        said=SAID.get(request.query_params.get("said", "")) if refused is None else None,
        refused=refused.sentence if refused else None,
    )


def _wanted(asked: Asked) -> Wanted:
    """Raises: Invalid for what is no identifier, no number, or could be a person."""
    _check_references(asked.reference, asked.case)
    if not ids.is_id(asked.id):
        raise Invalid("object", _("Copy the identifier of what is to be held: 32 letters and digits."))
    if not asked.days.isdecimal():
        raise Invalid("review", _("Say in how many days the hold is looked at again."))
    return Wanted(Ref(asked.kind, asked.id), asked.ground, asked.reference, asked.case, int(asked.days))


def _check_references(*references: str) -> None:
    if not all(REFERENCE.fullmatch(each) for each in references):
        raise Invalid("reference", _("A reference is a number such as CASE-118: letters, digits, dots and dashes."))


def _said(what: str) -> Response:
    return RedirectResponse(f"/retention?said={what}", status_code=303)


def _holdings(request: Request) -> Sequence[Holding]:
    """What all rooms of this house keep about people."""
    kept: Sequence[Holding] = request.app.state.house.holdings
    return kept


routes = [
    Route("/retention", look, methods=["GET"]),
    Route("/retention/confirm", confirm, methods=["POST"]),
    Route("/retention/holds", ask, methods=["POST"]),
    Route("/retention/holds/{hold}/accept", accept, methods=["POST"]),
    Route("/retention/holds/{hold}/decline", decline, methods=["POST"]),
    Route("/retention/holds/{hold}/renew", renew, methods=["POST"]),
    Route("/retention/holds/{hold}/ask-release", ask_release, methods=["POST"]),
    Route("/retention/holds/{hold}/release", release, methods=["POST"]),
]
