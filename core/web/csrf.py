"""Request forgery: a change is made only by our own pages.

Danger. The browser sends cookies with requests that other sites made. Three layers (privacy.md section 4.3): the
cookies are SameSite=Lax; an unsafe request must come from our own origin by `Sec-Fetch-Site` or, where a browser
does not send that, by an exact `Origin`; and a request with a sign-in carries the token of that sign-in, in the
header `X-CSRF-Token` or in a form's hidden field.
"""

import hmac
from collections.abc import Iterable

from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from core.identity import access
from core.refusals import NotAllowed
from core.services import core_of
from core.vault.keystore import Vault

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
HEADER = "x-csrf-token"
FIELD = "csrf_token"


def token(vault: Vault, sign_in: str) -> str:
    """The token of a sign-in, by its id: 64 hexadecimal characters."""
    return vault.mac("session", b"csrf/v1", sign_in.encode()).hex()


def matches(vault: Vault, sign_ins: Iterable[str], sent: str) -> bool:
    """Whether `sent` is the token of one of the sign-ins."""
    return any(hmac.compare_digest(token(vault, sign_in).encode(), sent.encode()) for sign_in in sign_ins)


def check_form(request: Request, sign_ins: Iterable[str], sent: str) -> None:
    """Refuse a form without its token when the request has a sign-in."""
    known = list(sign_ins)
    if known and not matches(core_of(request).vault, known, sent):
        raise _forged()


class CsrfGuard:
    """Refuse unsafe requests that another site made or that lack their token."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE:
            connection = HTTPConnection(scope)
            if not is_same_origin(connection):
                raise _forged()
            is_form = connection.headers.get("content-type", "").startswith(FORMS)
            if not is_form:  # a form's token is in its body: `bodies.form` checks it
                sign_ins = await access.sign_ins(connection)
                if sign_ins and not matches(core_of(connection).vault, sign_ins, connection.headers.get(HEADER, "")):
                    raise _forged()
        await self.app(scope, receive, send)


def is_same_origin(connection: HTTPConnection) -> bool:
    """Whether the browser says that one of our own pages made the request."""
    site = connection.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    return connection.headers.get("origin") == core_of(connection).settings.origin


def _forged() -> NotAllowed:
    return NotAllowed("forged", "This request did not come from our own page. Reload the page and try again.")
