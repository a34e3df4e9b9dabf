"""The shopper's doors: the chat page alone and in the shop's frame, and what its buttons call."""

from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from core import clock
from core.database import Transaction
from core.identity import access, login
from core.identity.acknowledgements import Shown
from core.identity.callers import Caller
from core.identity.codes import Asker, Typed
from core.refusals import NotSignedIn
from core.services import Core, core_of
from core.web import headers, i18n
from core.web.bodies import body, json
from core.web.rendering import render
from support.policy import notices
from support.shopper import guardian, news, others, page, proof, shelf, start


class Start(msgspec.Struct, forbid_unknown_fields=True):
    """A tap on "Agree and start"."""

    policy_version: str
    agreed: Literal[True]
    locale: Literal["en", "zh-Hant"] = "en"
    topic: str | None = None
    shown_ms: int = 0
    framed: bool = False


class Address(msgspec.Struct, forbid_unknown_fields=True):
    """Where a code shall go."""

    email: str


class Code(msgspec.Struct, forbid_unknown_fields=True):
    """A code as typed; `conversation` is the one she keeps as hers."""

    code: str
    conversation: str | None = None


class OrderChoice(msgspec.Struct, forbid_unknown_fields=True):
    """Which of her orders."""

    order: str


class Attestation(msgspec.Struct, forbid_unknown_fields=True):
    """That it is about somebody else, who has agreed to that."""

    attested: Literal[True]


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """A body that says nothing."""


async def arrive(_: Request) -> Response:
    """Whoever comes to the bare address is shown to the chat."""
    return RedirectResponse("/chat")


async def chat(request: Request) -> Response:
    """The chat on a page of its own."""
    return await _page(request, is_framed=False)


async def frame(request: Request) -> Response:
    """The same page for the shop's widget."""
    return headers.frame(await _page(request, is_framed=True))


async def begin(request: Request) -> Response:
    """Agree and start: the first thing that is stored, and the first cookie."""
    core, now = core_of(request), clock.now()
    await core.limits.spend("shopper.start", access.network(request))
    wanted = await body(request, Start)
    caller = await access.shopper(request)
    channel = "widget" if wanted.framed else "chat"
    agreement = start.Agreement(wanted.policy_version, wanted.locale, channel, wanted.shown_ms)
    started = await start.start(core, caller, agreement, wanted.topic, access.device(request), now=now)
    known = await core.database.read(page.look, core, started.caller, now=now)
    response = json(request, page.standing(core, known))
    if started.sign_in is not None:
        access.set_cookie(response, "visitor", started.sign_in.token)
    return response


async def send_code(request: Request) -> Response:
    """Send a code to an address; the answer is the same for every valid one."""
    core, now = core_of(request), clock.now()
    caller = await _shopper(request)
    await core.database.read(start.require_agreement, core, caller)
    wanted = await body(request, Address)
    issued = await login.ask(core, wanted.email, _asker(request), now=now)
    response = json(
        request, {"masked": issued.masked, "resend_ms": issued.resend_ms, "expires_ms": issued.expires_ms - now}
    )
    access.set_cookie(response, "challenge", issued.challenge)
    return response


async def verify(request: Request) -> Response:
    """Prove the address; the guest's conversation becomes hers when she names it."""
    core, now = core_of(request), clock.now()
    wanted = await body(request, Code)
    held = proof.Held(guest=await _signed_in(request, "visitor"), person=await _signed_in(request, "person"))
    typed = Typed(_asker(request), wanted.code)
    proven = await proof.prove(core, request.app.state.media, typed, held, wanted.conversation, now=now)
    known = await core.database.read(page.look, core, proven.person, now=now)
    response = json(request, page.standing(core, known) | {"has_agreed": known.has_agreed})
    access.set_cookie(response, "person", proven.fresh.token)
    access.clear(response, "challenge")
    if proven.guest_has_left:
        access.clear(response, "visitor")
    return response


