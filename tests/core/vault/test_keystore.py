"""Keys are committed before they are used, opened only for their owner, and gone when they are destroyed."""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, update

from core import hub
from core.database import KEYSTORE, Database, Transaction
from core.hub import LocalHub
from core.settings import Settings
from core.vault import ContentUnavailable, KeyGone, KeySpent, Kind, Vault, WrapMismatch, envelope, opening, rows
from core.vault.held import Held
from core.vault.keys import SEAL_LIMIT, DataKey
from core.vault.models import DEK
from core.vault.models import KEYSTORE as STORE
from core.vault.refusals import Reason
from tests.core.vault.conftest import Open

SCOPE, OWNER = "a1" * 16, "visitor:b2"


class Clock:
    """A monotonic clock that stands until it is moved."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(params=["sqlite", "postgres"])
def either_vault(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Vault]:
    """A vault on its first run, on SQLite and on PostgreSQL."""
    if request.param == "postgres":
        settings = settings.model_copy(update={"keystore_url": request.getfixturevalue("postgres_url")})
    vault = Vault.open(settings)
    yield vault
    vault.close()


def refusal(vault: Vault, key: DataKey, scope: str = SCOPE, owner: str = OWNER) -> ContentUnavailable:
    with pytest.raises(ContentUnavailable) as refused:
        vault.key(key.id, scope=scope, owner=owner)
    return refused.value


def tamper(vault: Vault, key: DataKey, change: dict[str, object]) -> None:
    """Change a key's row as someone could who can write the keystore."""

    def change_it(tx: Transaction) -> None:
        tx.execute(update(DEK).where(DEK.c.id == key.id).values(**change))

    vault._database.write_now(change_it)


async def test_a_created_key_opens_after_a_restart_what_it_sealed_before(vault: Vault, open_vault: Open) -> None:
    key = await vault.create(SCOPE, OWNER)
    sealed = envelope.seal(key, Kind.MESSAGE, b"", b"hello")

    again = open_vault().key(key.id, scope=SCOPE, owner=OWNER)

    assert again is not key
    assert envelope.unseal(again, Kind.MESSAGE, b"", sealed) == b"hello"


async def test_a_key_is_committed_before_it_is_handed_out(vault: Vault, settings: Settings) -> None:
    key = await vault.create(SCOPE, OWNER)

    with sqlite3.connect(f"file:{settings.data / 'keys.db'}?mode=ro", uri=True) as beside:
        found = beside.execute("SELECT scope, owner FROM dek WHERE id = ?", (key.id,)).fetchall()
    beside.close()

    assert found == [(SCOPE, OWNER)]


async def test_keys_created_at_the_same_time_are_all_there_and_all_different(either_vault: Vault) -> None:
    made = await asyncio.gather(*(either_vault.create(f"{number:032x}", OWNER) for number in range(60)))
    together = await either_vault.create_many([(f"{number:032x}", OWNER) for number in range(60, 90)])
    either_vault.evict([key.id for key in made])

    keys = [*made, *together]
    values = {either_vault.key(key.id, scope=f"{n:032x}", owner=OWNER).check_value() for n, key in enumerate(keys)}

    assert values == {key.check_value() for key in keys}
    assert len({key.id for key in keys}) == len(values) == 90


async def test_a_key_opens_for_its_own_scope_and_owner_only(either_vault: Vault) -> None:
    mine, theirs = await either_vault.create_many([(SCOPE, OWNER), ("c3" * 16, "visitor:d4")])

    for _ in ("while the key is in memory", "and when it is fetched"):
        assert isinstance(refusal(either_vault, mine, owner="visitor:d4"), WrapMismatch)
        assert isinstance(refusal(either_vault, mine, scope="c3" * 16), WrapMismatch)
        assert either_vault.key(mine.id, scope=SCOPE, owner=OWNER).check_value() == mine.check_value()
        either_vault.evict([mine.id, theirs.id])


@pytest.mark.parametrize(
    "change",
    [{"owner": "visitor:thief"}, {"scope": "d4" * 16}, {"wrap": b"short"}, {"wrap": bytes(60)}, {"kcv": bytes(16)}],
)
async def test_a_row_changed_behind_our_back_is_refused(either_vault: Vault, change: dict[str, object]) -> None:
    key = await either_vault.create(SCOPE, OWNER)
    asked = {"scope": SCOPE, "owner": OWNER} | {
        name: str(value) for name, value in change.items() if name in {"owner", "scope"}
    }
    tamper(either_vault, key, change)
    either_vault.evict([key.id])

    assert isinstance(refusal(either_vault, key, **asked), WrapMismatch)


