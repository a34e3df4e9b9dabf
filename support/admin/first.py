"""The first administrator: made once, by whoever can read the server's terminal.

Danger. A default account, or a token that a proxy's log, a browser's history or a second visitor can use again.

Principle. The printed address carries the token behind `#`, which browsers send to nobody; the page's script moves it
into the form. A token that is wrong, used or old, and a house that has its administrator, are one refusal.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core import clock
from core.identity import Role, first_administrator
from core.identity.staff import NewMember
from core.refusals import NotFound, Refusal
from core.services import core_of
from core.web import i18n
from core.web.bodies import form
from core.web.rendering import render
from support.desk.words import _

TOO_LATE = _("This token does not work any more. Restart the server to get another.")


@dataclass(frozen=True)
class Asked:
    """What the form held; the password is not given back."""

    token: str = ""
    name: str = ""
    login: str = ""


async def start(request: Request) -> Response:
    """The form; it says nothing about whether there is an administrator."""
    return _form(request, Asked(), refused=None)


async def make(request: Request) -> Response:
    """Make the administrator and show the second factor, this once."""
    fields = await form(request)
    asked = Asked(
        fields.get("token", "").strip()[:100], fields.get("name", "").strip(), fields.get("login", "").strip()
    )
    member = NewMember(
        login=asked.login,
        name=asked.name,
        role=Role.ADMIN,
        password=fields.get("password", ""),
        language=i18n.negotiate(request),
    )
    try:
        enrolled = await first_administrator.redeem(core_of(request), asked.token, member, now=clock.now())
    except NotFound as refusal:
        return _form(request, asked, refused=refusal, sentence=TOO_LATE)
    except Refusal as refusal:
        return _form(request, asked, refused=refusal)
    return render(
        request,
        "admin/made.html",
        login=asked.login,
        spaced=in_fours(enrolled.totp_secret),
        otpauth=enrolled.totp_uri,
    )


def in_fours(secret: str) -> str:
    """The key as people type it: groups of four."""
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def _form(request: Request, asked: Asked, *, refused: Refusal | None, sentence: str | None = None) -> Response:
    return render(
        request,
        "admin/start.html",
        status=refused.status if refused else 200,
        asked=asked,
        refused=sentence or (refused.sentence if refused else None),
    )


routes = [
    Route("/admin/start", start, methods=["GET"]),
    Route("/admin/start", make, methods=["POST"]),
]
