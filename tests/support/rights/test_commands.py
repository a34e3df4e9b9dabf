"""What an operator sees of requests: where they stand, and nothing that anybody wrote."""

import base64

import pytest

from core import clock
from core.refusals import NotFound
from core.report import Collected
from core.services import Core
from support.rights import commands
from support.rights.models import Kind
from tests.support.rights.conftest import WORDS, Person, asks
from tests.support.rights.test_intake import message


def everything(report: Collected) -> str:
    return str(vars(report))


async def test_the_list_names_what_is_open_and_no_words(core: Core, ann: Person) -> None:
    received = await asks(core, ann, now=clock.now())
    report = Collected()

    code = await commands.list_(core, report)

    assert code == 0
    assert received.reference in everything(report)
    assert WORDS not in everything(report)
    assert ann.email not in everything(report)


async def test_one_request_is_found_by_its_reference(core: Core, ann: Person) -> None:
    received = await asks(core, ann, Kind.STOP, now=clock.now())
    report = Collected()

    await commands.show(core, report, which=received.reference.lower())

    assert "receive" in everything(report)
    assert WORDS not in everything(report)


async def test_a_reference_of_nothing_is_not_found(core: Core) -> None:
    with pytest.raises(NotFound):
        await commands.show(core, Collected(), which="R-0000-0000")


@pytest.mark.clause("5(2)2")
async def test_a_missed_day_is_a_fault_for_a_monitor(core: Core, ann: Person) -> None:
    assert await commands.due(core, Collected()) == 0
    await asks(core, ann, now=clock.now() - 20 * clock.DAY)

    assert await commands.due(core, Collected()) == 3


async def test_a_message_is_taken_in(core: Core) -> None:
    report = Collected()

    code = await commands.mail(core, report, message=base64.b64encode(message().as_bytes()).decode())

    assert code == 0
    assert "R-" in everything(report)
