"""The page of incidents: what is open and how much time is left, a form to note one, and the officer's decision."""

import datetime
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from core import clock
from core.identity import Caller, Role
from core.refusals import Invalid, Refusal
from core.services import Core, core_of
from core.web.bodies import form
from support.desk.badges import show, staff_page
from support.incidents import incidents


@staff_page(*incidents.OPENING)
async def read(request: Request, caller: Caller) -> Response:
    """Every incident."""
    return await _page(request, caller)


@staff_page(*incidents.OPENING)
async def note(request: Request, caller: Caller) -> Response:
    """Note an incident."""
    fields = await form(request)
    core = core_of(request)
    try:
        known_ms = _moment(core, fields.get("known", ""))
        await core.database.write(incidents.open_, core, caller, fields.get("summary", ""), known_ms, now=clock.now())
    except Refusal as refusal:
        return await _page(request, caller, refused=refusal)
    return RedirectResponse("/admin/incidents", status_code=303)


@staff_page(Role.PRIVACY_OFFICER)
async def decide(request: Request, caller: Caller) -> Response:
    """Decide what is done about an incident."""
    fields = await form(request)
    core, incident = core_of(request), str(request.path_params["incident"])
    try:
        decision = incidents.Decision(fields.get("decision", ""), fields.get("reason", ""))
        await core.database.write(incidents.decide, core, caller, incident, decision, now=clock.now())
    except Refusal as refusal:
        return await _page(request, caller, refused=refusal)
    return RedirectResponse("/admin/incidents", status_code=303)


@staff_page(Role.PRIVACY_OFFICER)
async def close(request: Request, caller: Caller) -> Response:
    """Close an incident that was decided."""
    await form(request)
    core, incident = core_of(request), str(request.path_params["incident"])
    try:
        await core.database.write(incidents.close, caller, incident, now=clock.now())
    except Refusal as refusal:
        return await _page(request, caller, refused=refusal)
    return RedirectResponse("/admin/incidents", status_code=303)


async def _page(request: Request, caller: Caller, *, refused: Refusal | None = None) -> Response:
    core, now = core_of(request), clock.now()
    zone = ZoneInfo(core.settings.time_zone)
    return show(
        request,
        caller,
        "admin/incidents.html",
        here="incidents",
        status=refused.status if refused else 200,
        incidents=await core.database.read(incidents.every, core, caller, now=now),
        decisions=incidents.DECISIONS,
        hours=core.policy.number("incident_report_hours"),
        latest=datetime.datetime.fromtimestamp(now / 1000, zone).strftime("%Y-%m-%dT%H:%M"),
        may_decide=caller.role is Role.PRIVACY_OFFICER,
        refused=refused.sentence if refused else None,
    )


def _moment(core: Core, typed: str) -> int:
    """A local date and time of the shop, as a browser's field sends it. Raises: Invalid."""
    try:
        local = datetime.datetime.fromisoformat(typed)
    except ValueError:
        raise Invalid("known", "It cannot have become known later than now, or more than a year ago.") from None
    return int(local.replace(tzinfo=ZoneInfo(core.settings.time_zone)).timestamp() * 1000)


routes = [
    Route("/admin/incidents", read, methods=["GET"]),
    Route("/admin/incidents", note, methods=["POST"]),
    Route("/admin/incidents/{incident}/decide", decide, methods=["POST"]),
    Route("/admin/incidents/{incident}/close", close, methods=["POST"]),
]
