"""What every test may ask for: real databases, real inputs."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlmodel import SQLModel

from core import policy
from core.clauses import NUMBERS
from core.database import Database
from core.hub import LocalHub
from core.limits import Limits
from core.services import Core
from core.settings import Settings
from core.vault.keystore import Vault
from media.blobs import LocalBlobs
from media.uploads import Media
from support import tables
from tests.clauses import Recorder
from tests.services import PostgresServer, RedisServer, free_port

__all__ = ["free_port"]

assert tables.ALL, "every table of the house is made in every test's database"

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real inputs that lie beside the repository; they are read there and never copied."""
    folder = Path(os.environ.get("AFTERCARE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    assert folder.is_dir(), f"The real inputs are missing: {folder}"
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL for everybody: who breaks it must mend it, or better start one of their own."""
    server = PostgresServer("-c fsync=off")  # no machine of ours loses power
    server.start()
    yield server
    server.close()


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test's own."""
    url = postgres.create()
    yield url
    postgres.drop(url)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A Redis of this test's own, to kill, freeze and start again."""
    server = RedisServer()
    server.start()
    yield server
    server.close()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file of this test's own."""
    return f"sqlite:///{tmp_path / 'var' / 'data.db'}"


@pytest.fixture(scope="session")
def new_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a shop that has every table and a keystore, to copy: making them takes longer than most tests."""
    data = tmp_path_factory.mktemp("new-shop") / "var"
    make_tables(f"sqlite:///{data / 'data.db'}")
    Vault.open(Settings(data=data, public_url="http://localhost:8000")).close()
    return data


@pytest.fixture(scope="session")
def new_postgres(postgres: PostgresServer) -> str:
    """A PostgreSQL database that has every table, to copy."""
    url = postgres.create()
    make_tables(url)
    return url


def make_tables(url: str) -> None:
    """Every table of the house."""
    made = Database(url)
    made.open()
    made.create_all(SQLModel.metadata)
    made.close()


@pytest.fixture(scope="session")
def rules() -> policy.Policy:
    """The policy as it is delivered."""
    return policy.load(Settings(public_url="http://localhost:8000").policy)


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An open database with every table; mark a test `both_engines` to run it on PostgreSQL too."""
    opened = Database(request.getfixturevalue(f"furnished_{getattr(request, 'param', 'sqlite')}"))
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def furnished_sqlite(sqlite_url: str, new_shop: Path) -> str:
    """The URL of a SQLite file of this test's own with every table."""
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    file.parent.mkdir(exist_ok=True)
    shutil.copy(new_shop / "data.db", file)
    return sqlite_url


@pytest.fixture
def furnished_postgres(postgres: PostgresServer, new_postgres: str) -> Iterator[str]:
    """The URL of a PostgreSQL database of this test's own with every table."""
    url = postgres.create(like=new_postgres)
    yield url
    postgres.drop(url)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A development machine without a mail relay, so letters are kept; everything lies in the test's own folder."""
    return Settings(data=tmp_path / "var", public_url="http://localhost:8000")


@pytest_asyncio.fixture
async def core(settings: Settings, database: Database, new_shop: Path, rules: policy.Policy) -> AsyncIterator[Core]:
    """Everything `core/` offers, on a real database and a real keystore."""
    shutil.copytree(new_shop, settings.data, ignore=shutil.ignore_patterns("data.db*"), dirs_exist_ok=True)
    vault = Vault.open(settings)
    limits = Limits.open(settings)
    yield Core(settings, database, vault, rules, LocalHub(), limits)
    await limits.close()
    vault.close()


@pytest.fixture
def media(core: Core) -> Media:
    """The media room, with its files in the test's own folder."""
    return Media(core, LocalBlobs.open(core.settings))


def pytest_configure(config: pytest.Config) -> None:
    """Note how every test that carries a clause goes, for the register of clauses."""
    config.pluginmanager.register(Recorder(), "clause-recorder")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests marked `both_engines` on SQLite and on PostgreSQL."""
    if "database" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_engines"):
        metafunc.parametrize("database", ["sqlite", "postgres"], indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a mark that names a clause which the policy does not have."""
    for item in items:
        for mark in item.iter_markers("clause"):
            unknown = {number for number in mark.args if not is_clause(number)}
            if unknown or not mark.args:
                raise pytest.UsageError(f"{item.nodeid} names no clause of the policy: {sorted(unknown)}")


def is_clause(number: str) -> bool:
    """Whether the policy has this clause, a part of it, or a section that holds it."""
    return any(number.startswith(known) or known.startswith(f"{number}(") for known in NUMBERS)
