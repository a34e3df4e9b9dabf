"""Permissions: what is not granted here is refused.

Danger. A member of staff who reads what the work does not need, an identifier that can be tried out, a rule that
one door applies and another forgets.

Principle. One table says it all: role, relation to the thing, purpose, case and the thing's state must all agree
(clauses 3(1) and 4(2)). Every door asks the same function. A relation that does not hold is answered as if the
thing were not there.

Boundary. Pure: no input or output; callers load the thing and ask, inside their own transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from core.identity.callers import Caller, Role
from core.identity.purposes import FOR_CONTENT, NEEDS_CASE, Purpose
from core.refusals import NotAllowed, NotFound

__all__ = ["GRANTS", "Grant", "Operation", "Purpose", "Relation", "Resource", "can", "require"]


class Operation(StrEnum):
    """What can be done."""

    READ_CONVERSATION = "read_conversation"
    ANSWER = "answer"
    NOTE = "note"
    ASSIGN = "assign"
    RESOLVE = "resolve"
    RATE = "rate"
    ATTACH = "attach"
    RETRACT = "retract"
    REDACT = "redact"
    REVIEW_TRANSCRIPT = "review_transcript"
    SEARCH = "search"
    LINK_ORDER = "link_order"
    VIEW_ORDER = "view_order"
    VIEW_SENSITIVE_MEDIA = "view_sensitive_media"
    REVEAL = "reveal"
    PROPOSE_EXPORT = "propose_export"
    APPROVE_EXPORT = "approve_export"
    BREAK_GLASS = "break_glass"
    OPEN_CASE = "open_case"
    WITHDRAW_CASE = "withdraw_case"
    DECIDE_CASE = "decide_case"
    MAKE_COPY = "make_copy"
    ERASE = "erase"
    PROPOSE_HOLD = "propose_hold"
    SET_HOLD = "set_hold"
    RELEASE_HOLD = "release_hold"
    APPROVE_ERASURE = "approve_erasure"
    READ_DISCLOSURES = "read_disclosures"
    SECOND_EXPORT = "second_export"
    READ_PROCESSORS = "read_processors"
    MANAGE_PROCESSORS = "manage_processors"
    RUN_RETENTION = "run_retention"
    DRAFT_RETENTION = "draft_retention"
    APPROVE_RETENTION = "approve_retention"
    READ_RETENTION = "read_retention"
    READ_ROSTER = "read_roster"
    MANAGE_STAFF = "manage_staff"
    APPROVE_PRIVILEGE = "approve_privilege"
    MANAGE_KEYS = "manage_keys"
    APPROVE_RESTORE = "approve_restore"
    READ_KEYS = "read_keys"
    READ_LEDGER = "read_ledger"


class Relation(StrEnum):
    """How the caller stands to the thing."""

    ANY = "any"
    OWNER = "owner"
    ASSIGNEE = "assignee"
    ASSIGNEE_OR_QUEUE = "assignee_or_queue"
    TEAM = "team"
    NOT_SELF = "not_self"


@dataclass(frozen=True, slots=True)
class Resource:
    """The thing, as far as a permission depends on it; `owner` and callers' refs look like "person:<id>"."""

    kind: str
    id: str
    owner: str | None = None
    assignee: str | None = None
    team: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Under which relation an operation is granted, and what must be named first."""

    relation: Relation = Relation.ANY
    purpose: bool = False
    case: bool = False


_OWN_WORK = Grant(Relation.ASSIGNEE_OR_QUEUE)
_HELD = Grant(Relation.ASSIGNEE)
_TEAM = Grant(Relation.TEAM)
_TEAM_PURPOSE = Grant(Relation.TEAM, purpose=True)
_CASE = Grant(purpose=True, case=True)
_PURPOSE = Grant(purpose=True)
_OWN_PURPOSE = Grant(Relation.ASSIGNEE_OR_QUEUE, purpose=True)
_MINE = Grant(Relation.OWNER)
_PLAIN = Grant()

GRANTS: Mapping[str, Mapping[Operation, Grant]] = {
    "visitor": {
        Operation.READ_CONVERSATION: _MINE,
        Operation.ANSWER: _MINE,
        Operation.RATE: _MINE,
        Operation.ATTACH: _MINE,
        Operation.RETRACT: _MINE,
        Operation.RESOLVE: _MINE,
        Operation.OPEN_CASE: _MINE,
        Operation.WITHDRAW_CASE: _MINE,
    },
    "person": {
        Operation.READ_CONVERSATION: _MINE,
        Operation.ANSWER: _MINE,
        Operation.RATE: _MINE,
        Operation.ATTACH: _MINE,
        Operation.RETRACT: _MINE,
        Operation.RESOLVE: _MINE,
        Operation.LINK_ORDER: _MINE,
        Operation.VIEW_ORDER: _MINE,
        Operation.MAKE_COPY: _MINE,
        Operation.ERASE: _MINE,
        Operation.OPEN_CASE: _MINE,
        Operation.WITHDRAW_CASE: _MINE,
    },
    Role.AGENT: {
        Operation.READ_CONVERSATION: _OWN_WORK,
        Operation.ANSWER: _OWN_WORK,
        Operation.NOTE: _OWN_WORK,
        Operation.ASSIGN: _OWN_WORK,
        Operation.RESOLVE: _OWN_WORK,
        Operation.ATTACH: _OWN_WORK,
        Operation.RETRACT: _HELD,
        Operation.SEARCH: _TEAM,
        Operation.LINK_ORDER: _OWN_WORK,
        Operation.VIEW_ORDER: _OWN_WORK,
        Operation.VIEW_SENSITIVE_MEDIA: _OWN_PURPOSE,
        Operation.REVEAL: _OWN_PURPOSE,
        Operation.OPEN_CASE: _OWN_WORK,
    },
    Role.SUPERVISOR: {
        Operation.READ_CONVERSATION: _TEAM,
        Operation.ANSWER: _TEAM,
        Operation.NOTE: _TEAM,
        Operation.ASSIGN: _TEAM,
        Operation.RESOLVE: _TEAM,
        Operation.ATTACH: _TEAM,
        Operation.REDACT: _TEAM_PURPOSE,
        Operation.REVIEW_TRANSCRIPT: _TEAM_PURPOSE,
        Operation.SEARCH: _TEAM_PURPOSE,
        Operation.LINK_ORDER: _TEAM,
        Operation.VIEW_ORDER: _TEAM,
        Operation.VIEW_SENSITIVE_MEDIA: _TEAM_PURPOSE,
        Operation.REVEAL: _TEAM_PURPOSE,
        Operation.PROPOSE_EXPORT: _TEAM_PURPOSE,
        Operation.BREAK_GLASS: _PURPOSE,
        Operation.PROPOSE_HOLD: _TEAM_PURPOSE,
        Operation.READ_RETENTION: _PLAIN,
        Operation.READ_DISCLOSURES: _PLAIN,
        Operation.SECOND_EXPORT: _CASE,
        Operation.READ_ROSTER: _TEAM,
        Operation.OPEN_CASE: _TEAM,
    },
    Role.PRIVACY_OFFICER: {
        Operation.READ_CONVERSATION: _CASE,
        Operation.NOTE: _CASE,
        Operation.REDACT: _CASE,
        Operation.REVIEW_TRANSCRIPT: _CASE,
        Operation.SEARCH: _CASE,
        Operation.LINK_ORDER: _CASE,
        Operation.VIEW_ORDER: _CASE,
        Operation.VIEW_SENSITIVE_MEDIA: _CASE,
        Operation.REVEAL: _CASE,
        Operation.APPROVE_EXPORT: _CASE,
        Operation.BREAK_GLASS: _PURPOSE,
        Operation.OPEN_CASE: _PLAIN,
        Operation.WITHDRAW_CASE: _PLAIN,
        Operation.DECIDE_CASE: _PLAIN,
        Operation.MAKE_COPY: _CASE,
        Operation.ERASE: _CASE,
        Operation.SET_HOLD: _CASE,
        Operation.RELEASE_HOLD: _CASE,
        Operation.READ_DISCLOSURES: _PLAIN,
        Operation.SECOND_EXPORT: _CASE,
        Operation.READ_PROCESSORS: _PLAIN,
        Operation.MANAGE_PROCESSORS: _PLAIN,
        Operation.APPROVE_ERASURE: _PLAIN,
        Operation.APPROVE_RETENTION: _PLAIN,
        Operation.READ_RETENTION: _PLAIN,
        Operation.READ_ROSTER: _PLAIN,
        Operation.APPROVE_PRIVILEGE: Grant(Relation.NOT_SELF),
        Operation.APPROVE_RESTORE: _PLAIN,
        Operation.READ_LEDGER: _PLAIN,
    },
    Role.ADMIN: {
        Operation.RUN_RETENTION: _PLAIN,
        Operation.DRAFT_RETENTION: _PLAIN,
        Operation.READ_PROCESSORS: _PLAIN,
        Operation.READ_RETENTION: _PLAIN,
        Operation.READ_ROSTER: _PLAIN,
        Operation.MANAGE_STAFF: Grant(Relation.NOT_SELF),
        Operation.MANAGE_KEYS: _PLAIN,
        Operation.READ_KEYS: _PLAIN,
    },
    Role.AUDITOR: {
        Operation.READ_DISCLOSURES: _PLAIN,
        Operation.READ_PROCESSORS: _PLAIN,
        Operation.READ_RETENTION: _PLAIN,
        Operation.READ_ROSTER: _PLAIN,
        Operation.READ_KEYS: _PLAIN,
        Operation.READ_LEDGER: _PLAIN,
    },
}

# States that override every role: erased and hidden things are not there; restricted (5(1)2) and isolated (5(1)3,
# 5(2)4) ones are there for the privacy officer's case and, when restricted, for the person whose they are.
GONE = frozenset({"erased", "hidden"})
RESTRICTED = "restricted"
FROZEN = frozenset({RESTRICTED, "isolated"})
OF_HER_OWN_WHILE_RESTRICTED = frozenset(
    {
        Operation.READ_CONVERSATION,
        Operation.MAKE_COPY,
        Operation.ERASE,
        Operation.OPEN_CASE,
        Operation.WITHDRAW_CASE,
    }
)


def can(
    caller: Caller,
    operation: Operation,
    resource: Resource | None = None,
    purpose: Purpose | None = None,
    *,
    case: str | None = None,
) -> bool:
    """Whether everything agrees; the system itself may do what a job of it was written for."""
    try:
        require(caller, operation, resource, purpose, case=case)
    except (NotAllowed, NotFound):
        return False
    return True


def require(
    caller: Caller,
    operation: Operation,
    resource: Resource | None = None,
    purpose: Purpose | None = None,
    *,
    case: str | None = None,
) -> None:
    """Refuse unless role, relation, state, purpose and case all agree.

    Raises:
        NotAllowed: the role may not do this at all (no thing named), or the purpose or case is missing.
        NotFound: the caller has nothing to do with this thing, or it is gone.
    """
    if caller.kind == "system":
        return
    grant = GRANTS.get(_column(caller), {}).get(operation)
    if resource is None:
        if grant is None:
            raise NotAllowed
    elif grant is None or not _relates(caller, resource, grant.relation) or not _is_open(caller, operation, resource):
        raise NotFound
    _require_purpose(grant, purpose, case)


def _column(caller: Caller) -> str:
    """The column of the table: staff by role, and none without a role in force."""
    return (caller.role or "") if caller.kind == "staff" else caller.kind


def _relates(caller: Caller, thing: Resource, relation: Relation) -> bool:
    is_mine = thing.assignee is not None and thing.assignee == caller.id
    is_of_team = thing.team is None or thing.team == caller.team  # what no team has taken is every team's
    match relation:
        case Relation.ANY:
            return True
        case Relation.OWNER:
            return thing.owner == caller.ref
        case Relation.ASSIGNEE:
            return is_mine
        case Relation.ASSIGNEE_OR_QUEUE:
            return is_mine or (thing.assignee is None and is_of_team)
        case Relation.TEAM:
            return is_mine or is_of_team
        case Relation.NOT_SELF:
            return thing.id != caller.id


def _is_open(caller: Caller, operation: Operation, thing: Resource) -> bool:
    if thing.state in GONE:
        return False
    if thing.state not in FROZEN or caller.role is Role.PRIVACY_OFFICER:
        return True
    is_hers = caller.kind in {"person", "visitor"} and thing.state == RESTRICTED
    return is_hers and operation in OF_HER_OWN_WHILE_RESTRICTED


def _require_purpose(grant: Grant, purpose: Purpose | None, case: str | None) -> None:
    if grant.purpose and purpose is None:
        raise NotAllowed("purpose_needed", "Say first what you need this for.")
    if purpose is not None and purpose not in FOR_CONTENT:
        raise NotAllowed("purpose_refused", "Conversations may not be used for this purpose.")
    if (grant.case or purpose in NEEDS_CASE) and not case:
        raise NotAllowed("case_needed", "Open a case first and name it.")
