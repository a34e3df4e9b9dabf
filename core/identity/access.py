"""Access: which cookies a request or socket carries, and so who is asking.

Danger. Taking a sign-in from anywhere but an HttpOnly cookie of our own host, or trusting one that has ended.

Principle. Four cookies, each with one purpose (clause 2(5)); a person, a guest and a member of staff may be signed
in side by side in one browser without meeting. Nothing is read from the address or the body.

Boundary. A lookup is one read; "used a minute ago" and a new token are small writes of their own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core import clock
from core.database import Transaction
from core.identity import people, signins
from core.identity import staff as members
from core.identity.callers import Caller, Kind
from core.identity.models import Person
from core.identity.signins import Held
from core.refusals import NotSignedIn, Refusal
from core.services import Core, core_of
from core.vault.refusals import ContentUnavailable, KeyUnavailable


@dataclass(frozen=True, slots=True)
class Cookie:
    """One entry of the cookie register; `seconds` is None for "until the browser closes"."""

    name: str
    purpose: str
    seconds: int | None = None


COOKIES: dict[str, Cookie] = {
    "person": Cookie("__Host-cs", "login"),
    "visitor": Cookie("__Host-cv", "login"),
    "staff": Cookie("__Host-cd", "login"),
    "challenge": Cookie("__Host-cx", "login", 600),
}
UNATTENDED = frozenset({"/chat/poll", "/chat/send"})
_KNOWN = "aftercare.sign_ins"


@dataclass(frozen=True, slots=True)
class Known:
    """A caller, and the sign-in that says so."""

    caller: Caller
    sign_in: Held
    language: str | None = None


async def caller(connection: HTTPConnection, kinds: Sequence[Kind] = ("person", "visitor")) -> Caller:
    """Who is asking; the first of `kinds` with a live sign-in.

    Raises:
        NotSignedIn: nobody.
    """
    for kind in kinds:
        known = await _known(connection, kind)
        if known is not None:
            return known.caller
    raise NotSignedIn


async def shopper(connection: HTTPConnection) -> Caller | None:
    """The person who is signed in, else the guest, else nobody."""
    try:
        return await caller(connection)
    except NotSignedIn:
        return None


async def newcomer(connection: HTTPConnection) -> Caller:
    """The member of staff, even before the confidentiality agreement: only to read and sign it, or to sign out."""
    return await caller(connection, ("staff",))


async def staff(connection: HTTPConnection) -> Caller:
    """The member of staff who is asking.

    Raises:
        NotSignedIn: nobody.
        NotAllowed: code `agreement_missing`: no agreement in force, so no role (clause 3(2)).
    """
    asking = await newcomer(connection)
    members.require_agreement(asking)
    return asking


async def sign_ins(connection: HTTPConnection) -> list[str]:
    """The ids of every live sign-in that the request carries."""
    known = [await _known(connection, kind) for kind in ("person", "visitor", "staff")]
    return [each.sign_in.id for each in known if each is not None]


def challenge(connection: HTTPConnection) -> str | None:
    """The browser's own challenge, if it has asked for a code."""
    return connection.cookies.get(COOKIES["challenge"].name)


def set_cookie(response: Response, kind: str, token: str) -> None:
    """Give the browser a sign-in ("person", "visitor", "staff") or a "challenge"."""
    cookie = COOKIES[kind]
    response.set_cookie(
        cookie.name, token, max_age=cookie.seconds, path="/", secure=True, httponly=True, samesite="lax"
    )


def clear(response: Response, kind: str) -> None:
    """Take the cookie back."""
    response.delete_cookie(COOKIES[kind].name, path="/", secure=True, httponly=True, samesite="lax")


def network(connection: HTTPConnection) -> str:
    """The /24 or /64 that the request comes from, as the server knows it (never a header that anyone may write)."""
    host = connection.client.host if connection.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    return str(ip_network(f"{address}/{24 if address.version == 4 else 64}", strict=False))


def device(connection: HTTPConnection) -> str:
    """A coarse word for the device, such as "Chrome, Android"; never the whole header."""
    agent = connection.headers.get("user-agent", "")
    browser = _first_in(agent, {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "FxiOS": "Firefox",
                                "Chrome": "Chrome", "CriOS": "Chrome", "Safari": "Safari"})  # fmt: skip
    system = _first_in(agent, {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows",
                               "Mac OS X": "Mac", "CrOS": "ChromeOS", "Linux": "Linux"})  # fmt: skip
    return ", ".join(part for part in (browser, system) if part)


