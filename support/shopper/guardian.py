"""The guardian's page: a minor names a guardian's address, and the guardian agrees with the code from the letter.

Plain forms that work without a script. Nothing is stored and no cookie is set before the address is sent.
"""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from core import clock
from core.identity import access
from core.identity.acknowledgements import Shown
from core.identity.callers import Caller
from core.identity.codes import Asker, CodePurpose, Typed
from core.refusals import Invalid, NotSignedIn, Refusal
from core.services import core_of
from core.web import i18n
from core.web.bodies import form
from core.web.rendering import render
from support.shopper import minors, start


async def read(request: Request) -> Response:
    """What a minor and a guardian must know, and the one field."""
    return await _page(request)


async def ask(request: Request) -> Response:
    """Keep that she said to be under age, and write to the guardian; the answer is the same for every address."""
    core, now = core_of(request), clock.now()
    await core.limits.spend("shopper.start", access.network(request))
    fields = await form(request)
    address = fields.get("email", "").strip()[:254]
    caller = await access.shopper(request)
    try:
        issued = await minors.ask_guardian(core, caller or minors.STRANGER, address, _asker(request), now=now)
    except Refusal as refusal:
        return await _page(request, refused=refusal)
    declared = await core.database.write(minors.declare, core, caller, access.device(request), now=now)
    response = RedirectResponse(f"/chat/minor?step=code&lang={i18n.negotiate(request)}", status_code=303)
    access.set_cookie(response, "visitor" if declared.caller.kind == "visitor" else "person", declared.sign_in.token)
    access.set_cookie(response, "challenge", issued.challenge)
    return response


async def agree(request: Request) -> Response:
    """The guardian agrees: code, tick and the version that was shown; then the chat is open."""
    core, now, lang = core_of(request), clock.now(), i18n.negotiate(request)
    fields = await form(request)
    caller = await _minor(request)
    typed = Typed(_asker(request), fields.get("code", "")[:32], CodePurpose.GUARDIAN)
    shown = Shown(fields.get("version", ""), core.policy.sha256, lang, minors.CHANNEL, now)
    try:
        if fields.get("agreed") != "yes":
            raise Invalid("not_agreed", "Please tick the box to say that you are the guardian and agree.")
        await minors.consent(core, caller, typed, shown, now=now)
    except Refusal as refusal:
        return await _page(request, refused=refusal, has_asked=True)
    await start.at_the_desk(core, caller, None, lang, now=now)
    response = RedirectResponse(f"/chat?lang={lang}", status_code=303)
    access.clear(response, "challenge")
    return response


async def _page(request: Request, *, refused: Refusal | None = None, has_asked: bool = False) -> Response:
    core = core_of(request)
    caller = await access.shopper(request)
    is_minor = caller is not None and await core.database.read(minors.needs_guardian, core, caller.ref)
    return render(
        request,
        "shopper/minor.html",
        status=refused.status if refused else 200,
        sign_in=caller.sign_in if caller else None,
        notice=core.policy.notice(i18n.negotiate(request)),
        adult_age=core.policy.number("adult_age"),
        code_digits=core.policy.number("code_digits"),
        code_minutes=core.policy.number("code_valid_minutes"),
        has_asked=is_minor and (has_asked or request.query_params.get("step") == "code"),
        refused=refused.sentence if refused else None,
    )


async def _minor(request: Request) -> Caller:
    caller = await access.shopper(request)
    if caller is None:
        raise NotSignedIn
    return caller


def _asker(request: Request) -> Asker:
    return Asker(
        network=access.network(request),
        challenge=access.challenge(request),
        device=access.device(request),
        locale=i18n.negotiate(request),
    )


routes = [
    Route("/chat/minor", read, methods=["GET"]),
    Route("/chat/minor", ask, methods=["POST"]),
    Route("/chat/minor/agree", agree, methods=["POST"]),
]
