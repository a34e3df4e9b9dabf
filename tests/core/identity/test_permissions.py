"""Permissions: the table of who may do what, cell by cell, and what makes a granted cell refuse."""

import itertools

import pytest

from core.identity import SYSTEM, Caller, Role
from core.identity.permissions import GRANTS, Operation, Purpose, Resource, can, require
from core.refusals import NotAllowed, NotFound

SERVICE = Purpose.P2_CONTRACT_AFTERSALES
STAFF = {role: Caller("staff", f"{role}-1", role=role, team="care", proof="password_totp") for role in Role}
ANNA = Caller("person", "anna", proof="email_code")
BORIS = Caller("person", "boris", proof="email_code")
GUEST = Caller("visitor", "g1")
QUEUED = Resource("conversation", "c1", owner=ANNA.ref, team="care", state="open")

# The columns of privacy.md section 4.5, as far as the operation exists here, and REDACT: a agent, s supervisor,
# o privacy officer, x admin, u auditor.
TABLE = {
    Operation.READ_CONVERSATION: "aso",
    Operation.ANSWER: "as",
    Operation.NOTE: "aso",
    Operation.ASSIGN: "as",
    Operation.RESOLVE: "as",
    Operation.RATE: "",
    Operation.ATTACH: "as",
    Operation.RETRACT: "a",
    Operation.REDACT: "so",
    Operation.REVIEW_TRANSCRIPT: "so",
    Operation.SEARCH: "aso",
    Operation.LINK_ORDER: "aso",
    Operation.VIEW_ORDER: "aso",
    Operation.VIEW_SENSITIVE_MEDIA: "aso",
    Operation.REVEAL: "aso",
    Operation.PROPOSE_EXPORT: "s",
    Operation.APPROVE_EXPORT: "o",
    Operation.BREAK_GLASS: "so",
    Operation.OPEN_CASE: "aso",
    Operation.WITHDRAW_CASE: "o",
    Operation.DECIDE_CASE: "o",
    Operation.MAKE_COPY: "o",
    Operation.ERASE: "o",
    Operation.PROPOSE_HOLD: "s",
    Operation.SET_HOLD: "o",
    Operation.RELEASE_HOLD: "o",
    Operation.APPROVE_ERASURE: "o",
    Operation.READ_DISCLOSURES: "sou",
    Operation.SECOND_EXPORT: "so",
    Operation.READ_PROCESSORS: "oxu",
    Operation.MANAGE_PROCESSORS: "o",
    Operation.RUN_RETENTION: "x",
    Operation.DRAFT_RETENTION: "x",
    Operation.APPROVE_RETENTION: "o",
    Operation.READ_RETENTION: "soxu",
    Operation.READ_ROSTER: "soxu",
    Operation.MANAGE_STAFF: "x",
    Operation.APPROVE_PRIVILEGE: "o",
    Operation.MANAGE_KEYS: "x",
    Operation.APPROVE_RESTORE: "o",
    Operation.READ_KEYS: "xu",
    Operation.READ_LEDGER: "ou",
}
LETTERS = dict(zip("asoxu", Role, strict=True))
CELLS = list(itertools.product(Role, Operation))
# Break-glass is the one door that is meant to reach every team, with an alarm; the retention board and the register of
# disclosures are counts and ids, and a second approval is given to a case, which is no team's.
OF_EVERY_TEAM = {
    Operation.BREAK_GLASS,
    Operation.READ_RETENTION,
    Operation.READ_DISCLOSURES,
    Operation.SECOND_EXPORT,
}
OF_A_TEAM = [op for op in Operation if set(TABLE[op]) & set("as") and op not in OF_EVERY_TEAM]


def thing_for(caller: Caller) -> Resource:
    """Something that stands to the caller in every relation at once, but is not the caller."""
    return Resource("conversation", "c1", owner=caller.ref, assignee=caller.id, team="care", state="open")


def test_the_table_of_the_specification_names_every_operation() -> None:
    assert set(TABLE) == set(Operation)


@pytest.mark.clause("3(1)", "4(2)2")
@pytest.mark.parametrize(("role", "operation"), CELLS)
def test_a_role_may_do_what_its_cell_says_and_nothing_else(role: Role, operation: Operation) -> None:
    caller = STAFF[role]
    is_granted = any(LETTERS[letter] is role for letter in TABLE[operation])

    may = can(caller, operation, thing_for(caller), SERVICE, case="case-1")

    assert may is is_granted


@pytest.mark.clause("3(2)")
@pytest.mark.parametrize("operation", list(Operation))
def test_staff_without_a_role_in_force_may_do_nothing(operation: Operation) -> None:
    unsigned = Caller("staff", "agent-1", role=None, team="care")

    assert not can(unsigned, operation, thing_for(unsigned), SERVICE, case="case-1")


@pytest.mark.parametrize("operation", OF_A_TEAM)
def test_an_agent_or_supervisor_of_another_team_finds_nothing(operation: Operation) -> None:
    elsewhere = Resource("conversation", "c1", owner=ANNA.ref, assignee="someone", team="wholesale", state="open")

    for role in (Role.AGENT, Role.SUPERVISOR):
        with pytest.raises(NotFound):
            require(STAFF[role], operation, elsewhere, SERVICE, case="case-1")