class Renewal:
    """Middleware that gives a browser its new token when the old one is eight hours old."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def renew(message: Message) -> None:
            if message["type"] == "http.response.start":
                for kind, known in scope.get(_KNOWN, {}).items():
                    await _renew(HTTPConnection(scope), kind, known, MutableHeaders(scope=message))
            await send(message)

        await self.app(scope, receive, renew)


async def _renew(connection: HTTPConnection, kind: Kind, known: Known | None, headers: MutableHeaders) -> None:
    now = clock.now()
    if known is None or not signins.is_due(known.sign_in, now=now):
        return
    core = core_of(connection)
    token = await core.database.write(signins.rotate, known.sign_in, now=now)
    if token is not None and COOKIES[kind].name not in headers.get("set-cookie", ""):
        carrier = Response()
        set_cookie(carrier, kind, token)
        headers.append("set-cookie", carrier.headers["set-cookie"])


async def _known(connection: HTTPConnection, kind: Kind) -> Known | None:
    """Look the cookie of that kind up, once per request; a socket asks afresh every time."""
    remembered: dict[Kind, Known | None] = connection.scope.setdefault(_KNOWN, {})
    if connection.scope["type"] == "http" and kind in remembered:
        return remembered[kind]
    token = connection.cookies.get(COOKIES[kind].name)
    found = await _look_up(connection, token, kind) if token else None
    remembered[kind] = found
    if found is not None and found.language:
        connection.state.language = found.language
    return found


async def _look_up(connection: HTTPConnection, token: str, kind: Kind) -> Known | None:
    core, now = core_of(connection), clock.now()
    known = await core.database.read_together(recognise, Shown(core, token, kind))
    if known is not None and _is_activity(connection) and known.sign_in.seen_ms <= now - signins.SEEN_STEP_MS:
        await core.database.write(signins.touch, known.sign_in.id, now=now)
    return known


def _is_activity(connection: HTTPConnection) -> bool:
    """Whether somebody is at work: what a socket carries, or a page asks in its place, keeps no sign-in alive."""
    return connection.scope["type"] == "http" and connection.scope["path"] not in UNATTENDED


@dataclass(frozen=True, slots=True)
class Shown:
    """A token that somebody shows us, and of which kind it is said to be."""

    core: Core
    token: str
    kind: Kind


def recognise(tx: Transaction, asked: Sequence[Shown], *, now: int) -> list[Known | Refusal | None]:
    """The caller behind each token, as things stand now: role, team, agreement and erasure included."""
    held = signins.find_all(tx, [(shown.token, shown.kind) for shown in asked], now=now)
    found = list(zip(asked, held, strict=True))
    persons = people.several(tx, {sign_in.caller_id for shown, sign_in in found if sign_in and shown.kind == "person"})
    return [_recognised(tx, shown, sign_in, persons, now=now) if sign_in else None for shown, sign_in in found]


def _recognised(
    tx: Transaction, shown: Shown, sign_in: Held, persons: Mapping[str, Person], *, now: int
) -> Known | Refusal | None:
    if shown.kind == "staff":
        member = members.by_id(tx, sign_in.caller_id)
        asking = members.caller_of(member, sign_in, now=now) if member else None
        return Known(asking, sign_in, member.language) if member and asking else None
    if shown.kind == "person":
        try:
            asking = _person(shown.core, persons.get(sign_in.caller_id), sign_in)
        except KeyUnavailable as refusal:
            return refusal
    else:
        asking = Caller("visitor", sign_in.caller_id, name=people.guest_name(sign_in.caller_id), sign_in=sign_in.id)
    return Known(asking, sign_in) if asking else None


def _person(core: Core, person: Person | None, sign_in: Held) -> Caller | None:
    if person is None:
        return None
    try:
        name = people.shown_name(core.vault, person)
    except ContentUnavailable:
        return None
    return Caller("person", person.id, name=name, sign_in=sign_in.id, proof="email_code", proven_ms=sign_in.proven_ms)


def _first_in(agent: str, words: dict[str, str]) -> str:
    return next((label for word, label in words.items() if word in agent), "")
