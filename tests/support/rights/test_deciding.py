"""Deciding: fulfilled, fulfilled in part, refused, extended, charged for; each only as the policy allows."""

import pytest

from core import clock
from core.identity.callers import SYSTEM
from core.refusals import Conflict, Invalid, NotFound
from core.services import Core
from support.rights import answering, deadlines, extending, fees, grounds, refusing, requests, steps
from support.rights.answering import Part
from support.rights.fees import Fee
from support.rights.models import Channel, Kind, State
from support.rights.refusing import Refused
from support.rights.requests import Asked
from tests.support.rights.conftest import AGENT, NOW, OFFICER, WORDS, Person, asks, begun, entries, mailbox, row, verbs

DECLINED = Refused("REJ_OTHERS", "Another customer lives there too.", "PDPA article 10(3)")
IMPOSSIBLE = Refused(
    "REF_CRIMINAL",
    "A court has asked us to keep it.",
    "PDPA article 10(2)",
    review_ms=NOW + 60 * clock.DAY,
    whole_because="Everything asked for is in the court's list.",
)


@pytest.mark.clause("5(1)2", "5(2)2")
async def test_an_answer_and_its_letter_stand_together(core: Core, ann: Person) -> None:
    request_id = await begun(core, ann)

    await core.database.write(answering.fulfil, core, OFFICER, request_id, "Your copy is ready.", now=NOW + 1)

    stands = await row(core, request_id)
    assert (stands.state, stands.decision, stands.answered_ms) == (State.FULFILLED, "FULFILLED", NOW + 1)
    assert steps.open_(core, stands, "answer") == "Your copy is ready."
    assert "is ready" in await mailbox(core, now=NOW + 1)


@pytest.mark.clause("4(2)2")
async def test_only_the_officer_and_the_system_fulfil(core: Core, ann: Person) -> None:
    request_id = await begun(core, ann)

    with pytest.raises(NotFound):
        await core.database.write(answering.fulfil, core, AGENT, request_id, "Done.", now=NOW)
    with pytest.raises(NotFound):
        await core.database.write(answering.fulfil, core, ann.caller, request_id, "Done.", now=NOW)
    await core.database.write(answering.fulfil, core, SYSTEM, request_id, "Done.", now=NOW)

    assert (await row(core, request_id)).state == State.FULFILLED


@pytest.mark.clause("5(2)4")
async def test_a_part_says_what_was_left_out_and_why(core: Core, ann: Person) -> None:
    request_id = await begun(core, ann)
    part = Part("The rest is ready.", "Two recipes", "They are our trade secret.", "REF_SECRET")

    await core.database.write(answering.fulfil_in_part, core, OFFICER, request_id, part, now=NOW)

    stands = await row(core, request_id)
    assert (stands.state, stands.decision) == (State.PARTIAL, "REF_SECRET")
    assert steps.open_(core, stands, "left_out") == "Two recipes\nThey are our trade secret."
    assert (await entries(core, request_id))[-1] == ("rights.fulfil_in_part", "REF_SECRET", "ok")


@pytest.mark.clause("5(2)4")
@pytest.mark.parametrize(
    "part",
    [
        Part("The rest is ready.", " ", "Because.", "REF_SECRET"),
        Part("The rest is ready.", "Two recipes", "", "REF_SECRET"),
        Part("The rest is ready.", "Two recipes", "Because.", "REF_MOOD"),
    ],
)
async def test_a_part_without_what_or_why_or_ground_is_none(core: Core, ann: Person, part: Part) -> None:
    request_id = await begun(core, ann)

    with pytest.raises(Invalid):
        await core.database.write(answering.fulfil_in_part, core, OFFICER, request_id, part, now=NOW)

    assert (await row(core, request_id)).state == State.IN_PROGRESS


@pytest.mark.clause("5(2)3")
async def test_the_officer_declines_in_writing(core: Core, ann: Person) -> None:
    received = await asks(core, ann)

    await core.database.write(refusing.refuse, core, OFFICER, received.id, DECLINED, now=NOW)

    stands = await row(core, received.id)
    assert (stands.state, stands.decision, stands.decided_by) == (State.REFUSED, "REJ_OTHERS", OFFICER.ref)
    assert steps.open_(core, stands, "answer") == DECLINED.reasons
    assert steps.open_(core, stands, "basis") == DECLINED.legal_basis
    assert (await entries(core, received.id))[-1] == ("rights.refuse", "REJ_OTHERS", "ok")
    assert "complain to the authority" in await mailbox(core)


