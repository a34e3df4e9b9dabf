"""Doors: how a client gets in over HTTP before it opens its socket, as a guest of the shop or as a member of staff."""

import asyncio
import http.client
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import msgspec

from core.refusals import Unavailable

TIMEOUT_S = 15
TOO_MANY = 429
LONGEST_WAIT_S = 60
_BOOT = re.compile(r'<script[^>]*id="boot"[^>]*>(.*?)</script>', re.DOTALL)


@dataclass(frozen=True)
class Admission:
    """Proof of being let in: the cookies, the token against forgery, and the name in the log.

    `origin` is the public address of servers that are reached at other ones, each process directly.
    """

    side: Literal["shopper", "staff"]
    cookies: Mapping[str, str]
    csrf: str
    ref: str
    origin: str | None = None


@dataclass(frozen=True)
class Credentials:
    """What a member of staff signs in with; `code` is the current one of the second factor."""

    login: str
    password: str
    code: str


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, as far as a client of ours looks at it."""

    status: int
    body: str
    cookies: Mapping[str, str]
    location: str

    def json(self) -> dict[str, Any]:  # Any: JSON values
        return msgspec.json.decode(self.body, type=dict[str, Any])

    def boot(self) -> dict[str, Any]:
        """The page's own data block."""
        found = _BOOT.search(self.body)
        return msgspec.json.decode(found[1], type=dict[str, Any]) if found else {}


async def enter_as_guest(url: str, *, locale: str = "en", number: int = 0) -> tuple[Admission, str]:
    """A new guest who agreed to the notice, and her new conversation. Raises: Unavailable.

    Every `number` says that it comes from a network of its own, as real guests do. Only a server that counts us among
    its trusted proxies believes that; any other counts all guests as one network and lets them in more slowly.
    """
    page = await _call(url, "GET", "/chat")
    agreed = {"policy_version": page.boot()["policy"]["version"], "agreed": True, "locale": locale}
    answer = await _patiently(lambda: _call(url, "POST", "/shopper/start", json=agreed, network=_network(number)))
    _expect(answer, "start a chat")
    started = answer.json()
    return Admission("shopper", answer.cookies, started["csrf"], started["me"]["ref"]), started["conversation"]["id"]


async def enter_as_staff(url: str, credentials: Credentials) -> Admission:
    """A member of staff at the desk. Raises: Unavailable."""
    form = {"login": credentials.login, "password": credentials.password, "totp": credentials.code}
    signed_in = await _call(url, "POST", "/desk/sign-in", form=form)
    _expect(signed_in, "sign in")
    boot = (await _call(url, "GET", "/desk", cookies=signed_in.cookies)).boot()
    if "csrf" not in boot:
        raise Unavailable("not_signed_in", "The desk did not open for these credentials.")
    return Admission("staff", signed_in.cookies, boot["csrf"], boot["me"]["ref"])


async def take(url: str, staff: Admission, conversation: str) -> None:
    """The member of staff takes the conversation. Raises: Unavailable."""
    path = f"/desk/conversations/{conversation}/assign"
    _expect(await _call(url, "POST", path, json={"to": "me"}, cookies=staff.cookies, csrf=staff.csrf), "take a chat")


def cookie_header(cookies: Mapping[str, str]) -> str:
    """`Secure` cookies are written by hand, so that a server on localhost can be played against without TLS."""
    return "; ".join(f"{name}={value}" for name, value in cookies.items())


async def _patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask again as long as the server says when to come back."""
    while True:
        answer = await ask()
        if answer.status != TOO_MANY:
            return answer
        await asyncio.sleep(min(LONGEST_WAIT_S, answer.json().get("retry_ms", 1_000) / 1_000))


def _network(number: int) -> str:
    """An address out of 198.18.0.0/15, which RFC 2544 keeps for measurements: a /24 for each of 512 guests."""
    return f"198.{18 + number // 256 % 2}.{number % 256}.1"


async def _call(
    url: str,
    method: str,
    path: str,
    *,
    json: object = None,
    form: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    csrf: str | None = None,
    network: str | None = None,
) -> Answer:
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": url, "Accept-Language": "en"}
    content = b""
    if json is not None:
        content, headers["Content-Type"] = msgspec.json.encode(json), "application/json"
    if form is not None:
        content, headers["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
    if cookies:
        headers["Cookie"] = cookie_header(cookies)
    if network:
        headers["X-Forwarded-For"] = network
    if csrf:
        headers["X-CSRF-Token"] = csrf
    return await asyncio.to_thread(_exchange, url, method, path, content, headers)


def _exchange(url: str, method: str, path: str, content: bytes, headers: Mapping[str, str]) -> Answer:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, content or None, dict(headers))
        response = connection.getresponse()
        body = response.read().decode()
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable("no_server", f"No server answers at {url}.") from error
    finally:
        connection.close()
    pairs = [header.partition(";")[0].partition("=") for header in response.headers.get_all("Set-Cookie") or []]
    cookies = {name.strip(): value for name, _, value in pairs}
    return Answer(response.status, body, cookies, response.headers.get("Location", ""))


def _expect(answer: Answer, wish: str) -> None:
    if answer.status >= 400:
        raise Unavailable("refused", f"The server did not let us {wish} (status {answer.status}).")
