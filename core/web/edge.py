"""The edge: the one place where a refusal becomes an answer of HTTP, and a fault becomes nothing but a number.

A database that is away is no fault of whoever asks and none of ours: it is refused like everything that may go well
in a moment.
"""

import secrets

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.database import OutcomeUnknown, is_away
from core.refusals import NotFound, NotSignedIn, Refusal, Unavailable
from core.web import i18n
from core.web.bodies import json
from core.web.rendering import render

log = structlog.get_logger("web")

AWAY_MS = 2_000
OF_STAFF = ("/desk", "/review", "/rights", "/admin", "/policy/", "/retention", "/processors", "/disclosures")


class Edge:
    """Turn refusals and faults into answers in the reader's language; log faults without content."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        request = Request(scope, receive)
        try:
            await self.app(scope, receive, watch)
        except ClientDisconnect:
            return  # whoever asked hung up before the question was out
        except Refusal as refusal:
            if started:
                raise
            await answer(request, refusal)(scope, receive, send)
        except Exception as error:
            if started:
                raise
            await failed(request, error)(scope, receive, send)


def answer(request: Request, refusal: Refusal) -> Response:
    """The refusal as JSON, or as a page for a person who asked for one."""
    lang = i18n.negotiate(request)
    sentence = i18n.gettext(lang, refusal.sentence)
    if not wants_page(request):
        return json(request, {"error": refusal.code, "message": sentence, **refusal.fields}, refusal.status)
    if isinstance(refusal, NotSignedIn) and request.url.path.startswith(OF_STAFF):
        return RedirectResponse("/desk/sign-in", status_code=303)
    return render(request, "refusal.html", status=refusal.status, code=refusal.code, sentence=sentence)


def failed(request: Request, error: Exception) -> Response:
    """What could not be done, and was not decided by us."""
    if not is_away(error):
        return fault(request, error)
    log.warning("database_away", kind=type(error).__name__)
    code = "unknown" if isinstance(error, OutcomeUnknown) else "unavailable"
    return answer(request, Unavailable(code, retry_ms=AWAY_MS))


def fault(request: Request, error: Exception) -> Response:
    """A fault of ours: the log gets its kind and place under a number, the reader gets the number."""
    number = secrets.token_hex(4)
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place else ""
    log.error("fault", number=number, kind=type(error).__name__, where=where, method=request.method)
    sentence = i18n.gettext(i18n.negotiate(request), "Something went wrong on our side. Please try again.")
    if not wants_page(request):
        return json(request, {"error": "fault", "message": sentence, "number": number}, 500)
    return render(request, "refusal.html", status=500, code=number, sentence=sentence)


def wants_page(request: Request) -> bool:
    """Whether a person waits in a browser window rather than a script."""
    return "text/html" in request.headers.get("accept", "")


async def not_found(request: Request, _: Exception) -> Response:
    """No such page."""
    return answer(request, NotFound())


async def http_error(request: Request, error: Exception) -> Response:
    """What Starlette itself refuses, such as a wrong method."""
    status = getattr(error, "status_code", 400)
    if status == 404:
        return answer(request, NotFound())
    refusal = Refusal("http", "This address does not take that kind of request.")
    refusal.status = status
    return answer(request, refusal)
