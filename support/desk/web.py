"""The desk's doors: the console page, its inbox and side panel, and what an agent does with a whole conversation."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from chat import conversations
from core import clock
from core.identity import Caller, Role, access
from core.services import core_of
from core.web import csrf, i18n, shelf
from core.web.bodies import body, json
from support.desk import badges, entrance, inbox, side
from support.desk.badges import show, staff_page


class Assignment(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to give a conversation to: "me", a member's id, or null for the queue."""

    to: str | None


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """A body that says nothing."""


@staff_page(*badges.ANSWERING)
async def console(request: Request, caller: Caller) -> Response:
    """The console, with the inbox as it stands now."""
    core, now = core_of(request), clock.now()
    assert caller.sign_in is not None
    boot = {
        "me": {"id": caller.id, "ref": caller.ref, "name": caller.name, "may_see_all": caller.role is Role.SUPERVISOR},
        "csrf": csrf.token(core.vault, caller.sign_in),
        "shelf_key": shelf.key(core.vault, caller.ref),
        "lang": i18n.negotiate(request),
        "inbox": await core.database.write(inbox.snapshot, core, caller, now=now),
    }
    return show(request, caller, "console/desk.html", here="desk", boot=boot)


async def read_inbox(request: Request) -> Response:
    """The inbox as it stands now."""
    caller, core = await access.staff(request), core_of(request)
    return json(request, await core.database.write(inbox.snapshot, core, caller, now=clock.now()))


async def here(request: Request) -> Response:
    """A person sits before the console: asking who it is notes the use of the sign-in, and nothing else is done."""
    await access.staff(request)
    await body(request, Nothing)
    return json(request, {})


async def read_side(request: Request) -> Response:
    """What stands beside a conversation."""
    caller, core = await access.staff(request), core_of(request)
    formats = i18n.Formats(i18n.negotiate(request), core.settings.time_zone, core.settings.currency)
    panel = await core.database.write(side.panel, core, caller, _conversation(request), formats, now=clock.now())
    return json(request, panel)


async def assign(request: Request) -> Response:
    """Take a conversation, give it to a colleague, or give it back."""
    caller, core = await access.staff(request), core_of(request)
    wanted = await body(request, Assignment)
    to = caller.id if wanted.to == "me" else wanted.to
    await core.database.write(conversations.assign, core, caller, _conversation(request), to, now=clock.now())
    return json(request, {})


async def resolve(request: Request) -> Response:
    """Close a conversation."""
    caller, core = await access.staff(request), core_of(request)
    await body(request, Nothing)
    await core.database.write(conversations.resolve, core, caller, _conversation(request), now=clock.now())
    return json(request, {})


async def reopen(request: Request) -> Response:
    """Open a resolved conversation again."""
    caller, core = await access.staff(request), core_of(request)
    await body(request, Nothing)
    await core.database.write(conversations.reopen, core, caller, _conversation(request), now=clock.now())
    return json(request, {})


def _conversation(request: Request) -> str:
    return str(request.path_params["conversation"])


routes = [
    *entrance.routes,
    Route("/desk", console),
    Route("/desk/inbox", read_inbox),
    Route("/desk/here", here, methods=["POST"]),
    Route("/desk/conversations/{conversation}/side", read_side),
    Route("/desk/conversations/{conversation}/assign", assign, methods=["POST"]),
    Route("/desk/conversations/{conversation}/resolve", resolve, methods=["POST"]),
    Route("/desk/conversations/{conversation}/reopen", reopen, methods=["POST"]),
]
