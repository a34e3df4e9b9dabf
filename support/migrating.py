"""Migrations: the schema moves forward under one runner, and a program never serves a schema it does not know."""

from functools import cache

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from core import turns
from core.database import Database
from core.refusals import Unavailable
from core.settings import ROOT


def migrate(database: Database) -> str | None:
    """Bring the schema to this program's revision; return the revision it came from."""
    with turns.taken(database, "schema"):
        before = _current(database)
        if before != newest():
            _refuse_a_newer_one(before)
            config = _config()
            with database.engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    return before


def check_schema(database: Database) -> None:
    """Refuse to serve a schema that is older or newer than this program's."""
    found = _current(database)
    _refuse_a_newer_one(found)
    if found != newest():
        raise Unavailable("schema_old", "The database is older than this program. Run `aftercare migrate` first.")


def _refuse_a_newer_one(revision: str | None) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if revision is not None and revision not in known:
        raise Unavailable("schema_new", "The database is newer than this program. Start the newer program instead.")


def _current(database: Database) -> str | None:
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest() -> str | None:
    """The revision that this program knows."""
    return _scripts().get_current_head()


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    return config
