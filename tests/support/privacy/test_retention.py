"""What has ended goes, what has not stays, and an unusual sweep waits for a person."""

from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlmodel import SQLModel

from core import holdings as core_holdings
from core import holdings_of_core, ledger
from core.clock import DAY
from core.database import Transaction
from core.ledger import ENTRY
from core.refusals import Conflict
from core.report import Collected
from support.house import House
from support.privacy import ending, retention
from support.tables import ALL
from tests.support.privacy.conftest import NOW, conversation_of, shopper, visitor

assert ALL


def conversations(house: House) -> set[str]:
    table = SQLModel.metadata.tables["conversation"]
    return set(house.core.database.read_now(lambda tx: tx.execute(select(table.c.id)).scalars().all()))


def count(house: House, table: str) -> int:
    counted = select(func.count()).select_from(SQLModel.metadata.tables[table])
    return house.core.database.read_now(lambda tx: int(tx.execute(counted).scalar_one()))


def entries(house: House) -> list[tuple[str, str, str]]:
    asked = select(ENTRY.c.action, ENTRY.c.object_id, ENTRY.c.result).order_by(ENTRY.c.seq)
    return [tuple(row) for row in house.core.database.read_now(lambda tx: tx.execute(asked).all())]


def media_files(house: House) -> list[Path]:
    return [path for path in (house.core.settings.data / "media").rglob("*") if path.is_file()]


@pytest.mark.clause("5(1)3")
async def test_every_table_of_the_house_is_declared(house: House) -> None:
    known = {str(model.__tablename__) for module in ALL for model in vars(module).values() if _is_table(model, module)}
    declared = {table for holding in house.holdings for table in holding.tables} | set(holdings_of_core.IMPERSONAL)

    assert known == declared
    for holding in house.holdings:
        assert set(holding.classes) <= set(house.core.policy.classes)
        assert holding.clause in house.core.policy.clauses
    assert len({kind for holding in house.holdings for kind in holding.kinds}) == sum(
        len(holding.kinds) for holding in house.holdings
    )


def _is_table(model: object, module: object) -> bool:
    return hasattr(model, "__table__") and getattr(model, "__module__", "") == getattr(module, "__name__", None)


@pytest.mark.clause("4(2)1")
async def test_a_guests_chat_ends_on_its_ninetieth_day_and_a_customers_stays(house: House) -> None:
    guest = await conversation_of(house, visitor(), "hello")
    hers = (await shopper(house, "ann@example.com")).conversation

    await retention.run(house.core, house.holdings, Collected(), now=NOW + 90 * DAY - 1)
    before = conversations(house)
    await retention.run(house.core, house.holdings, Collected(), now=NOW + 90 * DAY)

    assert before == {guest.id, hers.id}
    assert conversations(house) == {hers.id}


@pytest.mark.clause("4(2)1")
async def test_an_ended_chat_leaves_no_key_no_file_and_no_row(house: House) -> None:
    hers = await shopper(house, "ann@example.com")
    assert media_files(house)

    ended = await retention.run(house.core, house.holdings, Collected(), now=NOW + 366 * DAY)

    assert (count(house, "event"), count(house, "attachment")) == (0, 0)
    assert media_files(house) == []
    assert ended.keys == 1
    assert ended.files == 3
    assert [stone.dek_id for stone in await house.core.vault.tombstones()] == [hers.conversation.dek_id]


@pytest.mark.clause("4(2)1")
async def test_the_certificate_says_how_much_of_what_under_which_clause(house: House) -> None:
    await conversation_of(house, visitor(), "hello")

    await retention.run(house.core, house.holdings, Collected(), now=NOW + 90 * DAY)

    assert ("retention.expired", "visitor_chat", "objects-1") in entries(house)
    assert entries(house)[-1] == ("retention.run", "2023-10-11", "objects-1.rows-1.keys-1.files-0")
    assert house.core.database.read_now(ledger.verify).is_whole


@pytest.mark.clause("4(2)1")
async def test_a_plan_counts_and_changes_nothing(house: House) -> None:
    guest = await conversation_of(house, visitor(), "hello")

    planned = house.core.database.read_now(retention.plan, house.holdings, house.core.policy, now=NOW + 90 * DAY)

    assert planned.sums() == {"visitor_chat": 1}
    (due,) = [due for each in planned.holdings for due in each.due]
    assert due.object == ("conversation", guest.id)
    assert due.expires_ms == NOW + 90 * DAY
    assert conversations(house) == {guest.id}


@pytest.mark.clause("4(2)1")
async def test_an_unusual_sweep_stops_and_goes_on_only_when_confirmed(house: House) -> None:
    for _ in range(house.core.policy.number("brake_floor_objects") + 1):
        await conversation_of(house, visitor())
    later = NOW + 90 * DAY

    with pytest.raises(Conflict, match="brake"):
        await retention.run(house.core, house.holdings, Collected(), now=later)
    stopped = len(conversations(house))
    await retention.run(house.core, house.holdings, Collected(), confirmed=True, now=later)

    assert stopped == 21
    assert conversations(house) == set()
    assert ("retention.brake", "conversations", "due-21.live-21") in entries(house)


@pytest.mark.parametrize("step", ["remove_files", "destroy", "erase"])
@pytest.mark.clause("5(1)3")
async def test_a_sweep_that_stopped_halfway_is_finished_by_the_next(
    house: House, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hers = await shopper(house, "ann@example.com")
    later = NOW + 366 * DAY
    holdings = list(house.holdings)

    class PowerCut(Exception):
        pass

    async def cut_off(*_: object, **__: object) -> int:
        raise PowerCut

    def cut_inside(*_: object, **__: object) -> int:
        raise PowerCut

    with monkeypatch.context() as patch:
        if step == "destroy":
            patch.setattr(type(house.core.vault), "destroy", cut_off)
        elif step == "erase":
            patch.setattr(ending, "_erase", cut_inside)
        else:
            attachments = next(each for each in holdings if each.name == "attachments")
            object.__setattr__(attachments, "remove_files", cut_off)
        with pytest.raises(PowerCut):
            await retention.run(house.core, holdings, Collected(), now=later)
    if step == "remove_files":
        object.__setattr__(attachments, "remove_files", _removing(house))
    assert conversations(house) == {hers.conversation.id}

    await retention.run(house.core, holdings, Collected(), now=later)

    assert conversations(house) == set()
    assert media_files(house) == []
    assert hers.conversation.dek_id in {stone.dek_id for stone in await house.core.vault.tombstones()}


def _removing(house: House) -> object:
    async def remove(names: list[str]) -> None:
        for name in names:
            await house.media.blobs.delete(name)

    return remove


@pytest.mark.clause("4(2)1")
async def test_a_holding_that_does_not_let_go_is_named_instead_of_swept_for_ever(house: House) -> None:
    def always(tx: Transaction, policy: object, /, *, now: int, limit: int) -> list[core_holdings.Due]:
        return [core_holdings.Due(core_holdings.Ref("stone", "s1"), "system", "letter", now)]

    stuck = core_holdings.Holding("stones", "Stones", "2(4)", (), due=always)

    with pytest.raises(RuntimeError, match="stones"):
        await retention.run(house.core, [stuck], Collected(), now=NOW)
