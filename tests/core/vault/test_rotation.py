"""Every key moves to the younger epoch, both open meanwhile, and no epoch is destroyed that somebody needs."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from core import hub
from core.database import Transaction
from core.hub import LocalHub
from core.refusals import Conflict
from core.settings import Settings
from core.vault import KeyGone, KeyUnavailable, Kind, Vault, envelope, rotation, rows
from core.vault.epochs import _binding
from core.vault.keys import DataKey
from core.vault.models import DEK
from core.vault.opening import new_key
from core.vault.rotation import KeyDoesNotOpen
from tests.core.vault.conftest import Open

OWNER = "visitor:b2"


@pytest.fixture(params=["sqlite", "postgres"])
def either_vault(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Vault]:
    """A vault on its first run, on SQLite and on PostgreSQL."""
    if request.param == "postgres":
        settings = settings.model_copy(update={"keystore_url": request.getfixturevalue("postgres_url")})
    vault = Vault.open(settings)
    yield vault
    vault.close()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few keys are many pages."""
    monkeypatch.setattr(rotation, "PAGE", 7)


def scope(number: int) -> str:
    return f"{number:032x}"


async def made(vault: Vault, count: int) -> list[DataKey]:
    return await vault.create_many([(scope(number), OWNER) for number in range(count)])


def nothing(_: int, __: int) -> None:
    """Nobody watches the bar."""


async def rotate(vault: Vault, now: int = 1) -> int:
    """The steps without copy and ledger; returns the new epoch."""
    standing = await vault.rotation.standing()
    target = vault.rotation.create(standing.current)
    await vault.rotation.rewrap(target, nothing)
    await vault.rotation.verify(nothing)
    await vault.rotation.mark(target, now=now)
    return target


async def test_all_keys_open_before_while_and_after_they_are_wrapped_anew(either_vault: Vault) -> None:
    keys = await made(either_vault, 30)
    sealed = [envelope.seal(key, Kind.MESSAGE, b"", b"hello") for key in keys]
    target = either_vault.rotation.create(1)
    seen: list[tuple[int, int]] = []

    def watch(done: int, total: int) -> None:
        either_vault.evict([key.id for key in keys])
        opened = [either_vault.key(key.id, scope=scope(n), owner=OWNER) for n, key in enumerate(keys)]
        assert [
            envelope.unseal(*pair) for pair in ((k, Kind.MESSAGE, b"", s) for k, s in zip(opened, sealed, strict=True))
        ]
        seen.append((done, total))

    moved = await either_vault.rotation.rewrap(target, watch)

    assert moved == seen[-1][0] == seen[-1][1] == 30 + len(rows_of(either_vault))
    assert len({done for done, _ in seen}) > 4
    assert await either_vault.rotation.verify(nothing) == moved
    await either_vault.rotation.mark(target, now=5)
    standing = await either_vault.rotation.standing()
    assert (standing.current, standing.previous, standing.since_ms) == (2, 1, 5)
    assert standing.keys == {2: moved}


def rows_of(vault: Vault) -> list[int]:
    """The product's own keys."""
    return vault._database.read_now(
        lambda tx: list(tx.execute(select(DEK.c.id).where(DEK.c.name.is_not(None))).scalars())
    )


async def test_keys_made_reassigned_and_destroyed_in_the_middle_end_as_they_should(either_vault: Vault) -> None:
    keys = await made(either_vault, 40)
    target = either_vault.rotation.create(1)

    async def others() -> None:
        for number, key in enumerate(keys[:20]):
            await either_vault.reassign(key.id, scope=scope(number), owner=OWNER, new_owner="person:e5")
        await either_vault.destroy([key.id for key in keys[30:]], reason="erasure")
        await either_vault.create_many([(scope(100 + number), OWNER) for number in range(10)])

    await asyncio.gather(others(), either_vault.rotation.rewrap(target, nothing))
    await either_vault.rotation.rewrap(target, nothing)

    assert (await either_vault.rotation.standing()).keys == {2: 30 + 10 + len(rows_of(either_vault))}
    for number, key in enumerate(keys[:30]):
        owner = "person:e5" if number < 20 else OWNER
        assert either_vault.key(key.id, scope=scope(number), owner=owner).check_value() == key.check_value()
    with pytest.raises(KeyGone):
        either_vault.key(keys[30].id, scope=scope(30), owner=OWNER)


async def test_the_last_two_epochs_cannot_be_destroyed(either_vault: Vault) -> None:
    await rotate(either_vault)
    await either_vault.rotation.retire(1, now=2)

    for epoch in (1, 2, 3):
        with pytest.raises(Conflict) as refused:
            await either_vault.rotation.destroy(epoch)
        assert refused.value.code == "epoch_needed"


