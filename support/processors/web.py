"""The register's doors: officers add and end agreements, administrators and auditors read."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from core import clock
from core.identity import Caller, Role
from core.refusals import Refusal
from core.services import core_of
from core.web.bodies import form
from support.desk.badges import show, staff_page
from support.processors import register
from support.processors.register import Agreement
from support.review.web import PURPOSES

READERS = (Role.PRIVACY_OFFICER, Role.ADMIN, Role.AUDITOR)
NAMES = ("name", "purpose", "fields", "region", "contract", "security", "days")


@dataclass(frozen=True)
class Asked:
    """What the form held, given back as it was typed."""

    name: str = ""
    purpose: str = ""
    fields: str = ""
    region: str = ""
    contract: str = ""
    security: str = ""
    days: str = "365"


@staff_page(*READERS)
async def look(request: Request, caller: Caller) -> Response:
    """The register."""
    return await _register(request, caller)


@staff_page(Role.PRIVACY_OFFICER)
async def add(request: Request, caller: Caller) -> Response:
    """A new agreement."""
    fields = await form(request)
    asked = Asked(*(fields.get(name, "").strip()[:400] for name in NAMES))
    days = int(asked.days) if asked.days.isdecimal() else 0
    agreement = Agreement(
        name=asked.name,
        purpose=asked.purpose,
        fields=tuple(asked.fields.replace(",", " ").split()),
        region=asked.region,
        contract=asked.contract,
        security=asked.security,
        days=days,
    )
    try:
        await core_of(request).database.write(register.add, caller, agreement, now=clock.now())
    except Refusal as refusal:
        return await _register(request, caller, asked=asked, refused=refusal)
    return RedirectResponse("/processors", status_code=303)


@staff_page(Role.PRIVACY_OFFICER)
async def end(request: Request, caller: Caller) -> Response:
    """Nothing goes to them any more."""
    await form(request)
    await core_of(request).database.write(register.end, caller, request.path_params["processor"], now=clock.now())
    return RedirectResponse("/processors", status_code=303)


async def _register(
    request: Request, caller: Caller, *, asked: Asked | None = None, refused: Refusal | None = None
) -> Response:
    now = clock.now()
    return show(
        request,
        caller,
        "processors/register.html",
        here="processors",
        status=refused.status if refused else 200,
        processors=await core_of(request).database.read(register.every, caller),
        purposes=PURPOSES,
        labels={value: words for value, words, _example in PURPOSES},
        now=now,
        is_officer=caller.role is Role.PRIVACY_OFFICER,
        asked=asked or Asked(),
        refused=refused.sentence if refused else None,
    )


routes = [
    Route("/processors", look, methods=["GET"]),
    Route("/processors", add, methods=["POST"]),
    Route("/processors/{processor}/end", end, methods=["POST"]),
]
