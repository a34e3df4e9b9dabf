"""The policy for everybody to read: every clause, what the software does about it, how long things are kept."""

from itertools import groupby

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.clauses import Clause
from core.services import core_of
from core.web import rendering


async def policy(request: Request) -> Response:
    """The policy in force, in the reader's language; open to everybody."""
    in_force = core_of(request).policy
    return rendering.render(
        request,
        "privacy/policy.html",
        policy=in_force,
        chapters=chapters(list(in_force.clauses.values())),
        controller=core_of(request).settings.controller_name,
    )


def chapters(clauses: list[Clause]) -> list[tuple[str, list[Clause]]]:
    """The clauses by chapter, in order: ("2", [2(1), 2(2), …])."""
    return [(number, list(found)) for number, found in groupby(clauses, lambda clause: clause.number.split("(")[0])]


routes = [Route("/policy", policy, methods=["GET"])]
