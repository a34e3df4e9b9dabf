"""Asking about orders."""

from pathlib import Path

import pytest
from sqlmodel import select

from core.database import Transaction
from core.identity import people
from core.refusals import NotFound
from core.services import Core
from core.vault import ContentUnavailable
from support.orders import orders
from support.orders.detail import normalised
from support.orders.importing import import_files
from support.orders.models import OrderRecord
from support.orders.orders import OrderView
from tests.support.orders.conftest import HeardReport

NOW = 1_800_000_000_000
LINES = """\
order_number,email,name,status,item,quantity,unit_price,currency,placed_at,recipient_name,recipient_address,recipient_phone
A-1,ann@example.com,林安,shipped,杯子,2,450,TWD,2026-11-01,陳小明,台北市大安區和平東路一段162號,0912-345-678
A-2,ann@example.com,林安,pending,盤子,1,300,TWD,2026-11-20,林安,台北市大安區和平東路一段162號,0912-345-678
A-0,ann@example.com,林安,delivered,茶壺,1,980,TWD,,,,
B-1,bea@example.com,Bea,pending,Cup,1,450,TWD,2026-11-02,Bea,,
"""


@pytest.fixture
async def shop(core: Core, tmp_path: Path, report: HeardReport) -> Core:
    """A shop with three orders of Ann and one of Bea."""
    file = tmp_path / "orders.csv"
    file.write_text(LINES)
    await import_files(core, [file], report, now=NOW)
    assert report.lines == []
    return core


def person_id(core: Core, email: str) -> str:
    person = core.database.read_now(people.by_email, core.vault, email)
    assert person is not None
    return person.id


def order(core: Core, number: str) -> OrderView:
    [found] = core.database.read_now(orders.by_number, core.vault, number)
    return found


def test_a_persons_orders_come_newest_first_and_undated_ones_last(shop: Core) -> None:
    found = shop.database.read_now(orders.of_person, shop.vault, person_id(shop, "ann@example.com"))

    assert [each.number for each in found] == ["A-2", "A-1", "A-0"]


@pytest.mark.parametrize("typed", ["A-1", "#A-1", "a-1", " A-1 ", "＃Ａ－１", "# a-1"])
def test_an_order_is_found_however_its_number_is_typed(shop: Core, typed: str) -> None:
    assert order(shop, typed).number == "A-1"


def test_different_numbers_stay_different() -> None:
    numbers = ["A-1", "A1", "A-11", "1-23", "12-3", "A--1", "B-1"]

    assert len({normalised(number) for number in numbers}) == len(numbers)


def test_an_order_belongs_to_its_buyer_and_to_nobody_else(shop: Core) -> None:
    ann, bea = person_id(shop, "ann@example.com"), person_id(shop, "bea@example.com")
    mine = order(shop, "A-1").id

    assert shop.database.read_now(orders.belongs_to, mine, ann)
    assert not shop.database.read_now(orders.belongs_to, mine, bea)
    assert not shop.database.read_now(orders.belongs_to, "0" * 32, ann)


def test_an_order_that_is_not_there_is_not_found(shop: Core) -> None:
    with pytest.raises(NotFound):
        shop.database.read_now(orders.view, shop.vault, "0" * 32)


@pytest.mark.clause("3(1)")
def test_staff_see_the_recipient_masked(shop: Core) -> None:
    shown = orders.masked(order(shop, "A-1"))

    assert shown.recipient.name == "陳○明"
    assert shown.recipient.address == "台北市大安區***"
    assert shown.recipient.phone == "09**-***-678"
    assert shown.lines[0].name == "杯子"


def test_what_the_shop_did_not_say_is_not_masked_into_something(shop: Core) -> None:
    shown = orders.masked(order(shop, "A-0"))

    assert (shown.recipient.name, shown.recipient.address, shown.recipient.phone) == ("", "", "")


@pytest.mark.clause("3(1)")
def test_a_sealed_order_moved_to_another_row_does_not_open(shop: Core) -> None:
    """Whoever can write to the tables cannot show one buyer another's order, nor one order as another."""
    mine, other = order(shop, "A-1").id, order(shop, "A-2").id

    def swap(tx: Transaction) -> None:
        records = {record.id: record for record in tx.session.exec(select(OrderRecord))}
        records[mine].detail_sealed = records[other].detail_sealed

    shop.database.write_now(swap)

    with pytest.raises(ContentUnavailable):
        shop.database.read_now(orders.view, shop.vault, mine)