async def test_a_key_swapped_into_another_row_is_refused(vault: Vault) -> None:
    mine, theirs = await vault.create_many([(SCOPE, OWNER), (SCOPE, OWNER)])
    row = vault._database.read_now(rows.one, theirs.id)
    tamper(vault, mine, {"wrap": row.wrap, "kcv": row.kcv})
    vault.evict([mine.id])

    assert refusal(vault, mine).reason is Reason.WRAP


async def test_a_reassigned_key_belongs_to_the_new_owner_alone(either_vault: Vault) -> None:
    key = await either_vault.create(SCOPE, OWNER)

    for _ in ("once", "and harmlessly again, after a crash"):
        await either_vault.reassign(key.id, scope=SCOPE, owner=OWNER, new_owner="person:e5")

    assert either_vault.key(key.id, scope=SCOPE, owner="person:e5").check_value() == key.check_value()
    assert isinstance(refusal(either_vault, key), WrapMismatch)


async def test_a_key_is_not_reassigned_by_someone_who_does_not_own_it(either_vault: Vault) -> None:
    key = await either_vault.create(SCOPE, OWNER)

    with pytest.raises(WrapMismatch):
        await either_vault.reassign(key.id, scope=SCOPE, owner="visitor:thief", new_owner="person:thief")

    assert either_vault.key(key.id, scope=SCOPE, owner=OWNER).check_value() == key.check_value()


@pytest.mark.clause("5(1)3")
async def test_a_destroyed_key_is_gone_at_once_and_leaves_a_tombstone(either_vault: Vault) -> None:
    gone, kept = await either_vault.create_many([(SCOPE, OWNER), ("c3" * 16, OWNER)])

    destroyed = await either_vault.destroy([gone.id, 12345], reason="erasure")

    assert destroyed == 1
    refused = refusal(either_vault, gone)
    assert isinstance(refused, KeyGone)
    assert refused.reason is Reason.KEY_DESTROYED
    assert [(stone.dek_id, stone.scope, stone.reason) for stone in await either_vault.tombstones()] == [
        (gone.id, SCOPE, "erasure")
    ]
    assert either_vault.key(kept.id, scope="c3" * 16, owner=OWNER) is kept


async def test_destroying_again_changes_nothing(either_vault: Vault) -> None:
    key = await either_vault.create(SCOPE, OWNER)
    await either_vault.destroy([key.id], reason="erasure")

    assert await either_vault.destroy([key.id], reason="again") == 0

    assert [stone.reason for stone in await either_vault.tombstones()] == ["erasure"]


async def test_a_thousand_keys_are_destroyed_together(vault: Vault) -> None:
    keys = await vault.create_many([(f"{number:032x}", OWNER) for number in range(1_100)])

    assert await vault.destroy([key.id for key in keys], reason="expiry") == 1_100
    assert len(await vault.tombstones()) == 1_100


async def test_the_products_own_keys_cannot_be_destroyed(vault: Vault) -> None:
    assert await vault.destroy([vault.system_key.id, vault.named("letters").id], reason="mistake") == 0


def test_a_key_that_never_was_is_refused_with_its_reason_in_the_ledger_only(vault: Vault) -> None:
    refused = refusal(vault, DataKey(99, bytes(32)))

    assert isinstance(refused, KeyGone)
    assert refused.reason is Reason.KEY_UNKNOWN
    assert (str(refused), refused.sentence) == ("content_unavailable", "This content can't be opened.")


@pytest.mark.clause("5(1)3")
async def test_the_bytes_of_a_destroyed_key_are_nowhere_in_the_files(vault: Vault, settings: Settings) -> None:
    keys = await vault.create_many([(f"{number:032x}", OWNER) for number in range(200)])
    wraps = [vault._database.read_now(rows.one, key.id).wrap for key in keys]
    assert all(wrap in (settings.data / "keys.db").read_bytes() for wrap in wraps)

    await vault.destroy([key.id for key in keys[50:150]], reason="erasure")

    on_disk = b"".join(path.read_bytes() for path in settings.data.glob("keys.db*"))
    assert not [wrap for wrap in wraps[50:150] if wrap in on_disk or wrap[12:44] in on_disk]
    assert all(wrap in on_disk for wrap in wraps[:50])


def test_the_keystore_file_is_kept_as_secrets_must_be(vault: Vault) -> None:
    def pragma(name: str) -> object:
        return vault._database.write_now(lambda tx: tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar())

    assert vault._database.profile is KEYSTORE
    assert (pragma("journal_mode"), pragma("secure_delete"), pragma("synchronous")) == ("delete", 1, 3)


def test_no_other_database_file_is_touched(vault: Vault, settings: Settings) -> None:
    assert vault.cautions == ()
    assert {path.name for path in settings.data.iterdir()} == {"keys.db", "keys.db.lock"}


