"""The policy's pages for staff: the register of clauses."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.identity import Caller
from core.services import core_of
from support.desk.badges import OVERSEEING, show, staff_page
from support.policy import register


@staff_page(*OVERSEEING)
async def read_register(request: Request, caller: Caller) -> Response:
    """Clause, rules, tests and last run."""
    core = core_of(request)
    found = register.read(core.policy, core.settings.clause_record)
    return show(request, caller, "policy/register.html", here="policy", register=found, policy=core.policy)


routes = [
    Route("/policy/register", read_register, methods=["GET"]),
]