@pytest.mark.clause("5(2)3", "4(2)2")
@pytest.mark.parametrize("caller", [AGENT, SYSTEM])
async def test_nobody_else_declines_not_even_the_system(core: Core, ann: Person, caller: object) -> None:
    received = await asks(core, ann)

    with pytest.raises(NotFound):
        await core.database.write(refusing.refuse, core, caller, received.id, DECLINED, now=NOW)  # type: ignore[arg-type]

    assert (await row(core, received.id)).state == State.RECEIVED


@pytest.mark.clause("5(2)3")
@pytest.mark.parametrize(
    "refused",
    [
        Refused("REJ_OTHERS", "  ", "PDPA article 10"),
        Refused("REJ_OTHERS", "Because.", ""),
        Refused("REJ_MOOD", "Because.", "PDPA article 10"),
        Refused("", "Because.", "PDPA article 10"),
    ],
)
async def test_no_reasons_no_basis_or_no_ground_is_no_refusal(core: Core, ann: Person, refused: Refused) -> None:
    received = await asks(core, ann)

    with pytest.raises(Invalid):
        await core.database.write(refusing.refuse, core, OFFICER, received.id, refused, now=NOW)

    assert (await row(core, received.id)).state == State.RECEIVED


@pytest.mark.clause("5(2)3")
@pytest.mark.parametrize("kind", sorted(refusing.OFFERED))
async def test_what_is_a_button_is_never_technically_too_much(core: Core, ann: Person, kind: Kind) -> None:
    received = await asks(core, ann, kind)
    refused = Refused("REJ_TECH", "We would need another system.", "Clause 5(2)3")

    with pytest.raises(Conflict):
        await core.database.write(refusing.refuse, core, OFFICER, received.id, refused, now=NOW)


@pytest.mark.clause("5(2)3")
@pytest.mark.parametrize("ground", ["REJ_TECH", "REJ_UNREAL"])
async def test_grounds_that_the_law_does_not_know_need_counsel(core: Core, ann: Person, ground: str) -> None:
    received = await asks(core, ann, Kind.COMPLAINT)
    refused = Refused(ground, "Nobody can do this.", "Clause 5(2)3")

    await core.database.write(refusing.refuse, core, OFFICER, received.id, refused, now=NOW)

    assert (await row(core, received.id)).needs_counsel


@pytest.mark.clause("5(2)3")
async def test_a_first_request_is_no_repetition(core: Core, ann: Person) -> None:
    received = await asks(core, ann)
    refused = Refused("REJ_REPEAT", "You asked yesterday.", "Clause 5(2)3")

    with pytest.raises(Conflict):
        await core.database.write(refusing.refuse, core, OFFICER, received.id, refused, now=NOW)
    await asks(core, ann)
    await core.database.write(refusing.refuse, core, OFFICER, received.id, refused, now=NOW)

    assert (await row(core, received.id)).decision == "REJ_REPEAT"


@pytest.mark.clause("5(2)4(1)", "5(2)4(2)", "5(2)4(3)", "5(2)4(4)", "5(2)4(5)", "5(2)4(6)")
@pytest.mark.parametrize(
    "ground", ["REF_DEFENCE", "REF_CRIMINAL", "REF_MALICE", "REF_VITAL", "REF_DAMAGE", "REF_SECRET"]
)
async def test_what_cannot_be_done_has_a_ground_and_a_review_date(core: Core, ann: Person, ground: str) -> None:
    assert ground in grounds.impossible(core.policy)
    received = await asks(core, ann, Kind.DELETE)
    refused = Refused(ground, "Not now.", "PDPA article 11", NOW + 90 * clock.DAY, "All of it is concerned.")

    await core.database.write(refusing.refuse, core, OFFICER, received.id, refused, now=NOW)

    stands = await row(core, received.id)
    assert (stands.decision, stands.review_ms) == (ground, NOW + 90 * clock.DAY)


@pytest.mark.clause("5(2)4")
@pytest.mark.parametrize("review_ms", [None, NOW, NOW + 90 * clock.DAY + 1])
async def test_no_review_or_one_too_far_is_refused(core: Core, ann: Person, review_ms: int | None) -> None:
    received = await asks(core, ann, Kind.DELETE)
    refused = Refused("REF_MALICE", "Not now.", "PDPA article 11", review_ms, "All of it is concerned.")

    with pytest.raises(Invalid):
        await core.database.write(refusing.refuse, core, OFFICER, received.id, refused, now=NOW)


