"""Two processes that write into one conversation of PostgreSQL: its lock keeps the numbers dense (M5)."""

import asyncio
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import SQLModel

import chat.statements
from chat import conversations, log
from chat.drafts import Draft
from core import policy
from core.database import Database, Transaction
from core.hub import LocalHub
from core.limits import Limits
from core.services import Core
from core.settings import Settings
from core.vault.keystore import Vault
from support.replay import checker
from support.replay.journal import Logged
from tests.chaos import mutations
from tests.chaos.rows import stored
from tests.chat.conftest import NOW, person

EACH = 60


@pytest.fixture
def cores(tmp_path: Path, postgres_url: str) -> Iterator[list[Core]]:
    """Two of them on one database, as two processes have it; with nothing but the lock to keep the numbers apart."""
    chosen = Settings(data=tmp_path / "var", public_url="http://localhost:8000", database_url=postgres_url)
    chosen.data.mkdir()
    vault, rules, limits = Vault.open(chosen), policy.load(chosen.policy), Limits.open(chosen)
    databases = [Database(postgres_url, lanes=1) for _ in range(2)]
    for database in databases:
        database.open()
    databases[0].create_all(SQLModel.metadata)
    databases[0].write_now(_drop_nets)
    yield [Core(chosen, database, vault, rules, LocalHub(), limits) for database in databases]
    for database in databases:
        database.close()
    asyncio.run(limits.close())
    vault.close()


def _drop_nets(tx: Transaction) -> None:
    for constraint in ("pk_event", "event_public_dense"):
        tx.execute(text(f"ALTER TABLE event DROP CONSTRAINT {constraint}"))


@pytest.mark.parametrize("is_mutated", [False, True], ids=["as it is", "M5"])
def test_numbers_are_dense_whoever_writes_and_a_build_without_the_lock_is_caught(
    cores: list[Core], monkeypatch: pytest.MonkeyPatch, is_mutated: bool
) -> None:
    amy = person()
    fresh = asyncio.run(conversations.prepare(cores[0], amy.ref))
    row = cores[0].database.write_now(conversations.open_, cores[0], amy, fresh, topic=None, locale="en", now=NOW)
    if is_mutated:
        monkeypatch.setattr(chat.statements, "locked", chat.statements.locked)  # put back after the test
        mutations.seq_without_lock("")
    together = threading.Barrier(2)

    def write(core: Core) -> None:
        for number in range(EACH):
            together.wait(30)
            draft = Draft(row.id, amy, str(uuid.uuid4()), "message", {"text": f"word {number}"})
            core.database.write_now(log.append_in, core, draft, now=NOW + 1)

    writers = [threading.Thread(target=write, args=(core,)) for core in cores]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)

    rows = stored(cores[0].settings.database_url)[row.id]
    found = checker.numbers(row.id, [Logged(each.seq, each.kind, "", each.client_id, each.pub_seq) for each in rows])
    assert len(rows) == 2 * EACH + 1
    assert {each.rule for each in found} == ({"C3"} if is_mutated else set())