def test_an_agent_reads_the_queue_of_the_team_and_her_own_but_not_a_colleagues_conversation() -> None:
    agent = STAFF[Role.AGENT]
    own = Resource("conversation", "c2", assignee=agent.id, team="wholesale", state="open")
    colleagues = Resource("conversation", "c3", assignee="agent-2", team="care", state="open")

    assert can(agent, Operation.READ_CONVERSATION, QUEUED)
    assert can(agent, Operation.READ_CONVERSATION, own)
    assert not can(agent, Operation.READ_CONVERSATION, colleagues)
    assert can(STAFF[Role.SUPERVISOR], Operation.READ_CONVERSATION, colleagues)


def test_what_no_team_has_taken_is_in_every_teams_queue() -> None:
    unrouted = Resource("conversation", "c4", state="open")

    assert can(STAFF[Role.AGENT], Operation.READ_CONVERSATION, unrouted)


@pytest.mark.clause("1(5)")
def test_a_transcript_opens_for_a_purpose_and_not_without_one() -> None:
    supervisor = STAFF[Role.SUPERVISOR]

    require(supervisor, Operation.REVIEW_TRANSCRIPT, QUEUED, Purpose.P5_SECURITY_QUALITY)

    with pytest.raises(NotAllowed) as refusal:
        require(supervisor, Operation.REVIEW_TRANSCRIPT, QUEUED)
    assert refusal.value.code == "purpose_needed"


@pytest.mark.clause("1(3)", "1(4)", "4(1)4")
@pytest.mark.parametrize("purpose", [Purpose.P3_MARKETING, Purpose.P4_NOTICE_ANALYTICS])
def test_conversations_are_closed_to_marketing_and_analysis(purpose: Purpose) -> None:
    with pytest.raises(NotAllowed) as refusal:
        require(STAFF[Role.SUPERVISOR], Operation.REVIEW_TRANSCRIPT, QUEUED, purpose)

    assert refusal.value.code == "purpose_refused"


@pytest.mark.clause("1(6)")
def test_fraud_needs_a_named_case() -> None:
    supervisor = STAFF[Role.SUPERVISOR]

    assert can(supervisor, Operation.REVIEW_TRANSCRIPT, QUEUED, Purpose.P6_FRAUD_HARM, case="case-1")
    assert not can(supervisor, Operation.REVIEW_TRANSCRIPT, QUEUED, Purpose.P6_FRAUD_HARM)


def test_the_privacy_officer_reads_within_a_case_only() -> None:
    officer = STAFF[Role.PRIVACY_OFFICER]

    assert can(officer, Operation.READ_CONVERSATION, QUEUED, Purpose.P1_LEGAL, case="case-1")
    assert not can(officer, Operation.READ_CONVERSATION, QUEUED, Purpose.P1_LEGAL)


@pytest.mark.parametrize("operation", sorted(GRANTS["person"]))
def test_a_shopper_does_it_with_her_own_and_finds_nothing_of_another(operation: Operation) -> None:
    assert can(ANNA, operation, QUEUED)

    with pytest.raises(NotFound):
        require(BORIS, operation, QUEUED)


@pytest.mark.clause("2(2)")
@pytest.mark.parametrize("operation", [Operation.LINK_ORDER, Operation.VIEW_ORDER, Operation.MAKE_COPY])
def test_a_guest_gets_no_order_and_no_copy_before_proving_an_address(operation: Operation) -> None:
    own = Resource("conversation", "c1", owner=GUEST.ref, state="open")

    assert can(GUEST, Operation.ANSWER, own)
    assert not can(GUEST, operation, own)


@pytest.mark.clause("5(1)2")
def test_a_restricted_conversation_is_there_for_its_owner_and_a_case_but_for_nobody_else() -> None:
    frozen = Resource("conversation", "c1", owner=ANNA.ref, team="care", state="restricted")

    assert can(ANNA, Operation.READ_CONVERSATION, frozen)
    assert not can(ANNA, Operation.ANSWER, frozen)
    assert not can(STAFF[Role.AGENT], Operation.READ_CONVERSATION, frozen)
    assert not can(STAFF[Role.SUPERVISOR], Operation.REVIEW_TRANSCRIPT, frozen, SERVICE)
    assert can(STAFF[Role.PRIVACY_OFFICER], Operation.REVIEW_TRANSCRIPT, frozen, Purpose.P1_LEGAL, case="case-1")


@pytest.mark.clause("5(1)3")
@pytest.mark.parametrize("state", ["erased", "hidden"])
def test_what_is_erased_is_there_for_nobody(state: str) -> None:
    gone = Resource("conversation", "c1", owner=ANNA.ref, assignee="agent-1", team="care", state=state)

    assert not can(ANNA, Operation.READ_CONVERSATION, gone)
    assert not can(STAFF[Role.AGENT], Operation.READ_CONVERSATION, gone)
    assert not can(STAFF[Role.PRIVACY_OFFICER], Operation.READ_CONVERSATION, gone, Purpose.P1_LEGAL, case="case-1")


def test_nobody_changes_her_own_role() -> None:
    admin = STAFF[Role.ADMIN]

    assert can(admin, Operation.MANAGE_STAFF, Resource("staff", "agent-1"))
    assert not can(admin, Operation.MANAGE_STAFF, Resource("staff", admin.id))


def test_a_page_that_names_nothing_says_not_allowed_and_a_thing_says_not_found() -> None:
    with pytest.raises(NotAllowed):
        require(STAFF[Role.AGENT], Operation.READ_LEDGER)
    with pytest.raises(NotFound):
        require(STAFF[Role.ADMIN], Operation.READ_CONVERSATION, QUEUED)


def test_jobs_of_the_system_do_what_they_were_written_for() -> None:
    assert can(SYSTEM, Operation.RUN_RETENTION)
