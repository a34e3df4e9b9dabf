"""What the officer's buttons do for a request to copy or to stop."""

import pytest

from core.identity.callers import Caller
from core.refusals import Conflict, NotFound
from support.carriers import CARRIERS
from support.house import House
from support.mydata import archives, restrictions
from support.rights import carrying
from support.rights.models import Kind, State
from tests.support.desk.house import shopper
from tests.support.rights.conftest import AGENT, NOW, OFFICER, Person, begun, entries, row, verbs


async def somebody(house: House) -> Person:
    """Somebody with a proven address in this house."""
    made = await shopper(house.core, "ann@example.com", "Ann Lee")
    return Person(Caller("person", made.id, name="A** L.", proof="email_code", proven_ms=NOW), "ann@example.com")


@pytest.mark.clause("5(1)2")
async def test_a_copy_that_the_officer_orders_is_the_persons_alone_and_waits_for_the_officers_answer(
    house: House,
) -> None:
    ann = await somebody(house)
    request = await begun(house.core, ann)

    await carrying.carry_out(house, CARRIERS, OFFICER, request, now=NOW)
    (archive,) = await house.core.database.read(archives.of, ann.caller.ref, now=NOW)
    await archives.make(house.media, house.holdings, archive.id, now=NOW)
    with pytest.raises(NotFound):
        await archives.fetch(house.media, OFFICER, archive.id, now=NOW)
    fetched = await archives.fetch(house.media, ann.caller, archive.id, now=NOW)

    assert fetched.size > 0
    assert (await row(house.core, request)).state == State.IN_PROGRESS
    assert (await verbs(house.core, request))[-1] == "carry_out"
    await fetched.pieces.aclose()


@pytest.mark.clause("5(1)2")
async def test_a_second_copy_waits_until_the_first_is_over(house: House) -> None:
    ann = await somebody(house)
    request = await begun(house.core, ann)
    await carrying.carry_out(house, CARRIERS, OFFICER, request, now=NOW)

    with pytest.raises(Conflict):
        await carrying.carry_out(house, CARRIERS, OFFICER, request, now=NOW)


@pytest.mark.clause("5(1)2")
async def test_the_officer_stops_the_use_of_what_is_a_persons_for_her(house: House) -> None:
    ann = await somebody(house)
    request = await begun(house.core, ann, Kind.STOP)

    await carrying.carry_out(house, CARRIERS, OFFICER, request, now=NOW)
    await carrying.carry_out(house, CARRIERS, OFFICER, request, now=NOW)
    standing = await house.core.database.read(restrictions.in_force, ann.caller.ref)

    assert standing is not None
    assert [result for action, _, result in await entries(house.core, request) if action == "rights.carry_out"] == [
        "conversations-0",
        "conversations-0",
    ]


async def test_nobody_but_the_officer_presses_these_buttons(house: House) -> None:
    ann = await somebody(house)
    request = await begun(house.core, ann)

    with pytest.raises(NotFound):
        await carrying.carry_out(house, CARRIERS, AGENT, request, now=NOW)

    assert await house.core.database.read(archives.of, ann.caller.ref, now=NOW) == []
