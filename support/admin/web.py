"""The administrator's page: staff, the ledger's verdict, and what the retention rules would do now.

Administrators keep the house and read nobody's letters: no page here opens content, and no permission of theirs does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from core import clock
from core.holdings import Holding
from core.identity import Caller, Role
from core.identity.staff import NewMember
from core.refusals import Refusal
from core.services import core_of
from core.web.bodies import form
from support.admin import first, overview, reviews, roster
from support.desk.badges import ROLE_LABELS, show, staff_page


@dataclass(frozen=True)
class Asked:
    """What the form for a new colleague held."""

    name: str = ""
    login: str = ""
    role: str = Role.AGENT
    team: str = ""


@staff_page(Role.ADMIN)
async def look(request: Request, caller: Caller) -> Response:
    """The overview."""
    return await _overview(request, caller)


@staff_page(Role.ADMIN)
async def add(request: Request, caller: Caller) -> Response:
    """Add a colleague; the temporary password and the key for the second factor are shown this once."""
    fields = await form(request)
    asked = Asked(*(fields.get(name, "").strip() for name in ("name", "login", "role", "team")))
    role = Role(asked.role) if asked.role in ROLE_LABELS else Role.AGENT
    member = NewMember(asked.login, asked.name, role, roster.temporary_password(), team=asked.team or None)
    try:
        added = await roster.add(core_of(request), caller, member, now=clock.now())
    except Refusal as refusal:
        return await _overview(request, caller, asked=asked, refused=refusal)
    return await _overview(request, caller, added=added)


@staff_page(Role.ADMIN)
async def disable(request: Request, caller: Caller) -> Response:
    """Close a colleague's account."""
    await form(request)
    core = core_of(request)
    await core.database.write(roster.disable, core, caller, request.path_params["staff"], now=clock.now())
    return RedirectResponse("/admin", status_code=303)


@staff_page(Role.PRIVACY_OFFICER, Role.ADMIN, Role.AUDITOR)
async def read_access(request: Request, caller: Caller) -> Response:
    """Who may see what, and whose review is due."""
    core = core_of(request)
    return show(
        request,
        caller,
        "admin/access.html",
        here="access",
        lines=await core.database.read(reviews.read, core.policy, caller, now=clock.now()),
        review_days=core.policy.days("access_review"),
        unused_days=core.policy.days("unused_access"),
    )


@staff_page(Role.PRIVACY_OFFICER)
async def decide_access(request: Request, caller: Caller) -> Response:
    """Confirm or revoke what a colleague may see."""
    fields = await form(request)
    core, member = core_of(request), str(request.path_params["staff"])
    decision: reviews.Decision = "revoked" if fields.get("decision") == "revoked" else "confirmed"
    await core.database.write(reviews.decide, core, caller, member, decision, now=clock.now())
    return RedirectResponse("/admin/access", status_code=303)


async def _overview(
    request: Request,
    caller: Caller,
    *,
    asked: Asked | None = None,
    added: roster.Added | None = None,
    refused: Refusal | None = None,
) -> Response:
    core, now = core_of(request), clock.now()
    lines = await core.database.read(roster.read, caller, now=now)
    return show(
        request,
        caller,
        "admin/overview.html",
        here="admin",
        status=refused.status if refused else 200,
        roster=lines,
        active=sum(not line.is_disabled for line in lines),
        disabled=sum(line.is_disabled for line in lines),
        state=await core.database.read(overview.read, core, _holdings(request), caller, now=now),
        roles=[(role.value, label) for role, label in ROLE_LABELS.items()],
        asked=asked or Asked(),
        added=added,
        spaced=first.in_fours(added.totp_secret) if added else "",
        refused=refused.sentence if refused else None,
    )


def _holdings(request: Request) -> Sequence[Holding]:
    """What all rooms of this house keep about people."""
    kept: Sequence[Holding] = request.app.state.house.holdings
    return kept


routes = [
    *first.routes,
    Route("/admin", look, methods=["GET"]),
    Route("/admin/access", read_access, methods=["GET"]),
    Route("/admin/access/{staff}", decide_access, methods=["POST"]),
    Route("/admin/staff", add, methods=["POST"]),
    Route("/admin/staff/{staff}/disable", disable, methods=["POST"]),
]
