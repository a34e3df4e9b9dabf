"""A deletion waits a day, can be taken back, takes what it said and no more, and leaves a certificate."""

from dataclasses import replace

import pytest

from chat import conversations
from core import clock, jobs, mail
from core.database import Transaction
from core.holdings import Held
from core.identity import people
from core.policy import Policy
from core.refusals import Conflict, NotFound, Unavailable
from support.house import House
from support.mydata import deletions
from support.mydata.models import Deletion
from support.privacy.models import Erasure
from support.rights.models import RightsRequest
from tests.support.mydata.conftest import work
from tests.support.privacy.conftest import CANARY, conversation_of, shopper

DAY = clock.DAY


async def rows(house: House, subject: str) -> list[Deletion]:
    def read(tx: Transaction) -> list[Deletion]:
        found = list(deletions.of(tx, subject))
        tx.session.expunge_all()
        return found

    return await house.core.database.read(read)


async def is_there(house: House, conversation: str) -> bool:
    try:
        await house.core.database.read(conversations.get, conversation, now=clock.now())
    except NotFound:
        return False
    return True


@pytest.mark.clause("5(1)3")
async def test_everything_waits_a_day_and_then_goes(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    asked = await deletions.ask(house.core, ann.caller, None, "en", now=clock.now())

    with pytest.raises(Unavailable):
        await deletions.carry_out(house.core, house.holdings, asked.id, now=asked.due_ms - 1)
    still_there = await is_there(house, ann.conversation.id)
    await deletions.carry_out(house.core, house.holdings, asked.id, now=asked.due_ms)

    assert still_there
    assert asked.due_ms == asked.asked_ms + DAY
    assert not await is_there(house, ann.conversation.id)
    (row,) = await rows(house, ann.caller.ref)
    assert row.state == deletions.DONE

    def proven(tx: Transaction) -> tuple[int | None, str]:
        return tx.session.get_one(Erasure, row.certificate).finished_ms, tx.session.get_one(
            RightsRequest, row.request_id
        ).state

    assert await house.core.database.read(proven) == (asked.due_ms, "closed")


@pytest.mark.clause("5(1)3")
async def test_the_job_of_a_deletion_is_due_a_day_later(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    asked = await deletions.ask(house.core, ann.caller, None, "en", now=clock.now())

    await work(house)
    planned = await house.core.database.read(
        lambda tx: tx.execute(jobs.JOB.select().where(jobs.JOB.c.kind == deletions.JOB)).one().run_ms
    )

    assert planned == asked.due_ms
    assert await is_there(house, ann.conversation.id)


@pytest.mark.clause("5(1)3")
async def test_a_letter_without_content_says_so_at_once(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())

    await deletions.ask(house.core, ann.caller, None, "en", now=clock.now())

    (letter,) = await house.core.database.read(mail.kept, house.core, now=clock.now())
    assert letter.to == "ann@example.com"
    for forbidden in (CANARY, "王小明", ann.conversation.id, "A late parcel"):
        assert forbidden not in letter.text + letter.html


@pytest.mark.clause("5(1)3")
async def test_a_deletion_that_was_taken_back_takes_nothing(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    asked = await deletions.ask(house.core, ann.caller, None, "en", now=clock.now())

    await house.core.database.write(deletions.take_back, house.core, ann.caller, asked.id, now=clock.now())
    await deletions.carry_out(house.core, house.holdings, asked.id, now=asked.due_ms)

    assert await is_there(house, ann.conversation.id)
    (row,) = await rows(house, ann.caller.ref)
    assert row.state == deletions.WITHDRAWN


@pytest.mark.clause("5(1)3")
async def test_nobody_else_takes_a_deletion_back_or_asks_for_anothers_conversation(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    bea = await shopper(house, "bea@example.com", now=clock.now())
    asked = await deletions.ask(house.core, ann.caller, None, "en", now=clock.now())

    with pytest.raises(NotFound):
        await house.core.database.write(deletions.take_back, house.core, bea.caller, asked.id, now=clock.now())
    with pytest.raises(NotFound):
        await deletions.ask(house.core, bea.caller, ann.conversation.id, "en", now=clock.now())


@pytest.mark.clause("5(1)3")
async def test_one_conversation_goes_alone_with_its_files(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    other = await conversation_of(house, ann.caller, "Another matter", now=clock.now())
    shown = await house.core.database.read(
        deletions.preview, house.holdings, house.core.policy, ann.caller.ref, ann.conversation.id
    )
    asked = await deletions.ask(house.core, ann.caller, ann.conversation.id, "en", now=clock.now())

    await deletions.carry_out(house.core, house.holdings, asked.id, now=asked.due_ms)

    goes = {held.object.id for _, parts in shown.goes for held in parts}
    assert goes == {ann.conversation.id, ann.attachment}
    assert not await is_there(house, ann.conversation.id)
    assert await is_there(house, other.id)
    person = await house.core.database.read(people.by_id, ann.caller.id)
    assert person is not None


@pytest.mark.clause("5(1)3")
async def test_the_preview_says_what_stays_why_and_until_when(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())

    shown = await house.core.database.read(deletions.preview, house.holdings, house.core.policy, ann.caller.ref, None)

    assert {holding.name for holding, _ in shown.goes} >= {"people", "conversations", "attachments"}
    stays = {holding.name: held for holding, parts in shown.stays for held in parts}
    assert stays["acknowledgements"].stays == "R-PRE-2"
    assert all(held.until_ms is not None for held in stays.values())


@pytest.mark.clause("5(1)3")
async def test_asking_twice_is_told_and_two_conversations_are_two(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    other = await conversation_of(house, ann.caller, "Another matter", now=clock.now())
    await deletions.ask(house.core, ann.caller, ann.conversation.id, "en", now=clock.now())

    with pytest.raises(Conflict):
        await deletions.ask(house.core, ann.caller, ann.conversation.id, "en", now=clock.now())
    second = await deletions.ask(house.core, ann.caller, other.id, "en", now=clock.now())

    first = next(row for row in await rows(house, ann.caller.ref) if row.id != second.id)
    assert first.request_id == second.request_id
    await deletions.carry_out(house.core, house.holdings, first.id, now=second.due_ms)
    state = await house.core.database.read(lambda tx: tx.session.get_one(RightsRequest, first.request_id).state)
    assert state == "identity_ok"
    await deletions.carry_out(house.core, house.holdings, second.id, now=second.due_ms)
    state = await house.core.database.read(lambda tx: tx.session.get_one(RightsRequest, first.request_id).state)
    assert state == "closed"


@pytest.mark.clause("5(1)3")
async def test_the_same_address_is_a_new_person_afterwards(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    asked = await deletions.ask(house.core, ann.caller, None, "en", now=clock.now())
    await deletions.carry_out(house.core, house.holdings, asked.id, now=asked.due_ms)

    again = await people.enrol(house.core, "ann@example.com", now=asked.due_ms + 1)

    assert again.id != ann.caller.id
    hers = await house.core.database.read(conversations.for_subject, f"person:{again.id}", now=asked.due_ms + 1)
    assert hers == []


@pytest.mark.clause("5(2)4")
async def test_what_is_held_is_tried_again_until_it_is_let_go(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    asked = await deletions.ask(house.core, ann.caller, ann.conversation.id, "en", now=clock.now())

    def of_held(tx: Transaction, policy: Policy, subject: str) -> list[Held]:
        return [replace(held, stays="REF_CRIMINAL") for held in named["conversations"].of(tx, policy, subject)]

    named = {holding.name: holding for holding in house.holdings}
    held = [replace(holding, of=of_held) if holding.name == "conversations" else holding for holding in house.holdings]
    await deletions.carry_out(house.core, held, asked.id, now=asked.due_ms)
    (row,) = await rows(house, ann.caller.ref)
    kept = await is_there(house, ann.conversation.id)
    planned = await house.core.database.read(
        lambda tx: [job.run_ms for job in tx.execute(jobs.JOB.select().where(jobs.JOB.c.kind == deletions.JOB))]
    )
    await deletions.carry_out(house.core, house.holdings, asked.id, now=asked.due_ms + DAY)

    assert row.state == deletions.HELD
    assert kept
    assert asked.due_ms + DAY in planned
    (row,) = await rows(house, ann.caller.ref)
    assert row.state == deletions.DONE
    assert not await is_there(house, ann.conversation.id)
    state = await house.core.database.read(lambda tx: tx.session.get_one(RightsRequest, row.request_id).state)
    assert state == "closed"


@pytest.mark.clause("5(1)3")
async def test_a_deletion_that_was_stopped_halfway_is_finished_by_its_job(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    asked = await deletions.ask(house.core, ann.caller, None, "en", now=clock.now())

    async def away(*_: object, **__: object) -> int:
        raise Unavailable

    with monkeypatch.context() as broken:
        broken.setattr(house.core.vault, "destroy", away)
        with pytest.raises(Unavailable):
            await deletions.carry_out(house.core, house.holdings, asked.id, now=asked.due_ms)
    (row,) = await rows(house, ann.caller.ref)
    halfway = row.state
    await deletions.carry_out(house.core, house.holdings, asked.id, now=asked.due_ms)

    (row,) = await rows(house, ann.caller.ref)
    assert halfway == deletions.RUNNING
    assert row.state == deletions.DONE
    assert not await is_there(house, ann.conversation.id)