async def test_a_held_key_leaves_memory_after_five_minutes(settings: Settings) -> None:
    clock = Clock()
    vault = Vault.open(settings, monotonic=clock)
    key = await vault.create(SCOPE, OWNER)

    clock.seconds = 299
    at_first = vault.key(key.id, scope=SCOPE, owner=OWNER)
    clock.seconds = 301
    later = vault.key(key.id, scope=SCOPE, owner=OWNER)
    vault.close()

    assert at_first is key
    assert later is not key


def test_memory_holds_no_more_than_its_limit_and_lets_the_least_used_go() -> None:
    held = Held(2, 300, Clock())
    keys = [DataKey(number, bytes(32)) for number in range(3)]
    for key in keys[:2]:
        held.keep(key, SCOPE, OWNER, held.mark())
    held.get(0, SCOPE, OWNER)

    held.keep(keys[2], SCOPE, OWNER, held.mark())

    assert [held.get(number, SCOPE, OWNER) for number in range(3)] == [keys[0], None, keys[2]]


def test_a_key_fetched_before_a_destruction_is_not_kept_after_it() -> None:
    held = Held(2, 300, Clock())
    mark = held.mark()

    held.evict([7])
    held.keep(DataKey(7, bytes(32)), SCOPE, OWNER, mark)

    assert held.get(7, SCOPE, OWNER) is None


async def test_the_count_of_sealings_outlives_memory_and_restarts(vault: Vault, open_vault: Open) -> None:
    key = await vault.create(SCOPE, OWNER)
    key.count_from(0)
    for _ in range(5):
        envelope.seal(key, Kind.MESSAGE, b"", b"x")
    vault.evict([key.id])

    fetched = vault.key(key.id, scope=SCOPE, owner=OWNER)
    envelope.seal(fetched, Kind.MESSAGE, b"", b"x")
    reopened = open_vault().key(key.id, scope=SCOPE, owner=OWNER)

    assert (fetched.uses, reopened.uses) == (6, 6)


async def test_a_spent_key_stays_spent_after_a_restart(vault: Vault, open_vault: Open) -> None:
    key = await vault.create(SCOPE, OWNER)
    key.count_from(SEAL_LIMIT - 1)
    envelope.seal(key, Kind.MESSAGE, b"", b"the last")

    again = open_vault().key(key.id, scope=SCOPE, owner=OWNER)

    with pytest.raises(KeySpent):
        envelope.seal(again, Kind.MESSAGE, b"", b"one too many")


def test_a_half_spent_key_of_the_products_own_is_succeeded_and_still_opens(vault: Vault, open_vault: Open) -> None:
    elder = vault.system_key
    sealed = vault.seal_field(elder, "login_code", "row", "email", "ann@example.com")
    elder.count_from(SEAL_LIMIT // 2)
    vault.seal_field(elder, "login_code", "row", "email", "one more")

    again = open_vault()

    assert again.system_key.id != elder.id
    assert again.system_key.uses == 0
    assert again.open_field(again.system_key, "login_code", "row", "email", sealed) == "ann@example.com"
    assert again.named("letters").elders == {}
    with pytest.raises(ContentUnavailable):
        again.open_field(again.named("letters"), "login_code", "row", "email", sealed)


async def test_threads_share_one_key(vault: Vault) -> None:
    key = await vault.create(SCOPE, OWNER)
    vault.evict([key.id])

    def seal_and_open(number: int) -> bytes:
        mine = vault.key(key.id, scope=SCOPE, owner=OWNER)
        context = envelope.context(number)
        return envelope.unseal(mine, Kind.NOTE, context, envelope.seal(mine, Kind.NOTE, context, b"%d" % number))

    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(seal_and_open, range(400)))

    assert opened == [b"%d" % number for number in range(400)]
    assert vault.key(key.id, scope=SCOPE, owner=OWNER).uses == 400


def test_a_field_opens_in_its_own_column_only(vault: Vault) -> None:
    key = vault.system_key
    sealed = vault.seal_field(key, "person", "row", "name", "王小明")

    assert vault.open_field(key, "person", "row", "name", sealed) == "王小明"
    with pytest.raises(ContentUnavailable):
        vault.open_field(key, "person", "row", "email", sealed)


def test_a_field_that_is_no_text_is_refused(vault: Vault) -> None:
    context = envelope.field_context("shop", "person", "row", "name")
    sealed = envelope.seal(vault.system_key, Kind.FIELD, context, b"\xff")

    with pytest.raises(ContentUnavailable) as refused:
        vault.open_field(vault.system_key, "person", "row", "name", sealed)
    assert refused.value.reason is Reason.TEXT


def test_the_products_own_keys_are_the_same_after_a_restart_and_differ_from_each_other(
    vault: Vault, open_vault: Open
) -> None:
    def prints(of: Vault) -> list[bytes]:
        keys = [of.named(name).check_value() for name in opening.NAMES]
        return [
            *keys,
            of.lookup("email", "a@b.c"),
            of.mac("code", b"x"),
            of.mac("session", b"x"),
            of.public_key("audit"),
        ]

    before = prints(vault)

    assert prints(open_vault()) == before
    assert len(set(before)) == len(before)