@pytest.mark.clause("5(2)4")
async def test_who_refuses_the_whole_says_why_no_part_can_be_done(core: Core, ann: Person) -> None:
    received = await asks(core, ann, Kind.COPY)
    refused = Refused("REF_SECRET", "Not now.", "PDPA article 11", NOW + clock.DAY)

    with pytest.raises(Invalid):
        await core.database.write(refusing.refuse, core, OFFICER, received.id, refused, now=NOW)


@pytest.mark.clause("5(2)4(2)", "5(1)3")
async def test_a_refused_deletion_comes_back_when_its_review_date_passes(core: Core, ann: Person) -> None:
    received = await asks(core, ann, Kind.DELETE)
    await core.database.write(refusing.refuse, core, OFFICER, received.id, IMPOSSIBLE, now=NOW)
    await core.database.write(requests.close, core, OFFICER, received.id, now=NOW)
    review = NOW + 60 * clock.DAY

    early = await core.database.write(refusing.resume_due, core, now=review - 1)
    come_back = await core.database.write(refusing.resume_due, core, now=review)

    stands = await row(core, received.id)
    assert (early, come_back) == (0, 1)
    assert (stands.state, stands.decision, stands.closed_ms, stands.review_ms) == (State.IN_PROGRESS, None, None, None)
    assert stands.due_ms == deadlines.due_ms(review, 15, "Asia/Taipei")
    assert (await entries(core, received.id))[-1] == ("rights.resume", "R-5.2.4", "ok")


@pytest.mark.clause("5(2)4")
async def test_what_came_back_can_be_answered_by_letter(core: Core, ann: Person) -> None:
    received = await asks(core, ann, Kind.DELETE)
    await core.database.write(refusing.refuse, core, OFFICER, received.id, IMPOSSIBLE, now=NOW)
    await core.database.write(requests.close, core, OFFICER, received.id, now=NOW)
    await core.database.write(refusing.resume, core, SYSTEM, received.id, now=NOW + 1)

    await core.database.write(answering.fulfil, core, OFFICER, received.id, "Two messages are deleted.", now=NOW + 2)

    assert (await row(core, received.id)).answered_ms == NOW + 2
    assert "no account left" not in await mailbox(core, now=NOW + 2)


@pytest.mark.clause("5(2)3")
async def test_what_was_declined_for_good_does_not_come_back(core: Core, ann: Person) -> None:
    received = await asks(core, ann, Kind.DELETE)
    await core.database.write(refusing.refuse, core, OFFICER, received.id, DECLINED, now=NOW)

    assert await core.database.write(refusing.resume_due, core, now=NOW + 365 * clock.DAY) == 0
    with pytest.raises(Conflict):
        await core.database.write(refusing.resume, core, SYSTEM, received.id, now=NOW)


@pytest.mark.clause("5(2)2")
@pytest.mark.parametrize("kind", [Kind.COPY, Kind.INQUIRE])
async def test_a_copy_may_take_fifteen_days_longer_with_a_letter(core: Core, ann: Person, kind: Kind) -> None:
    received = await asks(core, ann, kind)

    await core.database.write(extending.extend, core, OFFICER, received.id, "Very many files", now=NOW + clock.DAY)

    stands = await row(core, received.id)
    assert stands.due_ms == deadlines.due_ms(NOW, 30, "Asia/Taipei")
    assert not stands.is_policy_breach
    assert "takes longer" in await mailbox(core, now=NOW + clock.DAY)


@pytest.mark.clause("5(2)2")
@pytest.mark.parametrize("kind", sorted(set(Kind) - extending.EXTENDABLE))
async def test_any_other_extension_is_marked_as_a_breach(core: Core, ann: Person, kind: Kind) -> None:
    received = await asks(core, ann, kind)

    await core.database.write(extending.extend, core, OFFICER, received.id, "Too much to do", now=NOW)

    assert (await row(core, received.id)).is_policy_breach
    assert (await entries(core, received.id))[-1] == ("rights.extend", "R-5.2.2a", "policy-breach")


@pytest.mark.clause("5(2)2")
async def test_an_extension_after_the_day_or_a_second_one_is_refused(core: Core, ann: Person) -> None:
    late, twice = await asks(core, ann), await asks(core, ann, Kind.INQUIRE)
    await core.database.write(extending.extend, core, OFFICER, twice.id, "Many files", now=NOW)

    with pytest.raises(Conflict) as too_late:
        await core.database.write(extending.extend, core, OFFICER, late.id, "Many files", now=late.due_ms + 1)
    with pytest.raises(Conflict) as again:
        await core.database.write(extending.extend, core, OFFICER, twice.id, "Many files", now=NOW)

    assert (too_late.value.code, again.value.code) == ("late", "extended")


