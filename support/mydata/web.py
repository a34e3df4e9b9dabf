"""The doors of "My data": plain forms for the person who has proven her address, and for nobody else.

Danger. A copy that a cache keeps; a weighty act in a window that somebody left open; a page that tells whose it was.

Principle. Everything is asked of the verbs again, with the caller of this very request. Copy, stop and deletion need
her address proven minutes ago, by a code for that purpose; the page asks for it itself (clause 5(2)1). Nothing is
cached, and nothing of hers stands in an address but opaque ids.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from core import clock
from core.identity import access, login, signins
from core.identity.callers import Caller
from core.identity.codes import Asker, CodePurpose, Issued, Typed, WrongCode
from core.refusals import Conflict, Invalid, NotAllowed, NotFound, NotSignedIn, Refusal, TooMany
from core.services import core_of
from core.web import i18n
from core.web.bodies import form
from core.web.rendering import render
from media import names
from support.house import House
from support.mydata import archives, deletions, page, profile, restrictions, wishes
from support.rights.models import Kind
from support.shopper import minors

HOME: Final = "/my-data"
DOWNLOAD: Final = {"Cache-Control": "no-store", "Content-Security-Policy": "default-src 'none'; sandbox"}
STEPS: Final = {
    "copy": CodePurpose.STEPUP_EXPORT,
    "stop": CodePurpose.STEPUP_EXPORT,
    "delete": CodePurpose.STEPUP_DELETE,
}
EXPLAINED = (Invalid, Conflict, TooMany)

Own = Callable[[Request, Caller], Awaitable[Response]]
Door = Callable[[Request], Awaitable[Response]]


def own(handler: Own) -> Door:
    """A door for a person who is signed in; everybody else is asked to sign in, and refusals stand on her page."""

    @wraps(handler)
    async def guarded(request: Request) -> Response:
        caller = await _person(request)
        if caller is None:
            return await _door(request)
        try:
            return await handler(request, caller)
        except EXPLAINED as refusal:
            return await _overview(request, caller, refused=refusal)

    return guarded


def weighty(step: str) -> Callable[[Own], Door]:
    """As `own`, and her address must have been proven minutes ago; if not, she is sent a code for this step."""

    def decorate(handler: Own) -> Door:
        async def proven(request: Request, caller: Caller) -> Response:
            core, now = core_of(request), clock.now()
            await form_once(request)
            try:
                login.require_fresh_proof(core, caller, now=now)
            except NotAllowed:
                issued = await login.ask_again(core, caller, _asker(request), STEPS[step], now=now)
                return _code(request, caller, issued, step)
            return await handler(request, caller)

        return own(proven)

    return decorate


@own
async def overview(request: Request, caller: Caller) -> Response:
    """The page."""
    return await _overview(request, caller)


async def enter(request: Request) -> Response:
    """Sign in on this page: first the address, then the code."""
    core, now, fields = core_of(request), clock.now(), await form_once(request)
    try:
        if "code" not in fields:
            issued = await login.ask(core, fields.get("email", ""), _asker(request), now=now)
            return _with_challenge(await _door(request, issued=issued), issued)
        signed_in = await login.confirm(core, Typed(_asker(request), fields["code"]), now=now)
    except EXPLAINED as refusal:
        return await _door(request, refused=refusal)
    if (guest := await _guest(request)) is not None:
        await core.database.write(minors.carry_over, guest.ref, signed_in.caller.ref)
    response = _back(request, "")
    access.set_cookie(response, "person", signed_in.fresh.token)
    access.clear(response, "challenge")
    return response


async def _guest(request: Request) -> Caller | None:
    """Who this browser was before: whoever said to be a minor stays one (clause 6(2))."""
    try:
        return await access.caller(request, ("visitor",))
    except NotSignedIn:
        return None


@own
async def confirm(request: Request, caller: Caller) -> Response:
    """The code of a weighty step; afterwards the step itself can be taken."""
    core, fields = core_of(request), await form_once(request)
    step = fields.get("step", "")
    if step not in STEPS:
        raise NotFound
    typed = Typed(_asker(request), fields.get("code", ""), STEPS[step])
    try:
        token = await login.step_up(core, caller, typed, now=clock.now())
    except (WrongCode, TooMany) as refusal:
        return _code(request, caller, None, step, refused=refusal)
    response = _back(request, "confirmed", step)
    access.set_cookie(response, "person", token)
    access.clear(response, "challenge")
    return response


@own
async def rename(request: Request, caller: Caller) -> Response:
    """Correct her name."""
    fields = await form_once(request)
    name = fields.get("name", "")
    await profile.rename(core_of(request), caller, name, i18n.negotiate(request), now=clock.now())
    return _back(request, "corrected", "profile")


@own
async def move(request: Request, caller: Caller) -> Response:
    """Another address: the code for the old one, then the code for the new one."""
    core, now, fields, asker = core_of(request), clock.now(), await form_once(request), _asker(request)
    address, code = fields.get("email", ""), fields.get("code", "")
    try:
        if "proof" in fields:
            return await _moved(request, caller, fields)
        if "code" in fields:
            typed = Typed(asker, code, CodePurpose.EMAIL_CHANGE_OLD)
            issued, passed = await profile.ask_new(core, caller, typed, address, now=now)
            return _moving(request, caller, issued, address, passed=passed)
        issued = await profile.ask_old(core, caller, address, asker, now=now)
    except WrongCode as refusal:
        earlier = _passed(fields) if "proof" in fields else None
        return _moving(request, caller, None, address, passed=earlier, refused=refusal)
    return _moving(request, caller, issued, address)


@own
async def end_sign_in(request: Request, caller: Caller) -> Response:
    """End one of her sign-ins; its sockets close."""
    core, sign_in = core_of(request), str(request.path_params["sign_in"])
    await form_once(request)
    if not await core.database.write(signins.end_own, core.hub, "person", caller.id, sign_in):
        raise NotFound
    response = _back(request, "ended", "sign-ins")
    if sign_in == caller.sign_in:
        access.clear(response, "person")
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@weighty("copy")
async def ask_copy(request: Request, caller: Caller) -> Response:
    """Have a copy made."""
    await archives.ask(core_of(request), caller, i18n.negotiate(request), now=clock.now())
    return _back(request, "copy", "copy")


@weighty("copy")
async def fetch_copy(request: Request, caller: Caller) -> Response:
    """The copy, piece by piece as it opens; the first opens before the answer starts."""
    house: House = request.app.state.house
    archive = str(request.path_params["archive"])
    download = await archives.fetch(house.media, caller, archive, now=clock.now())
    first = await anext(download.pieces)
    made = f"{datetime.fromtimestamp(download.created_ms / 1000, UTC):%Y-%m-%d}"
    disposition = names.disposition("attachment", f"my-data-{made}.zip")
    headers = {**DOWNLOAD, "Content-Disposition": disposition, "Content-Length": str(download.size)}
    return StreamingResponse(_from(first, download.pieces), headers=headers, media_type="application/zip")


@weighty("stop")
async def stop(request: Request, caller: Caller) -> Response:
    """Freeze all that is hers."""
    core, now = core_of(request), clock.now()
    wish = await wishes.hear(core, caller, Kind.STOP, i18n.negotiate(request), now=now)
    await core.database.write(restrictions.stop, core, caller, wish.id, now=now)
    return _back(request, "stopped", "stop")


@own
async def go_on(request: Request, caller: Caller) -> Response:
    """Let it be used again."""
    core = core_of(request)
    await form_once(request)
    await core.database.write(restrictions.lift, core, caller, now=clock.now())
    return _back(request, "going-on", "stop")


@own
async def preview(request: Request, caller: Caller) -> Response:
    """What a deletion would take and what it would leave."""
    house, scope = _house(request), request.query_params.get("conversation")
    core = house.core
    talked = await core.database.read(page.talk, core, caller, scope, now=clock.now()) if scope else None
    planned = await core.database.read(deletions.preview, house.holdings, core.policy, caller.ref, scope)
    context: dict[str, Any] = {
        "scope": scope,
        "planned": planned,
        "talk": talked[0] if talked else None,
        "policy": core.policy,
    }
    return _show(request, caller, "shopper/my-data-delete.html", **context)


@weighty("delete")
async def delete(request: Request, caller: Caller) -> Response:
    """Have it deleted a day from now."""
    fields = await form_once(request)
    scope = fields.get("conversation") or None
    await deletions.ask(core_of(request), caller, scope, i18n.negotiate(request), now=clock.now())
    return _back(request, "deleting", "delete")


@own
async def take_back(request: Request, caller: Caller) -> Response:
    """Nothing is deleted after all."""
    core = core_of(request)
    await form_once(request)
    deletion = str(request.path_params["deletion"])
    await core.database.write(deletions.take_back, core, caller, deletion, now=clock.now())
    return _back(request, "taken-back", "delete")


@own
async def conversation(request: Request, caller: Caller) -> Response:
    """One of her conversations, from its beginning."""
    core = core_of(request)
    wanted = str(request.path_params["conversation"])
    talk, lines = await core.database.read(page.talk, core, caller, wanted, now=clock.now())
    return _show(request, caller, "shopper/my-data-talk.html", talk=talk, lines=lines)


async def form_once(request: Request) -> dict[str, str]:
    """The fields of the form, read and checked once; a door and the one before it both may ask."""
    known: dict[str, str] | None = getattr(request.state, "fields", None)
    if known is None:
        known = request.state.fields = await form(request)
    return known


async def _overview(request: Request, caller: Caller, *, refused: Refusal | None = None) -> Response:
    house = _house(request)
    hers = await house.core.database.read(page.look, house.core, house.holdings, caller, now=clock.now())
    return _show(
        request,
        caller,
        "shopper/my-data.html",
        status=refused.status if refused else 200,
        hers=hers,
        here=caller.sign_in,
        policy=house.core.policy,
        done=request.query_params.get("done", ""),
        refused=refused,
    )


async def _door(request: Request, *, issued: Issued | None = None, refused: Refusal | None = None) -> Response:
    """The way in; a guest's or staff's form in this browser carries the token of their sign-in."""
    carried = await access.sign_ins(request)
    return render(
        request,
        "shopper/my-data-enter.html",
        status=refused.status if refused else 200,
        sign_in=carried[0] if carried else None,
        issued=issued,
        refused=refused,
    )


async def _moved(request: Request, caller: Caller, fields: dict[str, str]) -> Response:
    typed = Typed(_asker(request), fields.get("code", ""), CodePurpose.EMAIL_CHANGE_NEW)
    fresh = await profile.move(core_of(request), caller, typed, _passed(fields), now=clock.now())
    response = _back(request, "moved", "profile")
    access.set_cookie(response, "person", fresh.token)
    access.clear(response, "challenge")
    return response


def _moving(
    request: Request,
    caller: Caller,
    issued: Issued | None,
    address: str,
    *,
    passed: profile.Passed | None = None,
    refused: Refusal | None = None,
) -> Response:
    context: dict[str, Any] = {"issued": issued, "address": address, "passed": passed, "refused": refused}
    return _with_challenge(_show(request, caller, "shopper/my-data-move.html", **context), issued)


def _code(
    request: Request, caller: Caller, issued: Issued | None, step: str, *, refused: Refusal | None = None
) -> Response:
    context: dict[str, Any] = {"issued": issued, "step": step, "refused": refused}
    return _with_challenge(_show(request, caller, "shopper/my-data-code.html", **context), issued)


def _with_challenge(response: Response, issued: Issued | None) -> Response:
    if issued is not None:
        access.set_cookie(response, "challenge", issued.challenge)
    return response


def _show(
    request: Request,
    caller: Caller,
    name: str,
    *,
    status: int = 200,
    **context: Any,  # Any: template values
) -> Response:
    return render(request, name, status=status, sign_in=caller.sign_in, home=HOME, **context)


def _back(request: Request, done: str, place: str = "") -> RedirectResponse:
    """To the page again, so that reloading it repeats nothing."""
    lang = i18n.negotiate(request)
    where = f"{HOME}?lang={lang}" + (f"&done={done}" if done else "") + (f"#{place}" if place else "")
    return RedirectResponse(where, status_code=303)


async def _person(request: Request) -> Caller | None:
    try:
        return await access.caller(request, ("person",))
    except NotSignedIn:
        return None


def _asker(request: Request) -> Asker:
    return Asker(
        network=access.network(request),
        challenge=access.challenge(request),
        device=access.device(request),
        locale=i18n.negotiate(request),
    )


def _house(request: Request) -> House:
    house = request.app.state.house
    assert isinstance(house, House)
    return house


def _passed(fields: dict[str, str]) -> profile.Passed:
    until = fields.get("until", "")
    is_number = until.isascii() and until.isdigit() and len(until) < 16
    return profile.Passed(int(until) if is_number else 0, fields["proof"])


async def _from(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await rest.aclose()


routes = [
    Route("/my-data", overview, methods=["GET"]),
    Route("/my-data/enter", enter, methods=["POST"]),
    Route("/my-data/confirm", confirm, methods=["POST"]),
    Route("/my-data/name", rename, methods=["POST"]),
    Route("/my-data/address", move, methods=["POST"]),
    Route("/my-data/sign-ins/{sign_in}/end", end_sign_in, methods=["POST"]),
    Route("/my-data/copy", ask_copy, methods=["POST"]),
    Route("/my-data/copy/{archive}", fetch_copy, methods=["POST"]),
    Route("/my-data/stop", stop, methods=["POST"]),
    Route("/my-data/go-on", go_on, methods=["POST"]),
    Route("/my-data/delete", preview, methods=["GET"]),
    Route("/my-data/delete", delete, methods=["POST"]),
    Route("/my-data/deletions/{deletion}/take-back", take_back, methods=["POST"]),
    Route("/my-data/conversations/{conversation}", conversation, methods=["GET"]),
]