async def test_an_epoch_that_may_still_be_wrapped_under_cannot_be_destroyed(either_vault: Vault) -> None:
    await rotate(either_vault)
    await rotate(either_vault)

    with pytest.raises(Conflict) as refused:
        await either_vault.rotation.destroy(1)
    with pytest.raises(Conflict) as current:
        await either_vault.rotation.retire(3, now=2)

    assert (refused.value.code, current.value.code) == ("epoch_needed", "epoch_needed")


async def test_an_epoch_with_a_key_under_it_cannot_be_destroyed(either_vault: Vault) -> None:
    (key,) = await made(either_vault, 1)
    old = either_vault._database.read_now(rows.one, key.id)
    await rotate(either_vault)
    await rotate(either_vault)

    def put_back(tx: Transaction) -> None:
        tx.execute(update(DEK).where(DEK.c.id == key.id).values(wrap=old.wrap, epoch=1))

    await either_vault._database.write(put_back)

    with pytest.raises(Conflict) as refused:
        await either_vault.rotation.retire(1, now=2)
    assert refused.value.code == "epoch_in_use"


async def test_a_key_that_was_wrapped_under_an_epoch_that_died_meanwhile_is_refused(either_vault: Vault) -> None:
    late = either_vault._epochs.wrap(new_key(), scope(1), OWNER)
    await rotate(either_vault)
    await rotate(either_vault)
    await either_vault.rotation.retire(1, now=2)

    with pytest.raises(KeyUnavailable):
        await either_vault._database.write(rows.add, [late], {}, now=3)

    assert (await either_vault.create(scope(2), OWNER)).check_value()


async def test_a_changed_row_stops_the_rotation_and_is_named(either_vault: Vault) -> None:
    keys = await made(either_vault, 10)

    def change(tx: Transaction) -> None:
        tx.execute(update(DEK).where(DEK.c.id == keys[3].id).values(owner="visitor:thief"))

    await either_vault._database.write(change)
    target = either_vault.rotation.create(1)

    for step in (either_vault.rotation.verify(nothing), either_vault.rotation.rewrap(target, nothing)):
        with pytest.raises(KeyDoesNotOpen) as found:
            await step
        assert found.value.dek_id == keys[3].id


async def test_a_row_whose_check_value_was_changed_does_not_pass_the_proof(either_vault: Vault) -> None:
    keys = await made(either_vault, 10)

    def change(tx: Transaction) -> None:
        tx.execute(update(DEK).where(DEK.c.id == keys[3].id).values(kcv=bytes(16)))

    await either_vault._database.write(change)
    await either_vault.rotation.rewrap(either_vault.rotation.create(1), nothing)

    with pytest.raises(KeyDoesNotOpen) as found:
        await either_vault.rotation.verify(nothing)
    assert found.value.dek_id == keys[3].id


async def test_a_destroyed_epoch_is_gone_and_a_process_that_held_it_lets_it_go(vault: Vault, tmp_path: Path) -> None:
    carrier = LocalHub()
    async with carrier.running(), vault.shared_over(carrier):
        await made(vault, 3)
        held = vault._epochs
        await rotate(vault)
        await rotate(vault)
        await vault.rotation.retire(1, now=2)
        before = set(held._ciphers)

        held.provider.destroy_epoch(1)
        vault._hear(hub.ROTATED, hub.hint(1))

    assert (before, set(held._ciphers)) == ({1, 2, 3}, {2, 3})
    assert not (tmp_path / "keys" / "kek.d" / "epoch-00000001.key").exists()


async def test_two_who_rotate_at_once_make_one_chain_of_epochs(vault: Vault) -> None:
    await made(vault, 30)

    await asyncio.gather(rotate(vault), rotate(vault), return_exceptions=True)
    await rotate(vault)

    standing = await vault.rotation.standing()
    assert list(standing.keys) == [standing.current]
    assert await vault.rotation.verify(nothing) == 30 + len(rows_of(vault))


async def test_a_keystore_of_before_epochs_were_noted_is_taken_over(vault: Vault, open_vault: Open) -> None:
    await made(vault, 3)

    def forget(tx: Transaction) -> None:
        tx.connection.exec_driver_sql("DROP TABLE epoch")

    await vault._database.write(forget)

    standing = await open_vault().rotation.standing()

    assert (standing.current, standing.previous, standing.is_finished) == (1, None, True)


def test_a_copy_that_a_stop_left_beside_the_keystore_is_deleted_at_the_start(vault: Vault, open_vault: Open) -> None:
    left = Path(vault._database.url.removeprefix("sqlite:///") + ".trial")
    left.write_bytes(b"SQLite format 3")

    open_vault()

    assert not left.exists()


def test_the_binding_of_a_wrap_is_the_generic_one() -> None:
    for parts in ((1, "a", "b", 1), (2**63 - 1, "好" * 9, "person:ö", 2**32 - 1), (0, "", "", 0)):
        assert _binding(*parts) == envelope.context("cs/wrap/v1", *parts[:3], envelope.u32(parts[3]))
