"""What the desk decides, and what others may not be told, holds on a person's own page too."""

from collections.abc import Callable

import pytest
from sqlmodel import select

from core import clock, ids
from core.database import Transaction
from core.holdings import Ref
from core.identity.callers import SYSTEM, Caller, Role
from core.identity.models import Person
from core.refusals import Conflict
from support.carriers import CARRIERS
from support.house import House
from support.mydata import deletions, page
from support.mydata.models import Deletion
from support.privacy import copies, holds
from support.privacy.copies import Request
from support.privacy.holds import Wanted
from support.rights import carrying, proving, refusing, requests
from support.rights.models import Channel, Kind, RightsRequest, State
from support.rights.refusing import Refused
from support.rights.requests import Asked
from support.shopper.models import Minor
from tests.support.mydata.conftest import Visit
from tests.support.mydata.test_deletions import is_there
from tests.support.privacy.conftest import shopper

OFFICER = Caller("staff", ids.new(), role=Role.PRIVACY_OFFICER, name="Rosa", sign_in=ids.new(), proof="password_totp")


async def deletion(house: House, deletion_id: str) -> Deletion:
    def read(tx: Transaction) -> Deletion:
        row = tx.session.get_one(Deletion, deletion_id)
        tx.session.expunge(row)
        return row

    return await house.core.database.read(read)


def request_of(asked: Deletion) -> str:
    assert asked.request_id is not None
    return asked.request_id


@pytest.mark.clause("4(3)3")
async def test_nobody_learns_from_her_page_or_her_copy_that_something_is_held(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    core, wanted = house.core, Wanted(Ref("person", ann.caller.id), "COURT", "DOC-115-88", "CASE-7", 30)
    before = await core.database.read(page.look, core, house.holdings, ann.caller, now=clock.now())

    await core.database.write(holds.place, core, house.holdings, OFFICER, wanted, now=clock.now())
    after = await core.database.read(page.look, core, house.holdings, ann.caller, now=clock.now())
    copied = await core.database.read(copies.gather, core, house.holdings, Request(ann.caller.ref, "en"))

    assert [kept.title for kept in after.kept] == [kept.title for kept in before.kept]
    acts = [record.fields.get("Act") for _, records in copied.sections for record in records]
    acts += [reading.action for reading in copied.readings]
    assert [act for act in acts if act and str(act).startswith(("hold.", "disclosure."))] == []


@pytest.mark.clause("5(2)4")
async def test_what_the_officer_refused_for_a_time_is_not_deleted_and_goes_on_afterwards(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    core, asked = house.core, await deletions.ask(house.core, ann.caller, None, "en", now=clock.now())
    why = Refused(
        "REF_CRIMINAL", "An investigation runs.", "Act, article 10", asked.due_ms + clock.DAY, "It is one file."
    )
    await core.database.write(refusing.refuse, core, OFFICER, request_of(asked), why, now=clock.now())

    await deletions.carry_out(core, house.holdings, asked.id, now=asked.due_ms)
    waiting, there = await deletion(house, asked.id), await is_there(house, ann.conversation.id)
    later = asked.due_ms + 2 * clock.DAY
    await core.database.write(refusing.resume, core, SYSTEM, request_of(asked), now=later)
    await deletions.carry_out(core, house.holdings, asked.id, now=later)

    assert (waiting.state, there) == (deletions.HELD, True)
    assert (await deletion(house, asked.id)).state == deletions.DONE


@pytest.mark.clause("5(1)3")
async def test_what_the_officer_noted_as_taken_back_is_not_deleted(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    asked = await deletions.ask(house.core, ann.caller, None, "en", now=clock.now())
    await house.core.database.write(requests.withdraw, house.core, OFFICER, request_of(asked), now=clock.now())

    await deletions.carry_out(house.core, house.holdings, asked.id, now=asked.due_ms)

    assert (await deletion(house, asked.id)).state == deletions.WITHDRAWN
    assert await is_there(house, ann.conversation.id)


@pytest.mark.clause("5(1)3")
async def test_the_officers_button_never_erases_a_person_for_one_conversation(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    core, asked = house.core, await deletions.ask(house.core, ann.caller, ann.conversation.id, "en", now=clock.now())
    await core.database.write(requests.begin, core, OFFICER, request_of(asked), now=asked.due_ms)

    with pytest.raises(Conflict):
        await carrying.carry_out(house, CARRIERS, OFFICER, request_of(asked), now=asked.due_ms)

    assert await is_there(house, ann.conversation.id)


@pytest.mark.clause("5(1)1(2)")
async def test_what_she_does_herself_answers_no_request_that_came_another_way(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    core, now = house.core, clock.now()
    agents = await requests.take(
        core, OFFICER, Asked(Kind.DELETE, Channel.OFFICER, ann.caller.ref, "All of it"), now=now
    )

    asked = await deletions.ask(core, ann.caller, ann.conversation.id, "en", now=now)
    await deletions.carry_out(core, house.holdings, asked.id, now=asked.due_ms)

    state = await core.database.read(lambda tx: tx.session.get_one(RightsRequest, agents.id).state)
    assert asked.request_id != agents.id
    assert state == State.RECEIVED


@pytest.mark.clause("5(1)3")
async def test_a_deletion_whose_job_was_lost_is_planned_again(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    asked = await deletions.ask(house.core, ann.caller, None, "en", now=clock.now())

    early = await house.core.database.write(deletions.revive, now=asked.due_ms)
    late = await house.core.database.write(deletions.revive, now=asked.due_ms + clock.HOUR)

    assert (early, late) == (0, 1)


@pytest.mark.clause("5(2)1")
async def test_an_open_mailbox_is_too_little_after_very_long(house: House, visit: Callable[[], Visit]) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    long_ago = clock.now() - 200 * clock.DAY

    def away(tx: Transaction) -> None:
        person = tx.session.get_one(Person, ann.caller.id)
        person.verified_ms = long_ago
        tx.session.add(person)

    await house.core.database.write(away)
    await visit().enter("ann@example.com")
    needed = await house.core.database.read(
        lambda tx: proving.needed(
            tx, house.core.policy, Kind.COPY, ann.caller.ref, is_for_another=False, now=clock.now()
        )
    )

    assert needed == "I2"


@pytest.mark.clause("6(2)")
async def test_a_minor_who_signs_in_on_her_own_page_stays_one(house: House, visit: Callable[[], Visit]) -> None:
    minor = visit()
    await minor.see("/chat/minor")
    sent = {"csrf_token": minor.token, "email": "parent@example.com"}
    await minor.client.post("/chat/minor", data=sent, headers={"Sec-Fetch-Site": "same-origin", "Accept": "text/html"})

    await minor.enter("minor@example.com")

    subjects = await house.core.database.read(lambda tx: [row.subject for row in tx.session.exec(select(Minor))])
    assert sorted(subject.partition(":")[0] for subject in subjects) == ["person", "visitor"]
