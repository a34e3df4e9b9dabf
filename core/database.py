"""The database: one way to write, one way to read, the same on SQLite and PostgreSQL.

Danger. A message that was acknowledged and then lost, two writers who overwrite each other, a notice sent for a
change that never happened, and SQLite's WAL-reset fault (before 3.51.3) that needs two connections which write
or checkpoint at the same instant.

Principle. A transaction is a plain function of a `Transaction`; it runs in a thread of the database's own and so
cannot wait for anything but the database. On SQLite exactly one connection in one thread ever writes and
checkpoints, under a lock on a side file; readers are `query_only`. On PostgreSQL each lane is such a thread.

Boundary. The caller gets its result after the commit, and commit means fsync. What the writer finds queued when
it comes back from a commit goes into the next one together (group commit), each work inside its own savepoint,
so a failing work fails alone. Announcements are given to `after_commit` and made only when the commit stands.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import BigInteger, Engine, MetaData, Select, Table, literal
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from core import clock
from core.engines import DATA, KEYSTORE, Profile, SideLock, copy_sqlite, open_engine
from core.gathering import Gathering, Together
from core.lanes import AsyncWork, BlockingWork, Lane, OutcomeUnknown, Transaction

__all__ = [
    "DATA",
    "KEYSTORE",
    "Database",
    "Millis",
    "OutcomeUnknown",
    "Transaction",
    "copy_rows",
    "insert_ignore",
    "row_lock",
]

SQLModel.metadata.naming_convention = {  # so that a migration can name what it changes, on both engines
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")
R = TypeVar("R")

Millis = BigInteger  # UTC milliseconds since 1970
GROUP_LIMIT = 256
POSTGRES_LANES = 4


class Database:
    """A database by its URL: `await database.write(verb, ...)` and `await database.read(verb, ...)`."""

    def __init__(self, url: str, *, profile: Profile = DATA, readers: int = 4, lanes: int = POSTGRES_LANES) -> None:
        self.url = url
        self.profile = profile
        self.is_postgres = url.startswith("postgresql")
        self._reader_count = readers
        self._lane_count = lanes if self.is_postgres else 1
        self._lock = None if self.is_postgres else SideLock(url)
        self._writing: Engine | None = None
        self._reading: Engine | None = None
        self._lanes: list[Lane] = []
        self._readers: ThreadPoolExecutor | None = None
        self._gatherings: dict[Together[Any, Any], Gathering[Any, Any]] = {}  # Any: each verb has its own question

    def open(self) -> None:
        """Connect; refuse a SQLite file that another process has open for writing."""
        if self._lock:
            self._lock.take()
        self._writing = open_engine(self.url, self.profile, writes=True)
        self._reading = open_engine(self.url, self.profile, writes=False)
        self._lanes = [Lane(self._writing, 1 if self.is_postgres else GROUP_LIMIT) for _ in range(self._lane_count)]
        self._readers = ThreadPoolExecutor(self._reader_count, thread_name_prefix="reader")

    def close(self) -> None:
        """Finish what is queued, then disconnect."""
        for lane in self._lanes:
            lane.stop()
        if self._readers:
            self._readers.shutdown()
        for engine in (self._reading, self._writing):
            if engine is not None:
                engine.dispose()
        if self._lock:
            self._lock.release()
        self._lanes = []

    @property
    def engine(self) -> Engine:
        """The writing engine, for migrations, before anything else runs."""
        assert self._writing is not None, "the database is not open"
        return self._writing

    @property
    def lane_count(self) -> int:
        """How many transactions can commit side by side."""
        return self._lane_count

    def create_all(self, metadata: MetaData) -> None:
        """Make every table of `metadata`; the product itself migrates instead."""
        self.write_now(lambda tx: metadata.create_all(tx.connection))

    async def write(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` in a writing transaction and return its result after the commit.

        Raises what `work` raises (and then nothing of it stands); `Unavailable` when the queue or the disk is
        full; `OutcomeUnknown` when the connection broke in the commit. Cancelling the caller does not cancel it.
        """
        return await self.write_in(0, work, *args, **kwargs)

    async def write_in(
        self, lane: int, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `write`, in the lane of a number of the caller's: works of one lane keep their order."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._lane(lane).put(AsyncWork(lambda tx: work(tx, *args, **kwargs), loop, answer))
        return await asyncio.shield(answer)

    def write_now(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The blocking twin of `write`, for commands and threads other than the loop's."""
        answer: Future[T] = Future()
        self._lane(0).put(BlockingWork(lambda tx: work(tx, *args, **kwargs), answer))
        return answer.result()

    async def read(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` on one consistent snapshot; it cannot write."""
        return await self._begin_read(work, *args, **kwargs)

    async def read_together(self, work: Together[A, R], asked: A) -> R:
        """As `read`, for one of many who ask the same at the same time: `core.gathering`. Raises: Refusal."""
        gathering = self._gatherings.get(work)
        if gathering is None:
            gathering = Gathering(lambda all_asked: self._begin_read(work, all_asked, now=clock.now()))
            self._gatherings[work] = gathering
        answer: R = await gathering.ask(asked)
        return answer

    def _begin_read(
        self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self._readers, lambda: self.read_now(work, *args, **kwargs))

    def read_now(self, work: Callable[Concatenate[Transaction, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The blocking twin of `read`."""
        assert self._reading is not None, "the database is not open"
        with self._reading.connect() as connection, connection.begin() as transaction:
            tx = Transaction(connection)
            try:
                return work(tx, *args, **kwargs)
            finally:
                tx.close(flush=False)
                transaction.rollback()

    async def copy_to(self, target: Path) -> None:
        """A consistent, compact copy of a SQLite file, while everybody goes on; `target` (mode 0600) must be new."""
        assert not self.is_postgres, "PostgreSQL has its own back-ups"
        await asyncio.get_running_loop().run_in_executor(self._readers, copy_sqlite, self.url, target)

    async def scrub(self) -> None:
        """Rewrite a SQLite file so that no byte of what was deleted stays in it; elsewhere that is the server's work.

        `secure_delete` overwrites a deleted row where it last stood. A row that had moved when a page was split may
        have left a copy of itself between the rows of its old page, and only a rewriting takes that away.
        """
        if not self.is_postgres:
            await asyncio.get_running_loop().run_in_executor(self._readers, self._rewrite)

    def _rewrite(self) -> None:
        connection = self.engine.raw_connection()  # the writing one: the lane waits meanwhile
        try:
            connection.cursor().execute("VACUUM").close()
        finally:
            connection.close()

    def _lane(self, number: int) -> "Lane":
        assert self._lanes, "the database is not open"
        return self._lanes[number % len(self._lanes)]


def row_lock(tx: Transaction, statement: Select[Any]) -> Select[Any]:  # Any: rows of whatever was selected
    """Lock the selected rows until the commit; SQLite's single writer already excludes everyone."""
    return statement.with_for_update() if tx.is_postgres else statement


def insert_ignore(tx: Transaction, table: Table, rows: Sequence[dict[str, Any]], index_elements: Sequence[str]) -> int:
    """Insert the rows that break no unique index named by its columns; return how many were new."""
    insert = postgresql.insert(table) if tx.is_postgres else sqlite.insert(table)
    statement = insert.values(list(rows)).on_conflict_do_nothing(index_elements=list(index_elements))
    return len(tx.execute(statement.returning(literal(1))).all())


def copy_rows(tx: Transaction, table: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Insert the rows into PostgreSQL by COPY, at a fraction of what it takes to send and to bind a parameter for each
    of their values. Raises: DBAPIError, as every other statement does."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    driver, held = tx.connection.dialect.loaded_dbapi, tx.connection.connection.driver_connection
    assert held is not None, "a transaction has a connection"
    try:
        with held.cursor() as cursor, cursor.copy(statement) as copying:
            for row in rows:
                copying.write_row(row)
    except driver.Error as error:
        is_lost = tx.connection.dialect.is_disconnect(error, held, None)
        if is_lost:
            tx.connection.invalidate(error)
        raise DBAPIError.instance(
            statement, None, error, driver.Error, hide_parameters=True, connection_invalidated=is_lost
        ) from error