async def sign_out(request: Request) -> Response:
    """End the sign-ins of this browser's shopper and forget what the browser kept."""
    core = core_of(request)
    await body(request, Nothing)
    held = [caller for kind in ("person", "visitor") if (caller := await _signed_in(request, kind))]
    await core.database.write(proof.leave, core, [caller.sign_in for caller in held if caller.sign_in])
    response = json(request, {})
    for kind in ("person", "visitor", "challenge"):
        access.clear(response, kind)
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


async def here(request: Request) -> Response:
    """She sits before the chat: asking who it is notes the use of the sign-in, and nothing else is done."""
    await _shopper(request)
    await body(request, Nothing)
    return json(request, {})


async def orders(request: Request) -> Response:
    """Her orders."""
    core = core_of(request)
    caller = await _shopper(request)
    found = await core.database.read(shelf.read, core, caller, i18n.negotiate(request))
    return json(request, {"orders": found})


async def link_order(request: Request) -> Response:
    """Tie one of her orders to her conversation."""
    core = core_of(request)
    caller = await _shopper(request)
    wanted = await body(request, OrderChoice)
    conversation = str(request.path_params["conversation"])
    await core.database.write(shelf.link, core, caller, conversation, wanted.order, now=clock.now())
    return json(request, {})


async def attest(request: Request) -> Response:
    """Say that a conversation is about somebody else, who has agreed to that."""
    core, lang = core_of(request), i18n.negotiate(request)
    caller = await _shopper(request)
    await body(request, Attestation)
    conversation = str(request.path_params["conversation"])
    await core.database.write(others.attest, core, caller, conversation, lang, now=clock.now())
    return json(request, {})


async def _page(request: Request, *, is_framed: bool) -> Response:
    core, now, lang = core_of(request), clock.now(), i18n.negotiate(request)
    caller = await access.shopper(request)
    known = await core.database.read(page.look, core, caller, lang, now=now)
    if known.news is not None:
        known = await core.database.write(_tell, core, known, lang, "widget" if is_framed else "chat", now=now)
    boot = page.boot(core, known, lang=lang, is_framed=is_framed, now=now)
    return render(
        request,
        "shopper/chat.html",
        boot=boot,
        topics=page.TOPICS,
        news=known.news,
        needs_guardian=known.needs_guardian,
        adult_age=core.policy.number("adult_age"),
    )


def _tell(tx: Transaction, core: Core, known: page.Known, lang: str, channel: str, *, now: int) -> page.Known:
    """Keep that her page told her of a change; where going on is enough, take that she came back as her answer."""
    assert known.caller is not None
    assert known.news is not None
    policy = core.policy
    if known.news.kind == "coming":
        notices.note(tx, known.caller.ref, known.news.version, "page", now=now)
    shown = Shown(policy.version, policy.sha256, lang, channel, now)
    if known.news.kind == "asks" and news.go_on(tx, core, known.caller, shown, now=now):
        return page.look(tx, core, known.caller, lang, now=now)
    return known


async def _shopper(request: Request) -> Caller:
    caller = await access.shopper(request)
    if caller is None:
        raise NotSignedIn
    return caller


async def _signed_in(request: Request, kind: Literal["person", "visitor"]) -> Caller | None:
    try:
        return await access.caller(request, (kind,))
    except NotSignedIn:
        return None


def _asker(request: Request) -> Asker:
    return Asker(
        network=access.network(request),
        challenge=access.challenge(request),
        device=access.device(request),
        locale=i18n.negotiate(request),
    )


routes = [
    Route("/", arrive),
    Route("/chat", chat),
    Route("/chat/frame", frame),
    Route("/shopper/start", begin, methods=["POST"]),
    Route("/shopper/code", send_code, methods=["POST"]),
    Route("/shopper/verify", verify, methods=["POST"]),
    Route("/shopper/signout", sign_out, methods=["POST"]),
    Route("/shopper/here", here, methods=["POST"]),
    *guardian.routes,
    Route("/shopper/orders", orders),
    Route("/shopper/conversations/{conversation}/order", link_order, methods=["POST"]),
    Route("/shopper/conversations/{conversation}/attestation", attest, methods=["POST"]),
]
