"""A transaction stands whole or not at all, and nobody hears of it before it stands."""

import asyncio
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, bindparam, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError

from core import engines, readers
from core.database import DATA, KEYSTORE, Database, Transaction, copy_rows, insert_ignore
from core.engines import open_engine
from core.refusals import Invalid, Unavailable

metadata = MetaData()
note = Table("note_under_test", metadata, Column("id", Integer, primary_key=True), Column("text", String))


@pytest.fixture
def notes(database: Database) -> Database:
    database.create_all(metadata)
    return database


def write_note(tx: Transaction, number: int, words: str) -> int:
    tx.execute(insert(note).values(id=number, text=words))
    return number


def all_notes(tx: Transaction) -> list[tuple[int, str]]:
    return [(row.id, row.text) for row in tx.execute(select(note).order_by(note.c.id))]


@pytest.mark.both_engines
async def test_what_was_written_is_read(notes: Database) -> None:
    written = await notes.write(write_note, 1, "hello")

    found = await notes.read(all_notes)

    assert written == 1
    assert found == [(1, "hello")]


@pytest.fixture
def notes_on_postgres(postgres_url: str) -> Iterator[Database]:
    database = Database(postgres_url)
    database.open()
    database.create_all(metadata)
    yield database
    database.close()


def copy_notes(tx: Transaction, *notes: tuple[int, str | None]) -> None:
    copy_rows(tx, note.name, ("id", "text"), notes)


async def test_rows_are_copied_whole_or_not_at_all(notes_on_postgres: Database) -> None:
    await notes_on_postgres.write(copy_notes, (1, "a tab\t and a \\N"), (2, None))

    with pytest.raises(IntegrityError):
        await notes_on_postgres.write(copy_notes, (3, "never"), (1, "taken"))

    assert await notes_on_postgres.read(all_notes) == [(1, "a tab\t and a \\N"), (2, None)]


async def test_a_connection_lost_while_rows_are_copied_is_known_to_be_lost(notes_on_postgres: Database) -> None:
    def lose(tx: Transaction) -> None:
        mine = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with psycopg.connect(notes_on_postgres.url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 5000)", (mine,))
        copy_notes(tx, (1, "never"))

    with pytest.raises(DBAPIError) as lost:
        await notes_on_postgres.write(lose)

    assert lost.value.connection_invalidated
    assert await notes_on_postgres.write(write_note, 2, "kept") == 2


@pytest.mark.both_engines
async def test_a_failing_work_fails_alone_among_those_that_commit_together(notes: Database) -> None:
    def refuse(tx: Transaction) -> None:
        write_note(tx, 99, "never")
        raise Invalid("bad", "No.")

    outcomes = await asyncio.gather(
        *(notes.write(write_note, number, "kept") for number in range(20)),
        notes.write(refuse),
        notes.write(write_note, 50, "kept"),
        return_exceptions=True,
    )

    found = await notes.read(all_notes)
    assert [type(outcome) for outcome in outcomes if isinstance(outcome, BaseException)] == [Invalid]
    assert [number for number, _ in found] == [*range(20), 50]


@pytest.mark.both_engines
async def test_an_announcement_is_made_after_the_commit_and_before_the_caller_goes_on(notes: Database) -> None:
    heard: list[str] = []

    def announce(tx: Transaction) -> None:
        write_note(tx, 1, "news")
        tx.after_commit(lambda: heard.append(str(notes.read_now(all_notes))))

    await notes.write(announce)

    assert heard == ["[(1, 'news')]"]


