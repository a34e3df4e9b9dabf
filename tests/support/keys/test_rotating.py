"""The rotation of a whole house: its order, its ledger, its week, and what it makes of old copies of the keystore."""

from pathlib import Path

import pytest
from sqlalchemy import select, update

from core import clock
from core.database import Transaction
from core.ledger import ENTRY
from core.refusals import Conflict
from core.report import Collected
from core.settings import Settings
from core.vault import StartRefused, Vault
from core.vault.models import DEK, EPOCH
from support import doctor
from support.backup import keys as ring
from support.house import House, opened
from support.keys import commands, rotating
from support.schedule import ROTATION, every, handlers

DAY = clock.DAY
NOW = 1_795_400_000_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Data and keys in folders of their own."""
    return Settings(data=tmp_path / "var", keys=f"file:{tmp_path / 'keys' / 'kek.d'}")


def entries(house: House) -> list[tuple[str, str, str]]:
    chosen = select(ENTRY.c.action, ENTRY.c.object_id, ENTRY.c.result).where(ENTRY.c.action.like("keys.%"))

    def read(tx: Transaction) -> list[tuple[str, str, str]]:
        return [(row.action, row.object_id, row.result) for row in tx.execute(chosen.order_by(ENTRY.c.seq))]

    return house.core.database.read_now(read)


def alive(settings: Settings) -> list[str]:
    return sorted(path.name for path in Path(settings.keys.removeprefix("file:")).glob("*.key"))


@pytest.mark.clause("5(1)3")
async def test_every_step_is_in_the_ledger_in_its_order(settings: Settings) -> None:
    async with opened(settings) as house:
        await rotating.rotate(house.core, Collected(), now=NOW)
        done = await rotating.rotate(house.core, Collected(), now=NOW)

        assert done.destroyed == (1,)
        assert entries(house) == [
            ("keys.rotate", "1", "begins"),
            ("keys.rotate", "2", f"keys-{done.keys}"),
            ("keys.rotate", "2", "begins"),
            ("keys.rotate", "3", f"keys-{done.keys}"),
            ("keys.destroy", "1", "begins"),
            ("keys.destroy", "1", "ok"),
        ]
    assert alive(settings) == ["epoch-00000002.key", "epoch-00000003.key"]


async def test_it_comes_by_itself_when_the_week_is_over_and_not_before(settings: Settings) -> None:
    async with opened(settings) as house:
        core = house.core
        began = (await core.vault.rotation.standing()).since_ms

        early = await rotating.rotate_if_due(core, Collected(), now=began + 6 * DAY)
        due = await rotating.rotate_if_due(core, Collected(), now=began + 7 * DAY)
        again = await rotating.rotate_if_due(core, Collected(), now=began + 7 * DAY + clock.HOUR)

        assert early is None
        assert due is not None
        assert due.current == 2
        assert again is None
        assert every(core.policy)[ROTATION] == clock.HOUR
        assert ROTATION in handlers(house)


@pytest.mark.clause("5(1)3")
async def test_a_copy_of_the_keystore_of_fourteen_days_ago_opens_nothing(settings: Settings, tmp_path: Path) -> None:
    copies = {}
    async with opened(settings) as house:
        began = (await house.core.vault.rotation.standing()).since_ms
        await house.core.vault.create("a1" * 16, "visitor:b2")
        for hour in range(15 * 24 + 1):
            now = began + hour * clock.HOUR
            await rotating.rotate_if_due(house.core, Collected(), now=now)
            if hour in {0, 8 * 24, 14 * 24}:
                copies[hour // 24] = tmp_path / "ring" / f"{hour // 24}.db"
                await ring.copy(house.core, copies[hour // 24], now=NOW)

    for day, copy in copies.items():
        url = f"sqlite:///{copy}"
        put_back = settings.model_copy(update={"keystore_url": url})
        if day == 0:
            with pytest.raises(StartRefused, match="needs the key of epoch 1"):
                Vault.open(put_back)
        else:
            vault = Vault.open(put_back)
            assert await vault.rotation.verify(lambda _, __: None) > 1
            vault.close()


async def test_with_a_ring_the_copy_is_kept_and_old_ones_go(settings: Settings, tmp_path: Path) -> None:
    settings = settings.model_copy(update={"key_backups": tmp_path / "ring"})
    async with opened(settings) as house:
        first = await rotating.rotate(house.core, Collected(), now=NOW)
        second = await rotating.rotate(house.core, Collected(), now=NOW + 7 * DAY)
        third = await rotating.rotate(house.core, Collected(), now=NOW + 15 * DAY)

    assert first.copy is not None
    assert not first.copy.exists()
    assert sorted((tmp_path / "ring").iterdir()) == [second.copy, third.copy]


async def test_a_row_that_does_not_open_stops_it_before_anything_is_destroyed(settings: Settings) -> None:
    async with opened(settings) as house:
        await rotating.rotate(house.core, Collected(), now=NOW)
        key = await house.core.vault.create("a1" * 16, "visitor:b2")

        def change(tx: Transaction) -> None:
            tx.execute(update(DEK).where(DEK.c.id == key.id).values(owner="visitor:thief"))

        await house.core.vault._database.write(change)

        with pytest.raises(Conflict) as stopped:
            await rotating.rotate(house.core, Collected(), now=NOW)

        report = Collected()
        assert str(key.id) in stopped.value.sentence
        assert entries(house)[-1] == ("keys.rotate", "3", "stopped")
        assert await commands.verify(house, report, {}) == 3
        assert str(key.id) in report.lines[-1]
    assert len(alive(settings)) == 3


async def test_a_key_from_the_environment_is_not_rotated(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "var", keys="env:" + "A" * 43 + "=")
    async with opened(settings) as house:
        with pytest.raises(Conflict) as refused:
            await rotating.rotate(house.core, Collected(), now=NOW)

    assert refused.value.code == "keys_fixed"


async def test_an_operator_sees_where_everything_stands(settings: Settings) -> None:
    async with opened(settings) as house:
        report = Collected()
        await commands.rotate(house, report, {})

        assert await commands.status(house, report, {}) == 0
        assert await commands.verify(house, report, {}) == 0

    ((headers, shown),) = report.tables
    assert headers == ("epoch", "state", "keys")
    assert [row[:2] for row in shown] == [["1", "previous"], ["2", "current"]]
    assert report.lines[-1].startswith("All ")
    assert any("AFTERCARE_KEY_BACKUPS" in line for line in report.lines)


async def test_the_doctor_says_when_no_rotation_has_come(settings: Settings) -> None:
    async with opened(settings) as house:
        healthy, late = Collected(), Collected()

        await doctor.examine(house, healthy, {})
        await house.core.vault._database.write(grow_old)
        code = await doctor.examine(house, late, {})

    said = [[row for _, shown in report.tables for row in shown if row[0] == "rotation"] for report in (healthy, late)]
    assert said[0] == []
    assert [row[1] for row in said[1]] == ["bad"]
    assert code == 3


def grow_old(tx: Transaction) -> None:
    """As if the current epoch had been so for three weeks."""
    tx.execute(update(EPOCH).values(current_ms=EPOCH.c.current_ms - 21 * DAY))
