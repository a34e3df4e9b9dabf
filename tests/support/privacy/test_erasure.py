"""A person who asks to be forgotten is forgotten, also when the power fails in the middle."""

from pathlib import Path

import pytest
from sqlmodel import SQLModel, select

from core.database import Transaction
from core.identity import people
from core.vault.refusals import KeyGone
from support.house import House
from support.privacy import ending, erasure
from support.privacy.models import Erasure
from tests.support.privacy.conftest import CANARY, NOW, shopper
from tests.support.privacy.test_retention import conversations, count, entries, media_files


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.clause("5(1)3")
async def test_nothing_of_her_is_left_and_the_other_person_keeps_everything(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    bea = await shopper(house, "bea@example.com")

    done = await erasure.run(house.core, house.holdings, ann.caller.ref, now=NOW + 5)

    found = house.core.database.read_now(people.by_email, house.core.vault, "ann@example.com")
    assert found is None
    assert conversations(house) == {bea.conversation.id}
    assert count(house, "person") == 1
    assert count(house, "attachment") == 1
    assert len(media_files(house)) == 3
    assert (done.keys, done.files) == (2, 3)
    assert done.finished_ms == NOW + 5
    with pytest.raises(KeyGone):
        house.core.vault.key(ann.conversation.dek_id, scope=ann.conversation.id, owner=ann.caller.ref)


@pytest.mark.clause("5(1)3")
async def test_the_certificate_holds_ids_and_counts_only(house: House) -> None:
    ann = await shopper(house, "ann@example.com")

    await erasure.run(house.core, house.holdings, ann.caller.ref, now=NOW + 5)

    assert [entry[0] for entry in entries(house)[-2:]] == ["erasure.begin", "erasure.done"]
    assert entries(house)[-1][2].startswith("objects-")
    left = everything_in(house.core.settings.data)
    assert b"ann@example.com" not in left
    assert CANARY.encode() not in left


@pytest.mark.clause("5(1)3")
async def test_the_plan_names_what_goes_and_what_stays_and_why(house: House) -> None:
    ann = await shopper(house, "ann@example.com")

    planned = house.core.database.read_now(erasure.plan, house.holdings, house.core.policy, ann.caller.ref)

    assert {holding.name for holding, _ in planned.goes} == {"people", "conversations", "attachments"}
    assert {holding.name: held[0].stays for holding, held in planned.stays} == {
        "acknowledgements": "R-PRE-2",
        "ledger": "R-3.2d",
    }
    assert all(held.until_ms and held.until_ms > NOW for _, found in planned.stays for held in found)


class PowerCut(Exception):
    """The machine stops here."""


@pytest.mark.parametrize("step", ["destroy", "_erase", "_certify"])
@pytest.mark.clause("5(1)3")
async def test_an_erasure_that_stopped_halfway_is_hidden_at_once_and_finished_later(
    house: House, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await shopper(house, "ann@example.com")

    async def cut_off(*_: object, **__: object) -> int:
        raise PowerCut

    def cut_inside(*_: object, **__: object) -> int:
        raise PowerCut

    with monkeypatch.context() as patch:
        if step == "destroy":
            patch.setattr(type(house.core.vault), "destroy", cut_off)
        else:
            patch.setattr(ending if step == "_erase" else erasure, step, cut_inside)
        with pytest.raises(PowerCut):
            await erasure.run(house.core, house.holdings, ann.caller.ref, now=NOW + 5)
    assert house.core.database.read_now(people.by_email, house.core.vault, "ann@example.com") is None
    assert house.core.database.read_now(people.by_id, ann.caller.id) is None

    resumed = await erasure.resume(house.core, house.holdings, now=NOW + 6)

    assert resumed == 1
    assert (conversations(house), count(house, "person"), media_files(house)) == (set(), 0, [])
    assert {stone.dek_id for stone in await house.core.vault.tombstones()} >= {ann.conversation.dek_id}
    assert await erasure.resume(house.core, house.holdings, now=NOW + 7) == 0


@pytest.mark.clause("5(1)3")
async def test_erasing_twice_is_harmless(house: House) -> None:
    ann = await shopper(house, "ann@example.com")

    first = await erasure.run(house.core, house.holdings, ann.caller.ref, now=NOW + 5)
    second = await erasure.run(house.core, house.holdings, ann.caller.ref, now=NOW + 6)

    assert first.objects > 0
    assert second.objects == 0

    def certificates(tx: Transaction) -> int:
        return len(tx.session.exec(select(Erasure)).all())

    assert house.core.database.read_now(certificates) == 2
    assert "erasure" in SQLModel.metadata.tables


@pytest.mark.clause("4(2)1")
async def test_a_person_erased_may_come_back_as_somebody_new(house: House) -> None:
    ann = await shopper(house, "ann@example.com")
    await erasure.run(house.core, house.holdings, ann.caller.ref, now=NOW + 5)

    again = await people.enrol(house.core, "ann@example.com", now=NOW + 9)

    assert again.id != ann.caller.id
