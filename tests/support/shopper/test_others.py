"""Speaking for somebody else: what a shopper said about that is kept, once, and shown to who answers her."""

from collections.abc import Callable

import pytest
from sqlmodel import select

from core import clock
from core.database import Transaction
from core.services import Core
from core.web.i18n import Formats
from support.desk import side
from support.shopper import others
from support.shopper.models import ThirdPartyAttestation
from tests.support.desk.house import member
from tests.support.shopper.conftest import Browser

Visit = Callable[[], Browser]
FORMATS = Formats("en", "Asia/Taipei", "TWD")


def on_record(tx: Transaction) -> list[ThirdPartyAttestation]:
    return list(tx.session.exec(select(ThirdPartyAttestation)))


async def attest(shopper: Browser, conversation: str, **said: object) -> int:
    path = f"/shopper/conversations/{conversation}/attestation"
    return (await shopper.post(path, **(said or {"attested": True}))).status_code


@pytest.mark.clause("2(3)")
async def test_that_somebody_else_has_agreed_is_kept_once_and_shown_to_the_agent(core: Core, visit: Visit) -> None:
    shopper, mei = visit(), await member(core, "mei.lin")
    conversation = await shopper.start(core)
    before = await core.database.write(side.panel, core, mei.caller, conversation, FORMATS, now=clock.now())

    answers = [await attest(shopper, conversation), await attest(shopper, conversation)]

    (row,) = await core.database.read(on_record)
    after = await core.database.write(side.panel, core, mei.caller, conversation, FORMATS, now=clock.now())
    assert answers == [200, 200]
    assert (before.customer.for_other_ms, after.customer.for_other_ms) == (None, row.at_ms)


@pytest.mark.clause("2(3)")
async def test_nobody_attests_in_a_conversation_of_another_or_by_an_unticked_box(core: Core, visit: Visit) -> None:
    shopper, stranger = visit(), visit()
    conversation = await shopper.start(core)
    await stranger.start(core)

    foreign, unticked = await attest(stranger, conversation), await attest(shopper, conversation, attested=False)

    assert (foreign, unticked) == (404, 422)
    assert await core.database.read(on_record) == []


@pytest.mark.clause("2(3)")
async def test_what_a_guest_said_is_hers_when_she_has_proven_who_she_is(core: Core, visit: Visit) -> None:
    shopper = visit()
    conversation = await shopper.start(core)
    await attest(shopper, conversation)

    await shopper.prove(core, "anna@example.com", conversation)

    (row,) = await core.database.read(on_record)
    assert row.subject.startswith("person:")
    assert await core.database.read(others.said_ms, conversation) == row.at_ms