@pytest.mark.clause("5(2)2")
async def test_an_extension_that_nobody_can_be_told_of_is_refused(core: Core) -> None:
    asked = Asked(Kind.COPY, Channel.OFFICER, None, WORDS)
    received = await requests.take(core, OFFICER, asked, now=NOW)

    with pytest.raises(Conflict) as refused:
        await core.database.write(extending.extend, core, OFFICER, received.id, "Many files", now=NOW)

    assert refused.value.code == "no_address"


async def often(core: Core, person: Person, kind: Kind) -> str:
    """The third request of a kind, the first two being withdrawn."""
    for number in range(2):
        received = await asks(core, person, kind, now=NOW + number)
        await core.database.write(requests.withdraw, core, person.caller, received.id, now=NOW + number)
    return (await asks(core, person, kind, now=NOW + 2)).id


@pytest.mark.clause("5(2)2")
@pytest.mark.parametrize("kind", [Kind.COPY, Kind.INQUIRE])
async def test_the_third_of_a_kind_may_cost_and_she_is_told_before_the_work(
    core: Core, ann: Person, kind: Kind
) -> None:
    third = await often(core, ann, kind)

    await core.database.write(fees.set_fee, core, OFFICER, third, Fee(200, "Three in a week"), now=NOW + 3)

    stands = await row(core, third)
    assert (stands.fee, stands.fee_currency, stands.fee_told_ms) == (200, "TWD", NOW + 3)
    assert "NT$200" in await mailbox(core, now=NOW + 3)


@pytest.mark.clause("5(2)2")
async def test_the_first_two_are_free(core: Core, ann: Person) -> None:
    received = await asks(core, ann)

    with pytest.raises(Conflict):
        await core.database.write(fees.set_fee, core, OFFICER, received.id, Fee(200, "Much work"), now=NOW)

    assert (await row(core, received.id)).fee == 0


@pytest.mark.clause("5(2)2")
async def test_requests_of_more_than_a_year_ago_do_not_count(core: Core, ann: Person) -> None:
    await often(core, ann, Kind.COPY)
    long_after = await asks(core, ann, now=NOW + 366 * clock.DAY)

    with pytest.raises(Conflict):
        await core.database.write(fees.set_fee, core, OFFICER, long_after.id, Fee(200, "Much work"), now=NOW)


@pytest.mark.clause("5(2)2")
@pytest.mark.parametrize("kind", sorted(set(Kind) - fees.PAYABLE))
async def test_deleting_and_correcting_are_always_free(core: Core, ann: Person, kind: Kind) -> None:
    third = await often(core, ann, kind)

    with pytest.raises(Conflict):
        await core.database.write(fees.set_fee, core, OFFICER, third, Fee(200, "Three in a week"), now=NOW + 3)


@pytest.mark.clause("5(2)2")
async def test_no_fee_after_the_work_has_begun(core: Core, ann: Person) -> None:
    for number in range(2):
        received = await asks(core, ann, now=NOW + number)
        await core.database.write(requests.withdraw, core, ann.caller, received.id, now=NOW + number)
    third = await begun(core, ann, now=NOW + 2)

    with pytest.raises(Conflict):
        await core.database.write(fees.set_fee, core, OFFICER, third, Fee(200, "Three in a week"), now=NOW + 3)


@pytest.mark.clause("5(2)2")
async def test_taking_it_back_is_free(core: Core, ann: Person) -> None:
    third = await often(core, ann, Kind.COPY)
    await core.database.write(fees.set_fee, core, OFFICER, third, Fee(200, "Three in a week"), now=NOW + 3)

    await core.database.write(requests.withdraw, core, ann.caller, third, now=NOW + 4)

    assert (await row(core, third)).fee == 0
    assert (await verbs(core, third))[-2:] == ["set_fee", "withdraw"]


@pytest.mark.clause("4(2)2")
async def test_an_agent_sets_no_fee_and_extends_nothing(core: Core, ann: Person) -> None:
    third = await often(core, ann, Kind.COPY)

    with pytest.raises(NotFound):
        await core.database.write(fees.set_fee, core, AGENT, third, Fee(200, "Three in a week"), now=NOW + 3)
    with pytest.raises(NotFound):
        await core.database.write(extending.extend, core, AGENT, third, "Many files", now=NOW + 3)
