"""What orders keep about people, and how it goes."""

from pathlib import Path

import pytest

from core.clock import DAY
from core.holdings import Copying, Record, Ref
from core.identity import people
from core.refusals import NotFound
from core.services import Core
from support.orders import orders
from support.orders.holdings import holding
from support.orders.importing import Tally, import_files
from tests.support.orders.conftest import HeardReport

NOW = 1_800_000_000_000
LINES = """\
order_number,email,name,status,item,quantity,unit_price,currency,recipient_name,recipient_address
A-1,ann@example.com,林安,shipped,杯子,2,450,TWD,陳小明,台北市大安區和平東路一段162號
A-2,ann@example.com,林安,pending,盤子,1,300,TWD,林安,台北市大安區和平東路一段162號
B-1,bea@example.com,Bea,pending,Cup,1,450,TWD,Bea,
"""


@pytest.fixture
async def shop(core: Core, tmp_path: Path, report: HeardReport) -> Core:
    """Two orders of Ann, one of which went to somebody else, and one of Bea."""
    file = tmp_path / "orders.csv"
    file.write_text(LINES)
    await import_files(core, [file], report, now=NOW)
    return core


def subject(core: Core, email: str) -> str:
    person = core.database.read_now(people.by_email, core.vault, email)
    assert person is not None
    return f"person:{person.id}"


def copy_of(core: Core, email: str) -> list[Record]:
    mine = subject(core, email)

    def gather(tx: object) -> list[Record]:
        copying = Copying(tx, core.vault, core.policy, mine, "en")  # type: ignore[arg-type]  # a Transaction
        return [part for part in holding().export(copying) if isinstance(part, Record)]

    return core.database.read_now(gather)


def days(core: Core) -> int:
    return core.policy.retention_class("transaction_linked").days


@pytest.mark.clause("1(1)")
def test_an_order_is_due_when_its_period_is_over_and_not_a_moment_before(shop: Core) -> None:
    end = NOW + days(shop) * DAY

    before = shop.database.read_now(holding().due, shop.policy, now=end - 1, limit=10)
    after = shop.database.read_now(holding().due, shop.policy, now=end, limit=10)

    assert before == []
    assert len(after) == 3
    assert {due.retention_class for due in after} == {"transaction_linked"}


def test_no_more_is_due_at_once_than_was_asked_for(shop: Core) -> None:
    after = shop.database.read_now(holding().due, shop.policy, now=NOW + days(shop) * DAY, limit=2)

    assert len(after) == 2


@pytest.mark.clause("5(1)3")
def test_a_hidden_order_is_shown_to_nobody_and_stays_due_until_it_is_gone(shop: Core) -> None:
    [order] = shop.database.read_now(orders.by_number, shop.vault, "A-1")
    refs = [Ref("order", order.id)]

    shop.database.write_now(holding().hide, refs, now=NOW)

    with pytest.raises(NotFound):
        shop.database.read_now(orders.view, shop.vault, order.id)
    assert shop.database.read_now(orders.by_number, shop.vault, "A-1") == []
    assert not shop.database.read_now(orders.belongs_to, order.id, order.person_id)
    [due] = shop.database.read_now(holding().due, shop.policy, now=NOW, limit=10)
    assert due.object == refs[0]
    assert shop.database.write_now(holding().erase, refs, now=NOW) == 1
    assert shop.database.write_now(holding().erase, refs, now=NOW) == 0
    assert shop.database.read_now(holding().due, shop.policy, now=NOW, limit=10) == []


async def test_an_import_does_not_revive_a_hidden_order(shop: Core, tmp_path: Path, report: HeardReport) -> None:
    [order] = shop.database.read_now(orders.by_number, shop.vault, "A-1")
    shop.database.write_now(holding().hide, [Ref("order", order.id)], now=NOW)
    file = tmp_path / "orders.csv"
    file.write_text(LINES.replace("shipped", "delivered"))

    tally = await import_files(shop, [file], report, now=NOW + 1)

    assert tally == Tally(unchanged=3)
    assert shop.database.read_now(orders.by_number, shop.vault, "A-1") == []


def test_of_names_the_orders_of_one_person(shop: Core) -> None:
    held = shop.database.read_now(holding().of, shop.policy, subject(shop, "ann@example.com"))

    assert len(held) == 2
    assert shop.database.read_now(holding().of, shop.policy, "visitor:" + "0" * 32) == []
    assert shop.database.read_now(holding().live) == 3


@pytest.mark.clause("5(1)2")
def test_a_copy_holds_the_buyers_orders_in_the_clear(shop: Core) -> None:
    records = {record.fields["Order number"]: record for record in copy_of(shop, "ann@example.com")}

    assert set(records) == {"A-1", "A-2"}
    assert records["A-2"].fields["Recipient"] == "林安"
    assert records["A-2"].fields["Total"] == "300 TWD"
    assert records["A-1"].fields["Articles"] == ["2 × 杯子, 450"]


@pytest.mark.clause("2(3)")
def test_in_a_copy_a_recipient_who_is_somebody_else_is_masked(shop: Core) -> None:
    records = {record.fields["Order number"]: record for record in copy_of(shop, "ann@example.com")}

    assert records["A-1"].fields["Recipient"] == "陳○明"
    assert records["A-1"].fields["Address"] == "台北市大安區***"
