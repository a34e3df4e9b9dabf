"""Response headers: deny by default, for every page and every answer.

The policy allows our own scripts and styles and nothing else: no inline script, no inline style, no other host, and
the document's dangerous sinks only through lit-html's Trusted Types policy (ux.md section 4.2; ASVS 3.4).
"""

from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.settings import Settings

FRAME_FLAG = "x-aftercare-frame"  # set by `frame`, taken off before the answer leaves


def content_security_policy(settings: Settings, ancestors: str) -> str:
    """The policy of a page that may be framed by `ancestors`."""
    parts = urlsplit(settings.public_url)
    socket = f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        f"connect-src 'self' {socket}; frame-src 'self'; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors {ancestors}; require-trusted-types-for 'script'; trusted-types lit-html"
    )


def frame(response: Response) -> Response:
    """Let the shop's allowed sites show this page in a frame."""
    response.headers[FRAME_FLAG] = "1"
    return response


class SecurityHeaders:
    """Put the headers on every answer that does not set its own."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._alone = content_security_policy(settings, "'none'")
        self._framed = content_security_policy(settings, " ".join(["'self'", *settings.allowed_frames]))
        self._is_https = settings.public_url.startswith("https:")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._set(MutableHeaders(scope=message))
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _set(self, headers: MutableHeaders) -> None:
        framed = FRAME_FLAG in headers
        if framed:
            del headers[FRAME_FLAG]
        headers.setdefault("content-security-policy", self._framed if framed else self._alone)
        headers.setdefault("x-content-type-options", "nosniff")
        headers.setdefault("referrer-policy", "no-referrer")
        headers.setdefault("permissions-policy", "camera=(), microphone=(), geolocation=(), payment=()")
        headers.setdefault("cross-origin-resource-policy", "same-origin")
        headers.setdefault("cache-control", "no-store")
        if not framed:
            headers.setdefault("cross-origin-opener-policy", "same-origin")
            headers.setdefault("x-frame-options", "DENY")
        if self._is_https:
            headers.setdefault("strict-transport-security", "max-age=31536000; includeSubDomains")
