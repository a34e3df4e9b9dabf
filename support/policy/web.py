"""The policy's pages: for everybody what changed and why, for staff the register of clauses and the versions."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from core import clock
from core.database import Transaction
from core.identity import Caller, Role
from core.refusals import NotFound, Refusal
from core.services import Core, core_of
from core.web.bodies import form
from core.web.rendering import render
from support.desk.badges import OVERSEEING, show, staff_page
from support.policy import notices, register, versions
from support.policy.versions import Draft, Published, Reason


@staff_page(*OVERSEEING)
async def read_register(request: Request, caller: Caller) -> Response:
    """Clause, rules, tests and last run."""
    core = core_of(request)
    found = register.read(core.policy, core.settings.clause_record)
    return show(request, caller, "policy/register.html", here="policy", register=found, policy=core.policy)


async def read_changes(request: Request) -> Response:
    """What a published version changed, and why; for everybody."""
    core = core_of(request)
    wanted = str(request.path_params["version"])
    history = await core.database.read(versions.history)
    found = next((each for each in history if each.row.version == wanted), None)
    if found is None:
        raise NotFound
    return render(request, "policy/changes.html", published=found, in_force=core.policy.version)


@staff_page(*OVERSEEING)
async def read_versions(request: Request, caller: Caller) -> Response:
    """Every version, what is proposed, and who was told."""
    return await _versions(request, caller)


@staff_page(Role.ADMIN)
async def propose(request: Request, caller: Caller) -> Response:
    """Ask the privacy officer to publish a version."""
    fields = await form(request)
    core = core_of(request)
    try:
        reason = Reason(fields.get("reason_en", ""), fields.get("reason_zh_hant", ""))
        await core.database.write(versions.propose, core, caller, _version(request), reason, now=clock.now())
    except Refusal as refusal:
        return await _versions(request, caller, refused=refusal)
    return RedirectResponse("/policy/versions", status_code=303)


@staff_page(Role.PRIVACY_OFFICER)
async def publish(request: Request, caller: Caller) -> Response:
    """Publish a version, exactly as it was shown."""
    fields = await form(request)
    core, shown = core_of(request), fields.get("sha256", "")
    try:
        await core.database.write(versions.publish, core, caller, _version(request), shown, now=clock.now())
    except Refusal as refusal:
        return await _versions(request, caller, refused=refusal)
    return RedirectResponse("/policy/versions", status_code=303)


@staff_page(Role.PRIVACY_OFFICER)
async def decline(request: Request, caller: Caller) -> Response:
    """Send a proposal back."""
    await form(request)
    await core_of(request).database.write(versions.decline, caller, _version(request), now=clock.now())
    return RedirectResponse("/policy/versions", status_code=303)


@staff_page(Role.PRIVACY_OFFICER, Role.AUDITOR)
async def read_told(request: Request, caller: Caller) -> Response:
    """Who was told of a version, person by person; opaque ids only."""
    core, version = core_of(request), _version(request)
    told = await core.database.read(notices.told, version)
    campaign = await core.database.read(notices.campaign, version)
    return show(request, caller, "policy/told.html", here="policy", told=told, campaign=campaign, version=version)


async def _versions(request: Request, caller: Caller, *, refused: Refusal | None = None) -> Response:
    core, now = core_of(request), clock.now()
    history, drafts, campaigns = await core.database.read(_look, core, now=now)
    return show(
        request,
        caller,
        "policy/versions.html",
        here="policy",
        status=refused.status if refused else 200,
        history=history,
        drafts=drafts,
        campaigns=campaigns,
        unreadable=versions.shelf(core.settings).unreadable,
        policy=core.policy,
        now=now,
        may_propose=caller.role is Role.ADMIN,
        may_publish=caller.role is Role.PRIVACY_OFFICER,
        may_read_told=caller.role in (Role.PRIVACY_OFFICER, Role.AUDITOR),
        refused=refused.sentence if refused else None,
    )


def _look(tx: Transaction, core: Core, *, now: int) -> tuple[list[Published], list[Draft], dict[str, notices.Campaign]]:
    history = versions.history(tx)
    told = {each.row.version: notices.campaign(tx, each.row.version) for each in history[:-1]}
    return history, versions.drafts(tx, core, now=now), told


def _version(request: Request) -> str:
    return str(request.path_params["version"])


routes = [
    Route("/policy/register", read_register, methods=["GET"]),
    Route("/policy/versions", read_versions, methods=["GET"]),
    Route("/policy/versions/{version}/propose", propose, methods=["POST"]),
    Route("/policy/versions/{version}/publish", publish, methods=["POST"]),
    Route("/policy/versions/{version}/decline", decline, methods=["POST"]),
    Route("/policy/versions/{version}/told", read_told, methods=["GET"]),
    Route("/policy/changes/{version}", read_changes, methods=["GET"]),
]
