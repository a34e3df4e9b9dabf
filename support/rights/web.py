"""The officer's doors: the board of requests, and each request on one screen with what can be done now.

Every act is a form of its own and a verb of its own; a refusal comes back on the same screen with what was typed.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from core import clock
from core.database import Transaction
from core.identity import Caller, Role, people
from core.refusals import Invalid, NotFound, Refusal
from core.services import Core, core_of
from core.web import i18n
from core.web.bodies import form
from support.desk.badges import ROLE_LABELS, show, staff_page
from support.desk.words import _
from support.house import House
from support.rights import (
    answering,
    board,
    carrying,
    chats,
    extending,
    fees,
    grounds,
    labels,
    proving,
    refusing,
    requests,
    sheet,
)
from support.rights.answering import Part
from support.rights.fees import Fee
from support.rights.models import Channel, Kind
from support.rights.proving import Proof
from support.rights.refusing import Refused
from support.rights.requests import Asked

Fields = Mapping[str, str]


@dataclass(frozen=True)
class Desk:
    """What every act may use: the house, the carriers that the product has, who acts, what was typed, and when."""

    house: House
    carriers: Mapping[str, carrying.Carrier]
    caller: Caller
    fields: Fields
    now: int

    @property
    def core(self) -> Core:
        """The services."""
        return self.house.core


Act = Callable[[Desk, str], Awaitable[None]]
BY: Final = MappingProxyType(
    {
        **ROLE_LABELS,
        "person": _("The person"),
        "visitor": _("The visitor"),
        "system": _("The system"),
    }
)
FILTERS: Final = MappingProxyType(
    {
        board.OPEN_ONES: _("Open"),
        board.LATE: _("Late"),
        **labels.STATES,
        board.COUNSEL: _("Needs counsel"),
        board.ALL: _("All"),
    }
)


@staff_page(Role.PRIVACY_OFFICER)
async def look(request: Request, caller: Caller) -> Response:
    """The board."""
    return await _board(request, caller, {})


@staff_page(Role.PRIVACY_OFFICER)
async def take_down(request: Request, caller: Caller) -> Response:
    """Take down a request that came by telephone, on paper or in person."""
    fields = await form(request)
    core, now = core_of(request), clock.now()
    try:
        asked = await _asked(core, fields)
        since = _day(core, fields.get("received", ""), time(12)) if fields.get("received") else None
        received = await requests.take(core, caller, asked, now=now, received_ms=since)
    except NotFound:
        raise
    except Refusal as refusal:
        return await _board(request, caller, fields, refused=refusal)
    return RedirectResponse(f"/rights/{received.id}", status_code=303)


@staff_page(Role.PRIVACY_OFFICER)
async def read(request: Request, caller: Caller) -> Response:
    """One request."""
    return await _sheet(request, caller, {})


@staff_page(Role.PRIVACY_OFFICER)
async def act(request: Request, caller: Caller) -> Response:
    """Do one thing with a request; what is refused is said on its screen."""
    fields = await form(request)
    verb = ACTS.get(str(request.path_params["verb"]))
    if verb is None:
        raise NotFound
    request_id = str(request.path_params["request"])
    desk = Desk(_house(request), _carriers(request), caller, fields, clock.now())
    try:
        await verb(desk, request_id)
    except NotFound:
        raise
    except Refusal as refusal:
        return await _sheet(request, caller, fields, refused=refusal)
    return RedirectResponse(f"/rights/{request_id}", status_code=303)


async def _classify(desk: Desk, request_id: str) -> None:
    kind, is_for_another = _kind(desk.fields), bool(desk.fields.get("for_another"))
    write = desk.core.database.write
    await write(
        requests.classify, desk.core, desk.caller, request_id, kind, is_for_another=is_for_another, now=desk.now
    )


async def _ask_identity(desk: Desk, request_id: str) -> None:
    await desk.core.database.write(proving.ask_identity, desk.core, desk.caller, request_id, now=desk.now)


async def _prove(desk: Desk, request_id: str) -> None:
    subject = None
    if address := desk.fields.get("email", "").strip():
        subject = await desk.core.database.read(_person, desk.core, people.normalise(address))
        if subject is None:
            raise Invalid("email", _("There is no person with this e-mail address."))
    proof = Proof(desk.fields.get("method", ""), subject)
    await desk.core.database.write(proving.prove_identity, desk.core, desk.caller, request_id, proof, now=desk.now)


async def _begin(desk: Desk, request_id: str) -> None:
    await desk.core.database.write(requests.begin, desk.core, desk.caller, request_id, now=desk.now)


async def _carry_out(desk: Desk, request_id: str) -> None:
    if desk.fields.get("sure") != "yes":
        raise Invalid("sure", _("Tick the box first: this cannot be undone."))
    await carrying.carry_out(desk.house, desk.carriers, desk.caller, request_id, now=desk.now)


async def _fulfil(desk: Desk, request_id: str) -> None:
    write = desk.core.database.write
    await write(answering.fulfil, desk.core, desk.caller, request_id, desk.fields.get("answer", ""), now=desk.now)


async def _part(desk: Desk, request_id: str) -> None:
    part = Part(*(desk.fields.get(name, "") for name in ("answer", "left_out", "why", "ground")))
    await desk.core.database.write(answering.fulfil_in_part, desk.core, desk.caller, request_id, part, now=desk.now)


async def _refuse(desk: Desk, request_id: str) -> None:
    review = _day(desk.core, desk.fields["review"], time(0)) if desk.fields.get("review") else None
    ground, reasons, basis = (desk.fields.get(name, "") for name in ("ground", "reasons", "legal_basis"))
    refused = Refused(ground, reasons, basis, review, desk.fields.get("whole_because", ""))
    await desk.core.database.write(refusing.refuse, desk.core, desk.caller, request_id, refused, now=desk.now)


async def _tell(desk: Desk, request_id: str) -> None:
    write = desk.core.database.write
    await write(answering.told_otherwise, desk.core, desk.caller, request_id, desk.fields.get("way", ""), now=desk.now)


async def _extend(desk: Desk, request_id: str) -> None:
    write = desk.core.database.write
    await write(extending.extend, desk.core, desk.caller, request_id, desk.fields.get("reason", ""), now=desk.now)


async def _fee(desk: Desk, request_id: str) -> None:
    typed = desk.fields.get("amount", "").strip()
    amount = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 7 else 0
    fee = Fee(amount, desk.fields.get("reason", ""))
    await desk.core.database.write(fees.set_fee, desk.core, desk.caller, request_id, fee, now=desk.now)


async def _withdraw(desk: Desk, request_id: str) -> None:
    await desk.core.database.write(requests.withdraw, desk.core, desk.caller, request_id, now=desk.now)


async def _close(desk: Desk, request_id: str) -> None:
    await desk.core.database.write(requests.close, desk.core, desk.caller, request_id, now=desk.now)


async def _resume(desk: Desk, request_id: str) -> None:
    await desk.core.database.write(refusing.resume, desk.core, desk.caller, request_id, now=desk.now)


ACTS: Final[Mapping[str, Act]] = MappingProxyType(
    {
        "classify": _classify,
        "ask-identity": _ask_identity,
        "prove": _prove,
        "begin": _begin,
        "carry-out": _carry_out,
        "fulfil": _fulfil,
        "part": _part,
        "refuse": _refuse,
        "tell": _tell,
        "extend": _extend,
        "fee": _fee,
        "withdraw": _withdraw,
        "close": _close,
        "resume": _resume,
    }
)


async def _board(request: Request, caller: Caller, typed: Fields, *, refused: Refusal | None = None) -> Response:
    core = core_of(request)
    chosen = request.query_params.get("show", board.OPEN_ONES)
    chosen = chosen if chosen in FILTERS else board.OPEN_ONES
    return show(
        request,
        caller,
        "rights/board.html",
        here="rights",
        status=refused.status if refused else 200,
        board=await core.database.read(board.read, core, chosen, now=clock.now()),
        chosen=chosen,
        filters=FILTERS,
        labels=labels,
        typed=typed,
        refused=refused.sentence if refused else None,
    )


async def _sheet(request: Request, caller: Caller, typed: Fields, *, refused: Refusal | None = None) -> Response:
    house, request_id = _house(request), str(request.path_params["request"])
    policy, lang = house.core.policy, i18n.negotiate(request)
    shown = await house.core.database.write(
        sheet.open_, house.core, house.holdings, caller, request_id, now=clock.now()
    )
    named = {code: labels.ground(policy, code, lang) for code in sorted(grounds.every(policy))}
    return show(
        request,
        caller,
        "rights/sheet.html",
        here="rights",
        status=refused.status if refused else 200,
        sheet=shown,
        labels=labels,
        by=BY,
        grounds=named,
        impossible=grounds.impossible(policy),
        declining=grounds.declining(policy),
        review_days=policy.number("refusal_review_days"),
        has_button=shown.row.kind in _carriers(request),
        currency=house.core.settings.currency,
        typed=typed,
        refused=refused.sentence if refused else None,
    )


async def _asked(core: Core, fields: Fields) -> Asked:
    """What the officer took down. Raises: Invalid."""
    kind, words = _kind(fields), fields.get("words", "")
    address = people.normalise(fields["email"]) if fields.get("email", "").strip() else None
    subject = await core.database.read(_person, core, address) if address else None
    return Asked(kind, Channel.OFFICER, subject, words, fields.get("locale", "en"), reply_to=address)


def _person(tx: Transaction, core: Core, address: str) -> str | None:
    found = people.by_email(tx, core.vault, address)
    return f"person:{found.id}" if found else None


def _kind(fields: Fields) -> Kind:
    if fields.get("kind") not in set(Kind):
        raise Invalid("kind", _("Choose what was asked for."))
    return Kind(fields["kind"])


def _day(core: Core, typed: str, at: time) -> int:
    """A day of a date field, at that hour where the shop is. Raises: Invalid."""
    try:
        day = datetime.strptime(typed, "%Y-%m-%d").date()  # noqa: DTZ007  (a day has no zone)
    except ValueError:
        raise Invalid("day", _("Give the date as year, month and day.")) from None
    return int(datetime.combine(day, at, ZoneInfo(core.settings.time_zone)).timestamp() * 1000)


def _carriers(request: Request) -> Mapping[str, carrying.Carrier]:
    carriers: Mapping[str, carrying.Carrier] = request.app.state.carriers
    return carriers


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


routes = [
    *chats.routes,
    Route("/rights", look, methods=["GET"]),
    Route("/rights", take_down, methods=["POST"]),
    Route("/rights/{request}", read, methods=["GET"]),
    Route("/rights/{request}/{verb}", act, methods=["POST"]),
]
