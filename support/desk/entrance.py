"""The entrance: signing in with two factors, the confidentiality agreement, the language, and the way out.

Danger. A form that tells who works here, a planted cookie that a colleague signs into, and content on a shared screen
after somebody left.

Principle. Every refusal of the form is the same sentence; whatever was typed wrong, the password and the code come
back empty. Signing in starts a new sign-in and ends the one the browser carried; signing out ends it for every socket
and tells the browser to forget its caches.
"""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from core import clock, ledger
from core.database import Transaction
from core.identity import Caller, access, agreement, signins, staff
from core.identity.models import StaffMember
from core.refusals import Invalid, NotSignedIn, Refusal, TooMany
from core.services import core_of
from core.web import i18n
from core.web.bodies import form
from core.web.rendering import render
from support.desk import badges
from support.desk.words import _

_SAID = {"out=1": _("You are signed out."), "ended=1": _("Your sign-in has ended. Sign in to go on.")}
BACKS = {
    "desk": "/desk",
    "review": "/review",
    "rights": "/rights",
    "admin": "/admin",
    "retention": "/retention",
    "processors": "/processors",
    "disclosures": "/disclosures",
    "policy": "/policy/register",
    "access": "/admin/access",
    "incidents": "/admin/incidents",
}


async def door(request: Request) -> Response:
    """The sign-in page; who is signed in already goes on."""
    if await _signed_in(request):
        return RedirectResponse("/desk", status_code=303)
    return _door(request, login="", refused=None)


async def sign_in(request: Request) -> Response:
    """Sign in by password and code, or say the one sentence that tells nothing."""
    fields = await form(request)
    login = fields.get("login", "")[:80]
    typed = staff.Credentials(
        login=login,
        password=fields.get("password", "")[:1024],
        totp=fields.get("totp", "")[:40],
        network=access.network(request),
        device=access.device(request),
    )
    core, now = core_of(request), clock.now()
    before = await _signed_in(request)
    try:
        fresh = await staff.sign_in(core, typed, now=now)
    except (Invalid, TooMany) as refusal:
        return _door(request, login=login, refused=refusal)
    if before and before.sign_in:
        await core.database.write(signins.end, core.hub, before.sign_in)
    response = RedirectResponse("/desk/welcome", status_code=303)
    access.set_cookie(response, "staff", fresh.token)
    return response


async def welcome(request: Request) -> Response:
    """The way from the door to the first page of a role, past the agreement."""
    caller = await access.newcomer(request)
    if caller.role is None:
        return RedirectResponse("/desk/agreement", status_code=303)
    return RedirectResponse(badges.badge(caller).home, status_code=303)


async def read_agreement(request: Request) -> Response:
    """The confidentiality agreement, to be read before anything else."""
    caller = await access.newcomer(request)
    return _agreement(request, caller, refused=None)


async def accept_agreement(request: Request) -> Response:
    """Accept the agreement in the version that was shown."""
    caller = await access.newcomer(request)
    fields = await form(request)
    try:
        if fields.get("agreed") != "yes":
            raise Invalid("not_agreed", _("Please tick the box to accept the agreement."))
        await core_of(request).database.write(_sign, caller, fields.get("version", ""), now=clock.now())
    except Refusal as refusal:
        return _agreement(request, caller, refused=refusal)
    return RedirectResponse("/desk/welcome", status_code=303)


async def sign_out(request: Request) -> Response:
    """End the sign-in, its sockets and what the browser keeps."""
    caller = await access.newcomer(request)
    await form(request)
    core = core_of(request)
    if caller.sign_in:
        await core.database.write(signins.end, core.hub, caller.sign_in)
    response = RedirectResponse("/desk/sign-in?out=1", status_code=303)
    access.clear(response, "staff")
    response.headers["clear-site-data"] = '"cache", "storage"'
    return response


async def choose_language(request: Request) -> Response:
    """Remember the language of a member of staff."""
    caller = await access.newcomer(request)
    fields = await form(request)
    if fields.get("lang") not in i18n.LANGUAGES:
        raise Invalid("language", _("We do not speak that language yet."))
    await core_of(request).database.write(_choose_language, caller.id, fields["lang"])
    return RedirectResponse(BACKS.get(fields.get("back", ""), "/desk"), status_code=303)


def _sign(tx: Transaction, caller: Caller, version: str, *, now: int) -> None:
    """The signature and its entry in the ledger, which outlives the next signature."""
    staff.sign_agreement(tx, caller, version, now=now)
    ledger.append(tx, caller=caller, action="agreement.sign", object=("agreement", version), reason="R-3.2b", now=now)


def _choose_language(tx: Transaction, staff_id: str, language: str) -> None:
    member = tx.session.get(StaffMember, staff_id)
    if member is not None:
        member.language = language
        tx.session.add(member)


async def _signed_in(request: Request) -> Caller | None:
    try:
        return await access.newcomer(request)
    except NotSignedIn:
        return None


def _door(request: Request, *, login: str, refused: Refusal | None) -> Response:
    return render(
        request,
        "console/sign_in.html",
        status=refused.status if refused else 200,
        login=login,
        refused=refused.sentence if refused else None,
        said=_SAID.get(request.url.query) if refused is None else None,
    )


def _agreement(request: Request, caller: Caller, *, refused: Refusal | None) -> Response:
    return render(
        request,
        "console/agreement.html",
        status=refused.status if refused else 200,
        sign_in=caller.sign_in,
        sentences=agreement.SENTENCES,
        version=agreement.VERSION,
        refused=refused.sentence if refused else None,
    )


routes = [
    Route("/desk/sign-in", door, methods=["GET"]),
    Route("/desk/sign-in", sign_in, methods=["POST"]),
    Route("/desk/welcome", welcome),
    Route("/desk/agreement", read_agreement, methods=["GET"]),
    Route("/desk/agreement", accept_agreement, methods=["POST"]),
    Route("/desk/sign-out", sign_out, methods=["POST"]),
    Route("/desk/language", choose_language, methods=["POST"]),
]
