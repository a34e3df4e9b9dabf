"""Migrations lead to exactly the tables that the rooms declare, on both engines."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlmodel import SQLModel

from core.database import Database, Transaction
from core.refusals import Unavailable
from support import migrating, tables


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_the_migrated_schema_is_the_declared_one(engine: str, request: pytest.FixtureRequest) -> None:
    assert tables.ALL
    database = Database(request.getfixturevalue(f"{engine}_url"))
    database.open()

    migrating.migrate(database)

    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, SQLModel.metadata)
    migrating.check_schema(database)
    database.close()
    assert differences == []


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
@pytest.mark.clause("3(2)")
def test_a_migrated_ledger_cannot_be_changed(engine: str, request: pytest.FixtureRequest) -> None:
    database = Database(request.getfixturevalue(f"{engine}_url"))
    database.open()
    migrating.migrate(database)

    with database.engine.connect() as connection:
        question = (
            "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"
            if engine == "sqlite"
            else "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"
        )
        found = connection.execute(text(question)).scalar_one()

    database.close()
    assert found >= 2


def test_migrating_twice_changes_nothing(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    database.open()
    migrating.migrate(database)

    came_from = migrating.migrate(database)

    database.close()
    assert came_from == migrating.newest()


def test_a_schema_of_a_newer_program_is_refused(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    database.open()
    migrating.migrate(database)

    def pretend(tx: Transaction) -> None:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    database.write_now(pretend)

    with pytest.raises(Unavailable, match="schema_new"):
        migrating.migrate(database)
    database.close()


def test_a_schema_that_was_not_migrated_is_not_served(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    database.open()

    with pytest.raises(Unavailable, match="schema_old"):
        migrating.check_schema(database)
    database.close()
