"""Badges: who of the staff stands before a page, what the page may offer, and in which language.

A page asks for the badge first. Without a sign-in the edge leads to the door; without the confidentiality agreement
every page is the agreement (clause 3(2)).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from core.identity import Caller, Role, access
from core.refusals import NotFound
from core.web.rendering import render
from support.desk.words import _

Page = Callable[[Request], Awaitable[Response]]
StaffPage = Callable[[Request, Caller], Awaitable[Response]]


ROLE_LABELS = {
    Role.AGENT: _("Agent"),
    Role.SUPERVISOR: _("Supervisor"),
    Role.PRIVACY_OFFICER: _("Privacy officer"),
    Role.ADMIN: _("Administrator"),
    Role.AUDITOR: _("Auditor"),
}
ANSWERING = frozenset({Role.AGENT, Role.SUPERVISOR})
REVIEWING = frozenset({Role.SUPERVISOR})
DECIDING = frozenset({Role.PRIVACY_OFFICER})
ADMINISTERING = frozenset({Role.ADMIN})
REGISTERING = frozenset({Role.PRIVACY_OFFICER, Role.ADMIN, Role.AUDITOR})
DISCLOSING = frozenset({Role.SUPERVISOR, Role.PRIVACY_OFFICER, Role.AUDITOR})
RETAINING = frozenset({Role.SUPERVISOR, Role.PRIVACY_OFFICER, Role.ADMIN, Role.AUDITOR})
OVERSEEING = frozenset({Role.SUPERVISOR, Role.PRIVACY_OFFICER, Role.ADMIN, Role.AUDITOR})


@dataclass(frozen=True)
class Badge:
    """What the bar of every staff page says about the one who reads it; permissions are asked again by every verb."""

    id: str
    name: str
    role_label: str
    may_answer: bool
    may_review: bool
    may_decide: bool
    may_administer: bool
    may_see_retention: bool
    may_see_processors: bool
    may_see_disclosures: bool
    may_oversee: bool
    may_review_access: bool
    may_note_incidents: bool

    @property
    def home(self) -> str:
        """The first page of this role."""
        if self.may_answer:
            return "/desk"
        if self.may_decide:
            return "/rights"
        return "/admin" if self.may_administer else "/policy/register"


def badge(caller: Caller) -> Badge:
    """The badge of a member of staff whose agreement is in force."""
    assert caller.role is not None, "a badge needs a role in force"
    return Badge(
        id=caller.id,
        name=caller.name,
        role_label=ROLE_LABELS[caller.role],
        may_answer=caller.role in ANSWERING,
        may_review=caller.role in REVIEWING,
        may_decide=caller.role in DECIDING,
        may_administer=caller.role in ADMINISTERING,
        may_see_retention=caller.role in RETAINING,
        may_see_processors=caller.role in REGISTERING,
        may_see_disclosures=caller.role in DISCLOSING,
        may_oversee=caller.role in OVERSEEING,
        may_review_access=caller.role in OVERSEEING - {Role.SUPERVISOR},
        may_note_incidents=caller.role in OVERSEEING - {Role.AUDITOR},
    )


def staff_page(*roles: Role) -> Callable[[StaffPage], Page]:
    """A page for these roles: others are told that it is not there."""

    def decorate(handler: StaffPage) -> Page:
        @wraps(handler)
        async def guarded(request: Request) -> Response:
            caller = await access.newcomer(request)
            if caller.role is None:
                return RedirectResponse("/desk/agreement", status_code=303)
            if caller.role not in roles:
                raise NotFound
            return await handler(request, caller)

        return guarded

    return decorate


def show(
    request: Request,
    caller: Caller,
    name: str,
    *,
    here: str,
    status: int = 200,
    **context: Any,  # Any: template values
) -> Response:
    """A staff page with its bar; `here` is desk, review, rights or admin."""
    return render(request, name, status=status, staff=badge(caller), here=here, sign_in=caller.sign_in, **context)
