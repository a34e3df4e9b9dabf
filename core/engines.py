"""Engines: how a connection to SQLite or PostgreSQL must be set up to keep what we promise.

Danger. The default driver mode reads outside any transaction, begins deferred (55 of 400 concurrent writes
survived a trial) and does not sync before it returns. So each setting below is made and then asserted.
"""

import fcntl
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from core import disk
from core.refusals import Unavailable


@dataclass(frozen=True)
class Profile:
    """What a SQLite file is for, as pragmas."""

    name: str
    journal: str
    synchronous: tuple[str, int]
    secure_delete: bool


DATA = Profile("data", "wal", ("FULL", 2), secure_delete=True)
KEYSTORE = Profile("keystore", "delete", ("EXTRA", 3), secure_delete=True)


PATIENCE = "-c lock_timeout=2000 -c statement_timeout=5000"
READING = "-c default_transaction_read_only=on -c default_transaction_isolation=repeatable\\ read"
WRITING = (
    "-c synchronous_commit=on -c default_transaction_isolation=read\\ committed"
    " -c idle_in_transaction_session_timeout=10000"
)
LASTING = {"synchronous_commit": "on", "transaction_isolation": "read committed"}
"""What writing on PostgreSQL rests on: a commit is on the disk, and what is looked up after a lock is of after it."""


def open_engine(url: str, profile: Profile, *, writes: bool) -> Engine:
    """An engine whose connections are set up for `profile`; reading ones cannot write."""
    if url.startswith("postgresql"):
        return _open_postgres(url, writes=writes)
    path = sqlite_path(url)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    pool: dict[str, Any] = {"pool_size": 1, "max_overflow": 0} if writes else {"pool_size": 16, "max_overflow": 0}
    engine = create_engine(url, hide_parameters=True, connect_args={"check_same_thread": False}, **pool)
    event.listen(engine, "connect", lambda connection, _: _set_pragmas(connection, profile, writes=writes))
    event.listen(
        engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
    )
    return engine


def _set_pragmas(connection: Any, profile: Profile, *, writes: bool) -> None:  # Any: the driver's own connection
    connection.isolation_level = None  # the driver must not begin for us
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.execute("PRAGMA foreign_keys=ON")
    if not writes:
        cursor.execute("PRAGMA query_only=ON")
        cursor.execute("PRAGMA wal_autocheckpoint=0")  # one checkpointing connection: the writer's
        cursor.close()
        return
    cursor.execute("PRAGMA wal_autocheckpoint=4000")  # 16 MB: a checkpoint stops the writer
    cursor.execute("PRAGMA cache_size=-65536")  # KiB: the end of many logs at once
    cursor.execute("PRAGMA temp_store=MEMORY")  # a rewriting must not leave a copy in a temporary file
    word, number = profile.synchronous
    cursor.execute(f"PRAGMA journal_mode={profile.journal}")
    cursor.execute(f"PRAGMA synchronous={word}")
    cursor.execute(f"PRAGMA secure_delete={'ON' if profile.secure_delete else 'OFF'}")
    for pragma, wanted in (("journal_mode", profile.journal), ("synchronous", number), ("foreign_keys", 1)):
        found = cursor.execute(f"PRAGMA {pragma}").fetchone()[0]
        if found != wanted:
            raise Unavailable("pragma", f"The database refused {pragma}={wanted}; it says {found}.")
    if profile.secure_delete and cursor.execute("PRAGMA secure_delete").fetchone()[0] == 0:
        raise Unavailable("pragma", "The database refused secure_delete: erased keys would stay in the file.")
    cursor.close()


def copy_sqlite(url: str, target: Path) -> None:
    """Copy one moment of a SQLite file, row by row, so that no byte of what was deleted comes along; then sync it.

    A reading connection does it in one step: with WAL no writer waits, and a copy in steps would begin again at
    every commit of somebody else. Raises: FileExistsError.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    source = sqlite3.connect(f"{sqlite_path(url).absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        source.execute("VACUUM INTO ?", (str(target),))
    except BaseException:
        target.unlink()
        raise
    finally:
        source.close()
    disk.sync_file(target)
    disk.sync_folder(target.parent)


def open_copy(path: Path) -> Engine:
    """An engine that reads a SQLite file which nobody writes, and leaves no trace beside it."""
    return create_engine(f"sqlite:///{path.absolute().as_uri()}?mode=ro&immutable=1&uri=true", poolclass=NullPool)


def sqlite_path(url: str) -> Path:
    """Where the SQLite file of a URL lies."""
    return Path(make_url(url).database or "")


def _open_postgres(url: str, *, writes: bool) -> Engine:
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=16,
        connect_args={
            "options": f"{PATIENCE} {WRITING if writes else READING}",
            "connect_timeout": 5,
            "tcp_user_timeout": 10_000,
        },
    )
    if writes:
        event.listen(engine, "connect", lambda connection, _: _assert_lasting(connection))
    return engine


def _assert_lasting(connection: Any) -> None:  # Any: the driver's own connection
    """What the session says must be what we asked for: something between us may have dropped it (a pooler does)."""
    with connection.cursor() as cursor:
        for name, wanted in LASTING.items():
            found = cursor.execute(f"SHOW {name}").fetchone()[0]
            if found != wanted:
                connection.close()
                raise Unavailable("parameter", f"The database refused {name}={wanted}; it says {found}.")
    connection.rollback()


class SideLock:
    """A lock on a file beside the SQLite file: one process writes it, every other one is told so."""

    def __init__(self, url: str) -> None:
        database = sqlite_path(url)
        self._path = database.with_name(database.name + ".lock")
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the lock or raise `Unavailable("already_open")`."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self._path.open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise Unavailable(
                "already_open",
                "Another Aftercare process has this data open. Stop it first, or run the command while it serves.",
            ) from None
        self._file = file

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            self._file.close()
            self._file = None
