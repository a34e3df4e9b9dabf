"""Stop means stop: no list, search, page or socket of staff shows what a person has frozen."""

import pytest

from chat import conversations, log
from chat.log import Draft
from core import clock, hub, ids
from core.identity import permissions
from core.identity.callers import Caller, Role
from core.identity.permissions import Operation, Purpose
from core.refusals import NotAllowed, NotFound
from support.house import House
from support.mydata import restrictions, wishes
from support.review import finding
from support.review.finding import By, Reading, Sought
from support.rights.models import Kind, RightsRequest
from support.shopper import start
from support.shopper.start import Agreement
from tests.support.privacy.conftest import Shopper, shopper
from tests.support.shopper.conftest import bought

AGENT = Caller("staff", ids.new(), role=Role.AGENT, name="Ben", sign_in=ids.new(), proof="password_totp")
BOSS = Caller("staff", ids.new(), role=Role.SUPERVISOR, name="Eva", sign_in=ids.new(), proof="password_totp")
QUALITY = Reading(Purpose.P5_SECURITY_QUALITY)


async def stopped(house: House, whose: Shopper) -> str:
    wish = await wishes.hear(house.core, whose.caller, Kind.STOP, "en", now=clock.now())
    await house.core.database.write(restrictions.stop, house.core, whose.caller, wish.id, now=clock.now())
    return wish.id


@pytest.mark.clause("5(1)2")
async def test_the_inbox_shows_nothing_of_somebody_who_said_stop(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    bea = await shopper(house, "bea@example.com", now=clock.now())

    await stopped(house, ann)

    for staff in (AGENT, BOSS):
        shown = await house.core.database.read(conversations.inbox, house.core, staff, now=clock.now())
        assert [card.id for card in shown] == [bea.conversation.id]


@pytest.mark.parametrize("by", list(By))
@pytest.mark.clause("5(1)2")
async def test_no_search_finds_somebody_who_said_stop(house: House, by: By) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    order = await bought(house.core, "ann@example.com", "ML-1")
    await house.core.database.write(
        conversations.link_order, house.core, ann.caller, ann.conversation.id, order, "ML-1", now=clock.now()
    )
    terms = {By.EMAIL: "ann@example.com", By.CONVERSATION: ann.conversation.id, By.ORDER: "ML-1"}
    sought = Sought(by, terms[by])
    before = await house.core.database.write(finding.find, house.core, BOSS, sought, QUALITY, now=clock.now())

    await stopped(house, ann)

    found = await house.core.database.write(finding.find, house.core, BOSS, sought, QUALITY, now=clock.now())
    assert len(before) == 1
    assert found == []


@pytest.mark.parametrize("operation", [Operation.READ_CONVERSATION, Operation.ANSWER, Operation.NOTE, Operation.ATTACH])
@pytest.mark.clause("5(1)2")
async def test_no_member_of_staff_opens_or_writes_in_what_is_frozen(house: House, operation: Operation) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    before = await house.core.database.read(conversations.find, AGENT, ann.conversation.id, operation, now=clock.now())

    await stopped(house, ann)

    assert before.id == ann.conversation.id
    for staff in (AGENT, BOSS):
        with pytest.raises(NotFound):
            await house.core.database.read(conversations.find, staff, ann.conversation.id, operation, now=clock.now())


@pytest.mark.clause("5(1)2")
async def test_an_answer_that_was_being_typed_is_refused(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    await stopped(house, ann)

    drafts = [Draft(ann.conversation.id, who, ids.new(), "message", {"text": "late"}) for who in (AGENT, ann.caller)]
    outcomes = await house.core.database.write(log.append_batch, house.core, drafts, now=clock.now())

    assert [type(outcome) for outcome in outcomes] == [NotFound, NotFound]


@pytest.mark.clause("5(1)2")
async def test_open_sockets_are_told_to_let_go(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    heard: list[tuple[str, str]] = []
    end = house.core.hub.subscribe(lambda channel, packed: heard.append((channel, str(hub.parts(packed)[0]))))

    await stopped(house, ann)

    end()
    assert (hub.ACCESS, ann.conversation.id) in heard
    assert (hub.DESK, ann.conversation.id) in heard


@pytest.mark.clause("5(1)2")
async def test_she_still_reads_her_own_and_goes_on_by_her_word(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    request = await stopped(house, ann)
    hers = await house.core.database.read(conversations.find, ann.caller, ann.conversation.id, now=clock.now())

    await house.core.database.write(restrictions.lift, house.core, ann.caller, now=clock.now())

    assert hers.restricted_ms is not None
    found = await house.core.database.read(conversations.find, AGENT, ann.conversation.id, now=clock.now())
    assert found.restricted_ms is None
    state = await house.core.database.read(lambda tx: tx.session.get_one(RightsRequest, request).state)
    assert state == "closed"


@pytest.mark.clause("5(1)2")
async def test_a_new_chat_needs_a_new_answer_and_leaves_the_old_one_frozen(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    core = house.core
    before = await core.database.read(start.has_agreed, core, ann.caller)
    await stopped(house, ann)
    with pytest.raises(NotAllowed):
        await core.database.read(start.require_agreement, core, ann.caller)

    agreement = Agreement(core.policy.version, "en", "chat", clock.now())
    started = await start.start(core, ann.caller, agreement, None, "", now=clock.now())

    assert before
    assert started.conversation.id != ann.conversation.id
    assert await core.database.read(start.has_agreed, core, ann.caller)
    shown = await core.database.read(conversations.inbox, core, AGENT, now=clock.now())
    assert [card.id for card in shown] == [started.conversation.id]


@pytest.mark.clause("5(1)2")
async def test_only_the_privacy_officers_case_opens_what_is_frozen(house: House) -> None:
    officer = Caller("staff", ids.new(), role=Role.PRIVACY_OFFICER, name="Pia", sign_in=ids.new())
    ann = await shopper(house, "ann@example.com", now=clock.now())
    await stopped(house, ann)
    thing = log.resource(await house.core.database.read(conversations.get, ann.conversation.id, now=clock.now()))

    with_case = permissions.can(officer, Operation.READ_CONVERSATION, thing, Purpose.P1_LEGAL, case="C-1")
    without = permissions.can(officer, Operation.READ_CONVERSATION, thing, Purpose.P1_LEGAL)

    assert (with_case, without) == (True, False)
