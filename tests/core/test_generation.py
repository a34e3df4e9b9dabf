"""The number that both stores keep: data that were put back are behind, and nothing hides it."""

import asyncio

import pytest
from sqlalchemy import text

from core import generation, ledger
from core.database import Transaction
from core.identity.callers import SYSTEM
from core.services import Core

NOW = 1_795_500_000_000


async def put_back(core: Core, number: int) -> None:
    await core.database.write(lambda tx: tx.execute(text(f"UPDATE generation SET number = {number}")) and None)


@pytest.mark.both_engines
async def test_it_rises_in_both_stores_and_remembers_where_the_ledger_ended(core: Core) -> None:
    def act(tx: Transaction) -> int:
        return ledger.append(tx, caller=SYSTEM, action="test.act", object=("thing", "1"), now=NOW)

    assert await generation.missed(core) is None
    await core.database.write(act)

    assert await generation.advance(core)
    assert await generation.advance(core)

    anchor = await core.vault.anchor()
    assert await core.database.read(generation.number) == anchor.number == 2
    assert (anchor.ledger_seq, anchor.ledger_hash) == await core.database.read(ledger.end)
    assert await generation.missed(core) is None


@pytest.mark.both_engines
async def test_data_that_were_put_back_are_behind_and_no_step_hides_it(core: Core) -> None:
    for _ in range(3):
        await generation.advance(core)
    await put_back(core, 1)

    assert await generation.advance(core) is False

    missed = await generation.missed(core)
    assert missed is not None
    assert missed.number == 3
    assert await core.database.read(generation.number) == 1


async def test_a_stop_between_the_stores_leaves_healthy_data(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    await generation.advance(core)

    async def stop(*_: object) -> None:
        raise RuntimeError("the power fails")

    with monkeypatch.context() as patch:
        patch.setattr(type(core.vault), "remember", stop)
        with pytest.raises(RuntimeError, match="power"):
            await generation.advance(core)

    assert await core.database.read(generation.number) == 2
    assert (await core.vault.anchor()).number == 1
    assert await generation.missed(core) is None
    assert await generation.advance(core)


@pytest.mark.both_engines
async def test_several_at_once_are_never_taken_for_a_step_back(core: Core) -> None:
    risen = await asyncio.gather(*(generation.advance(core) for _ in range(12)))

    assert await generation.missed(core) is None
    assert (await core.vault.anchor()).number == await core.database.read(generation.number) == 12
    assert all(risen)
