"""What an operator sees, and the exit code a program sees."""

from pathlib import Path

import pytest
from sqlalchemy import text

from core import generation
from core.database import Transaction
from core.refusals import NotFound
from core.report import Collected
from support.house import House
from support.privacy import commands
from tests.support.privacy.conftest import CANARY, NOW, conversation_of, shopper, visitor
from tests.support.privacy.test_retention import conversations, count


@pytest.mark.clause("4(2)1")
async def test_a_plan_says_what_why_and_changes_nothing(house: House) -> None:
    old = await conversation_of(house, visitor(), CANARY, now=NOW - 400 * 86_400_000)
    report = Collected()

    code = await commands.plan(house.core, house.holdings, report)

    rows = [row for _, table in report.tables for row in table]
    assert code == 0
    assert ["visitor_chat", "1", "90 days after last activity", "4(2)1", "Chats without an account"] in rows
    assert any(row[:2] == ["conversation", old.id] for row in rows)
    assert CANARY not in repr(rows)
    assert conversations(house) == {old.id}


@pytest.mark.clause("4(2)1")
async def test_a_run_deletes_and_says_how_much(house: House) -> None:
    await conversation_of(house, visitor(), "hello", now=NOW - 400 * 86_400_000)
    report = Collected()

    code = await commands.run(house.core, house.holdings, report)

    assert code == 0
    assert conversations(house) == set()
    assert report.lines == ["1 objects ended: 1 rows, 1 keys, 0 files."]


@pytest.mark.clause("5(1)3")
async def test_erasing_is_planned_first_and_then_done(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    report = Collected()

    await commands.erase(house.core, house.holdings, report, who="ann@example.com", plan_only=True)
    planned = conversations(house)
    await commands.erase(house.core, house.holdings, report, who=ann.caller.id)

    assert planned == {ann.conversation.id}
    assert (conversations(house), count(house, "person")) == (set(), 0)
    assert "Nothing was changed." in report.lines
    assert "14 days" in report.lines[-1]


async def test_nobody_is_found_who_is_not_there(house: House) -> None:
    await shopper(house, "ann@example.com")

    for stranger in ("bea@example.com", "0" * 32, "person:" + "0" * 32, "ann"):
        with pytest.raises(NotFound):
            await commands.erase(house.core, house.holdings, Collected(), who=stranger)

    assert count(house, "person") == 1


@pytest.mark.clause("3(2)")
async def test_a_checkpoint_is_written_beside_the_data_and_the_ledger_checks(house: House) -> None:
    await shopper(house, "ann@example.com")
    report = Collected()

    await commands.checkpoint(house.core, report)
    code = await commands.ledger_verify(house.core, report)

    (file,) = (house.core.settings.data / "checkpoints").iterdir()
    assert file.read_text().split("\n")[0] == "aftercare/shop"
    assert code == 0
    assert report.lines[-1].startswith("The ledger is whole")


@pytest.mark.clause("3(2)")
async def test_a_ledger_that_was_changed_gives_exit_code_three_and_the_place(house: House) -> None:
    await shopper(house, "ann@example.com")

    def tamper(tx: Transaction) -> None:
        tx.execute(text("DROP TRIGGER ledger_entry_no_update"))
        tx.execute(text("UPDATE ledger_entry SET actor = 'staff:nobody' WHERE seq = 1"))

    await house.core.database.write(tamper)
    report = Collected()

    code = await commands.ledger_verify(house.core, report)

    assert code == 3
    assert report.lines == ["Entry 1 cannot be believed (changed); 0 before it are whole."]


@pytest.mark.clause("3(2)")
async def test_a_ledger_that_was_cut_without_a_trace_is_named_by_the_keystore(house: House) -> None:
    await shopper(house, "ann@example.com")
    await generation.advance(house.core)

    def cut(tx: Transaction) -> None:
        tx.execute(text("DROP TRIGGER ledger_entry_no_delete"))
        tx.execute(text("DELETE FROM ledger_entry"))
        tx.execute(text("DELETE FROM ledger_head"))

    await house.core.database.write(cut)
    report = Collected()

    assert await commands.ledger_verify(house.core, report) == 3
    assert report.lines == ["Entry 1 cannot be believed (cut_off); 0 before it are whole."]


@pytest.mark.clause("3(2)")
async def test_checkpoints_kept_elsewhere_are_compared_and_forged_ones_named(house: House, tmp_path: Path) -> None:
    await shopper(house, "ann@example.com")
    await commands.checkpoint(house.core, Collected())
    (file,) = (house.core.settings.data / "checkpoints").iterdir()
    elsewhere = tmp_path / "worm"
    elsewhere.mkdir()
    (elsewhere / file.name).write_text(file.read_text())
    report = Collected()

    good = await commands.ledger_verify(house.core, report, beside=elsewhere)
    (elsewhere / file.name).write_text(file.read_text().replace("time 1", "time 2"))
    forged = await commands.ledger_verify(house.core, report, beside=elsewhere)

    assert (good, forged) == (0, 3)
    assert report.lines[-1] == f"The checkpoint {file.name} was not signed by this shop, or was changed."