def test_equal_values_look_up_equal_and_kinds_never_mix(vault: Vault) -> None:
    assert vault.lookup("email", "ann@example.com") == vault.lookup("email", "ann@example.com")
    assert vault.lookup("email", "x") != vault.lookup("order", "x")
    assert vault.lookup("email", "x") == vault.named("lookup").mac(b"email/v1x")
    assert len(vault.lookup("email", "x")) == 32


def test_parts_of_a_mac_never_run_together(vault: Vault) -> None:
    assert vault.mac("code", b"ab", b"c") != vault.mac("code", b"a", b"bc")


def test_signatures_hold_for_their_name_and_message_only(vault: Vault) -> None:
    signature = vault.sign("export", b"manifest")

    assert vault.verify("export", b"manifest", signature)
    assert not vault.verify("audit", b"manifest", signature)
    assert not vault.verify("export", b"another", signature)


def test_a_second_process_cannot_open_the_same_keystore(vault: Vault, settings: Settings) -> None:
    from core.refusals import Unavailable  # noqa: PLC0415

    with pytest.raises(Unavailable):
        Vault.open(settings)


def test_a_keystore_that_two_processes_found_at_the_same_time_has_one_identity(
    settings: Settings, postgres_url: str
) -> None:
    """Two of them would make the next start refuse the keys, which are bound to the other one."""
    databases = [Database(postgres_url, profile=KEYSTORE, lanes=1) for _ in range(2)]
    for database in databases:
        database.open()
    databases[0].write_now(rows.prepare)
    is_written, may_commit = threading.Event(), threading.Event()

    def slowly(tx: Transaction) -> None:
        rows.found(tx, "first", now=1)
        is_written.set()
        may_commit.wait(10)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(databases[0].write_now, slowly)
        is_written.wait(10)
        second = pool.submit(databases[1].write_now, rows.found, "second", now=2)
        with contextlib.suppress(TimeoutError):
            second.result(0.3)  # it has to wait for the first, so this is a try and not a limit
        may_commit.set()
        first.result(10)
        second.result(10)

    found = databases[0].read_now(lambda tx: tx.execute(select(STORE.c.id)).scalars().all())
    for database in databases:
        database.close()
    assert found == ["first"]


def test_vaults_that_start_together_on_one_server_agree(settings: Settings, postgres_url: str, tmp_path: Path) -> None:
    shared = settings.model_copy(update={"keystore_url": postgres_url})

    with ThreadPoolExecutor(3) as pool:
        vaults = list(pool.map(lambda _: Vault.open(shared), range(3)))
    prints = {vault.named(name).check_value() for vault in vaults for name in opening.NAMES}
    for vault in vaults:
        vault.close()

    assert len(prints) == len(opening.NAMES)


async def test_a_key_destroyed_or_reassigned_in_one_process_is_gone_from_the_memory_of_the_others(
    settings: Settings, postgres_url: str
) -> None:
    shared = settings.model_copy(update={"keystore_url": postgres_url})
    one, other, carrier = Vault.open(shared), Vault.open(shared), LocalHub()
    keys = await one.create_many([(SCOPE, OWNER)] * 250)
    async with one.shared_over(carrier), other.shared_over(carrier):
        for key in keys:
            other.key(key.id, scope=SCOPE, owner=OWNER)

        await one.reassign(keys[0].id, scope=SCOPE, owner=OWNER, new_owner="person:somebody")
        await one.destroy([key.id for key in keys[1:]], reason="erased")
        answers = [refusal(other, key) for key in keys]

    one.close()
    other.close()
    assert isinstance(answers[0], WrapMismatch)
    assert all(isinstance(answer, KeyGone) for answer in answers[1:])


async def test_after_a_gap_in_the_hints_no_key_is_taken_from_memory(settings: Settings, postgres_url: str) -> None:
    shared = settings.model_copy(update={"keystore_url": postgres_url})
    one, other, carrier = Vault.open(shared), Vault.open(shared), LocalHub()
    key = await one.create(SCOPE, OWNER)
    async with other.shared_over(carrier):
        other.key(key.id, scope=SCOPE, owner=OWNER)
        await one.destroy([key.id], reason="erased")

        carrier.publish(hub.GAP, b"")
        answer = refusal(other, key)

    one.close()
    other.close()
    assert isinstance(answer, KeyGone)


def test_the_tables_are_made_once(settings: Settings) -> None:
    database = Database(settings.keystore_url, profile=KEYSTORE)
    database.open()

    for _ in range(2):
        database.write_now(rows.prepare)

    assert database.read_now(rows.facts).keystore_id is None
    database.close()
