"""What the rights desk keeps, for how long, and what a person gets of it."""

import pytest
import pytest_asyncio

from core import clock
from core.database import Transaction
from core.holdings import Copying, Record, Ref
from core.report import Collected
from core.vault.refusals import KeyGone
from support.house import House
from support.privacy import erasure, retention
from support.rights import answering, holdings, requests, steps
from support.rights.models import Kind
from tests.support.privacy.conftest import Shopper, shopper
from tests.support.rights.conftest import NOW, OFFICER, WORDS, Person, asks, begun, count, mailbox, row


@pytest_asyncio.fixture
async def bea(house: House) -> Shopper:
    return await shopper(house, "bea@example.com", now=NOW)


def person(shopper_: Shopper) -> Person:
    return Person(shopper_.caller, shopper_.email)


async def closed(house: House, shopper_: Shopper) -> str:
    """A request that is answered and put away."""
    request_id = await begun(house.core, person(shopper_))
    await house.core.database.write(answering.fulfil, house.core, OFFICER, request_id, "It is ready.", now=NOW)
    await house.core.database.write(requests.close, house.core, OFFICER, request_id, now=NOW)
    return request_id


@pytest.mark.clause("5(1)3", "5(2)2")
async def test_erasing_her_leaves_the_request_and_says_so(house: House, bea: Shopper) -> None:
    request_id = await closed(house, bea)
    planned = house.core.database.read_now(erasure.plan, house.holdings, house.core.policy, bea.caller.ref)

    await erasure.run(house.core, house.holdings, bea.caller.ref, now=NOW + 1)

    stays = {held.object: held.stays for _, found in planned.stays for held in found}
    assert stays[Ref("rights_request", request_id)] == "R-5.2.2a"
    stands = await row(house.core, request_id)
    assert steps.open_(house.core, stands, "words") == WORDS


@pytest.mark.clause("5(1)3")
async def test_a_deletion_is_answered_after_her_address_is_gone(house: House, bea: Shopper) -> None:
    request_id = await begun(house.core, person(bea), Kind.DELETE)
    await erasure.run(house.core, house.holdings, bea.caller.ref, now=NOW + 1)

    await house.core.database.write(answering.fulfil, house.core, OFFICER, request_id, "Deleted.", now=NOW + 2)

    assert (await row(house.core, request_id)).answered_ms == NOW + 2
    assert "no account left" in await mailbox(house.core, now=NOW + 2)


@pytest.mark.clause("4(2)1", "5(2)2")
async def test_a_closed_request_goes_with_its_key_when_its_period_is_over(house: House, bea: Shopper) -> None:
    request_id = await closed(house, bea)
    stands = await row(house.core, request_id)
    days = house.core.policy.days("retention.dsr_case")

    await retention.run(
        house.core, house.holdings, Collected(), confirmed=True, now=NOW + days * clock.DAY - clock.HOUR
    )
    before = await count(house.core)
    await retention.run(house.core, house.holdings, Collected(), confirmed=True, now=NOW + days * clock.DAY)

    assert before[0] == 1
    assert await count(house.core) == (0, 0)
    with pytest.raises(KeyGone):
        house.core.vault.key(stands.dek_id, scope=request_id, owner=steps.owner(request_id))


@pytest.mark.clause("4(2)1")
async def test_an_open_request_never_expires(house: House, bea: Shopper) -> None:
    await asks(house.core, person(bea))

    found = house.core.database.read_now(holdings.holding().due, house.core.policy, now=NOW + 9999 * clock.DAY, limit=9)

    assert found == []


@pytest.mark.clause("5(1)2")
async def test_her_copy_holds_her_words_and_our_answer_and_no_note_of_ours(house: House, bea: Shopper) -> None:
    request_id = await begun(house.core, person(bea))
    await house.core.database.write(
        answering.fulfil_in_part,
        house.core,
        OFFICER,
        request_id,
        answering.Part("Mostly ready.", "Two recipes", "Secret", "REF_SECRET"),
        now=NOW,
    )

    def copy(tx: Transaction) -> list[Record]:
        copying = Copying(tx, house.core.vault, house.core.policy, bea.caller.ref, "en")
        return [part for part in holdings.holding().export(copying) if isinstance(part, Record)]

    (record,) = await house.core.database.read(copy)
    assert record.fields["Words"] == WORDS
    assert record.fields["Answer"] == "Mostly ready."


@pytest.mark.clause("3(1)")
async def test_nothing_that_anybody_wrote_is_readable_on_disk(house: House, bea: Shopper) -> None:
    await closed(house, bea)

    data = house.core.settings.data
    left = b"".join(path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file())

    assert WORDS[:16].encode() not in left
    assert b"It is ready." not in left
    assert b"bea@example.com" not in left
