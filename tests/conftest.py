"""What every test may ask for: real databases, real inputs."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlmodel import SQLModel

from core.database import Database

ROOT = Path(__file__).resolve().parent.parent
POSTGRES_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real inputs that lie beside the repository; they are read there and never copied."""
    folder = Path(os.environ.get("AFTERCARE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    assert folder.is_dir(), f"The real inputs are missing: {folder}"
    return folder


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a throw-away PostgreSQL cluster of our own, without a database name."""
    assert POSTGRES_BINARIES, "PostgreSQL is missing: apt-get install postgresql"
    binaries = POSTGRES_BINARIES[-1]
    folder = tmp_path_factory.mktemp("postgres")
    port = free_port()
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        for part in (folder, *folder.parents):
            if part == Path("/tmp") or part.stat().st_uid != 0:
                break
            part.chmod(0o755)
        shutil.chown(folder, "postgres", "postgres")
        as_user = ["runuser", "-u", "postgres", "--"]
    cluster = folder / "cluster"
    initialise = [
        *as_user,
        binaries / "initdb",
        "-D",
        cluster,
        "-U",
        "aftercare",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    ]
    subprocess.run(initialise, check=True, capture_output=True, cwd="/")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c max_connections=200"
    log = folder / "log"
    start = [*as_user, binaries / "pg_ctl", "-D", cluster, "-o", options, "-l", log, "-w", "start"]
    subprocess.run(start, check=True, capture_output=True, cwd="/")
    yield f"postgresql://aftercare@127.0.0.1:{port}"
    subprocess.run(
        [*as_user, binaries / "pg_ctl", "-D", cluster, "-m", "immediate", "stop"],
        check=True,
        capture_output=True,
        cwd="/",
    )


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database of this test's own."""
    name = f"test_{os.urandom(6).hex()}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]  # the name is ours
    yield f"{postgres_server}/{name}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite file of this test's own."""
    return f"sqlite:///{tmp_path / 'data.db'}"


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An open database with every table; mark a test `both_engines` to run it on PostgreSQL too."""
    url = request.getfixturevalue(f"{getattr(request, 'param', 'sqlite')}_url")
    opened = Database(url)
    opened.open()
    opened.create_all(SQLModel.metadata)
    yield opened
    opened.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests marked `both_engines` on SQLite and on PostgreSQL."""
    if "database" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_engines"):
        metafunc.parametrize("database", ["sqlite", "postgres"], indirect=True)