@pytest.mark.both_engines
async def test_a_listener_that_fails_keeps_neither_the_others_nor_those_who_wait_from_hearing(
    notes: Database,
) -> None:
    heard: list[int] = []

    def announce(tx: Transaction, number: int) -> int:
        write_note(tx, number, "news")
        tx.after_commit(lambda: heard.append(1 // number))
        tx.after_commit(lambda: heard.append(number))
        return number

    async with asyncio.timeout(10):
        written = await asyncio.gather(*(notes.write(announce, number) for number in range(3)))
    by_thread = await asyncio.to_thread(notes.write_now, announce, 3)
    after = await asyncio.to_thread(notes.write_now, write_note, 4, "the lane lives")

    assert ([*written, by_thread, after], heard) == ([0, 1, 2, 3, 4], [0, 1, 1, 0, 2, 0, 3])


@pytest.mark.both_engines
async def test_nothing_is_announced_for_a_work_that_failed(notes: Database) -> None:
    heard: list[str] = []

    def announce_and_fail(tx: Transaction) -> None:
        tx.after_commit(lambda: heard.append("never"))
        raise Invalid("bad", "No.")

    with pytest.raises(Invalid):
        await notes.write(announce_and_fail)

    assert heard == []


async def test_a_cancelled_caller_does_not_undo_its_write(notes: Database) -> None:
    task = asyncio.create_task(notes.write(write_note, 1, "kept"))
    await asyncio.sleep(0)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await notes.write(write_note, 2, "after")

    assert await notes.read(all_notes) == [(1, "kept"), (2, "after")]


@pytest.mark.both_engines
async def test_a_reader_cannot_write(notes: Database) -> None:
    with pytest.raises(Exception, match=r"(?i)read-?only|readonly"):
        await notes.read(write_note, 1, "sneaky")

    assert await notes.read(all_notes) == []


async def test_of_too_many_who_would_read_the_last_are_refused_and_the_others_served(
    notes: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "QUEUE_LIMIT", 5)
    may_go_on = threading.Event()

    def slow(tx: Transaction) -> list[tuple[int, str]]:
        assert may_go_on.wait(10)
        return all_notes(tx)

    asked = [asyncio.create_task(notes.read(slow)) for _ in range(20)]
    refused, _ = await asyncio.wait(asked, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    may_go_on.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)

    assert refused
    assert 5 <= sum(outcome == [] for outcome in outcomes) < 20
    assert {getattr(outcome, "code", "served") for outcome in outcomes} == {"busy", "served"}
    assert await notes.read(all_notes) == []


@pytest.mark.both_engines
async def test_inserting_again_what_is_there_changes_nothing(notes: Database) -> None:
    await notes.write(write_note, 1, "first")

    new = await notes.write(insert_ignore, note, [{"id": 1, "text": "second"}, {"id": 2, "text": "new"}], ["id"])

    assert new == 1
    assert await notes.read(all_notes) == [(1, "first"), (2, "new")]


def test_a_second_process_is_refused_the_same_file(sqlite_url: str) -> None:
    first = Database(sqlite_url)
    first.open()

    with pytest.raises(Unavailable, match="already_open"):
        Database(sqlite_url).open()

    first.close()
    second = Database(sqlite_url)
    second.open()
    second.close()


def pragmas(tx: Transaction) -> dict[str, object]:
    names = ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
    return {name: tx.execute(text(f"PRAGMA {name}")).scalar_one() for name in names}


def test_the_data_file_syncs_before_a_commit_returns(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    database.open()

    found = database.write_now(pragmas)

    database.close()
    assert found == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}


def test_a_writer_of_postgres_keeps_its_ways_whatever_the_database_prefers(postgres_url: str) -> None:
    name = make_url(postgres_url).database
    for preference in ("default_transaction_isolation = 'serializable'", "synchronous_commit = 'off'"):
        on_postgres(postgres_url, f'ALTER DATABASE "{name}" SET {preference}')

    kept = on_postgres(postgres_url, *(f"SHOW {parameter}" for parameter in engines.LASTING))

    assert kept == list(engines.LASTING.values())


def on_postgres(url: str, *statements: str) -> list[str]:
    """What a fresh writer's session answers to these statements."""
    engine = open_engine(url, DATA, writes=True)
    with engine.begin() as connection:
        found = [connection.execute(text(statement)) for statement in statements]
        answers = [str(each.scalar()) for each in found if each.returns_rows]
    engine.dispose()
    return answers


def test_a_session_that_does_not_take_our_settings_is_refused(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "WRITING", "-c synchronous_commit=off")

    with pytest.raises(Unavailable, match="parameter"):
        on_postgres(postgres_url, "SELECT 1")


@pytest.mark.clause("5(1)3")
def test_the_keystore_overwrites_what_it_deletes(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'keys.db'}", profile=KEYSTORE)
    database.open()

    found = database.write_now(pragmas)

    database.close()
    assert found == {"journal_mode": "delete", "synchronous": 3, "secure_delete": 1, "foreign_keys": 1}


@pytest.mark.clause("5(1)3")
async def test_what_a_split_page_left_behind_of_deleted_rows_is_gone_after_a_scrub(tmp_path: Path) -> None:
    """SQLite copies rows when it splits a page; `secure_delete` overwrites a deleted row only where it last stood."""
    file = tmp_path / "keys.db"
    database = Database(f"sqlite:///{file}", profile=KEYSTORE)
    database.open()
    secrets = next(left for seed in range(500) if (left := _left_behind(database, file, seed)))

    await database.scrub()

    assert not [secret for secret in secrets if secret in file.read_bytes()]
    database.close()


def _left_behind(database: Database, file: Path, seed: int) -> list[bytes]:
    """Insert 200 rows in random order and delete half of them; which of those does the file still hold?"""
    chance = random.Random(seed)
    rows = [{"id": chance.getrandbits(63), "secret": chance.randbytes(60)} for _ in range(200)]
    doomed = rows[50:150]

    def fill(tx: Transaction) -> None:
        tx.execute(text("DROP TABLE IF EXISTS secrets"))
        tx.execute(text("CREATE TABLE secrets (id BIGINT PRIMARY KEY, scope TEXT, secret BLOB)"))
        for row in rows:
            tx.execute(text("INSERT INTO secrets VALUES (:id, :scope, :secret)"), row | {"scope": 72 * "a"})

    def empty(tx: Transaction) -> None:
        ids = [row["id"] for row in doomed]
        tx.execute(text("DELETE FROM secrets WHERE id IN :ids").bindparams(bindparam("ids", ids, expanding=True)))

    database.write_now(fill)
    database.write_now(empty)
    held = file.read_bytes()
    return [secret for row in doomed if isinstance(secret := row["secret"], bytes) and secret in held]
