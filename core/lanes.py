"""Lanes: the threads that write, each with one connection, one queue and group commit.

Danger. An answer given before its commit, a failing work that takes its neighbours down, a queue that grows until
the machine stops.

Principle. What is queued when the lane comes back from a commit goes into the next one together, each work inside
its own savepoint. The queue is bounded and a full one refuses. A work is never cancelled once it is queued: whoever
asked may have gone, the outcome stands all the same.

Boundary. Outcomes are handed back and announcements made after the commit, with one wake-up per event loop.
"""

import asyncio
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.engine import Result
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.base import Executable
from sqlmodel import Session

from core.refusals import Unavailable

T = TypeVar("T")

QUEUE_LIMIT = 4_096

log = structlog.get_logger("database")


class OutcomeUnknown(Exception):
    """The connection was lost in the commit: the work may or may not stand. Do the same again, with the same id."""


class Transaction:
    """One open transaction: the connection, a session on it, and what to announce once it stands."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.announcements: list[Callable[[], None]] = []
        self._session: Session | None = None

    @property
    def is_postgres(self) -> bool:
        """Whether the engine is PostgreSQL; the few places where dialects differ ask here."""
        return self.connection.dialect.name == "postgresql"

    @property
    def session(self) -> Session:
        """A SQLModel session inside this transaction, for everything off the hot path."""
        if self._session is None:
            self._session = Session(self.connection, join_transaction_mode="rollback_only", expire_on_commit=False)
        return self._session

    def execute(self, statement: Executable, parameters: Any = None) -> Result[Any]:  # Any: as SQLAlchemy has it
        """Run a Core statement."""
        if self._session is not None:
            self._session.flush()
        return self.connection.execute(statement, parameters)

    def after_commit(self, announce: Callable[[], None]) -> None:
        """Call `announce` on the event loop once the commit stands; never when it does not."""
        self.announcements.append(announce)

    def close(self, *, flush: bool) -> None:
        """Write what the session holds (when `flush`) and let it go."""
        if self._session is not None:
            if flush:
                self._session.flush()
            self._session.expunge_all()
            self._session = None


class Work(ABC):
    """One queued transaction; subclasses know how to hand back its outcome."""

    def __init__(self, run: Callable[[Transaction], Any]) -> None:  # Any: the result's type is the caller's
        self.run = run
        self.tx: Transaction | None = None
        self.result: Any = None
        self.error: BaseException | None = None

    @abstractmethod
    def settle(self) -> None:
        """Announce, if it stands, and hand the outcome back."""


class AsyncWork(Work):
    def __init__(
        self, run: Callable[[Transaction], T], loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[T]"
    ) -> None:
        super().__init__(run)
        self.loop = loop
        self.answer = answer

    def settle(self) -> None:
        """Announce, then answer; runs on the loop."""
        if self.error is None:
            _announce(self.tx)
        if self.answer.done():
            return
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.result)


class BlockingWork(Work):
    def __init__(self, run: Callable[[Transaction], T], answer: "Future[T]") -> None:
        super().__init__(run)
        self.answer = answer

    def settle(self) -> None:
        if self.error is not None:
            self.answer.set_exception(self.error)
            return
        _announce(self.tx)
        self.answer.set_result(self.result)


class Lane:
    """One thread with one writing connection, fed by a bounded queue."""

    def __init__(self, engine: Engine, group_limit: int) -> None:
        self._engine = engine
        self._group_limit = group_limit
        self._queue: queue.Queue[Work | None] = queue.Queue(QUEUE_LIMIT)
        self._thread = threading.Thread(target=self._serve, name="writer", daemon=True)
        self._thread.start()

    def put(self, work: Work) -> None:
        """Queue `work`; raises `Unavailable` when the queue is full rather than grow without bound."""
        try:
            self._queue.put_nowait(work)
        except queue.Full:
            raise Unavailable("busy", retry_ms=1_000) from None

    def stop(self) -> None:
        """Finish what is queued, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        stopping = False
        while not stopping:
            group: list[Work] = []
            first = self._queue.get()
            stopping = first is None
            if first is not None:
                group.append(first)
            while not stopping and len(group) < self._group_limit:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                stopping = following is None
                if following is not None:
                    group.append(following)
            if group:
                self._commit(group)
                _settle(group)

    def _commit(self, group: Sequence[Work]) -> None:
        try:
            with self._engine.connect() as connection:
                transaction = connection.begin()
                for work in group:
                    _attempt(connection, work, alone=len(group) == 1)
                if all(work.error for work in group):
                    transaction.rollback()
                else:
                    _stand(connection, group)
        except BaseException as error:
            for work in group:
                work.error = work.error or _as_refusal(error)


def _attempt(connection: Connection, work: Work, *, alone: bool) -> None:
    """Run one work inside its own savepoint, unless it is alone in the transaction."""
    savepoint = None if alone else connection.begin_nested()
    tx = work.tx = Transaction(connection)
    try:
        work.result = work.run(tx)
        tx.close(flush=True)
    except BaseException as error:
        work.error = _as_refusal(error)
        tx.close(flush=False)
        if savepoint is not None:
            savepoint.rollback()
        return
    if savepoint is not None:
        savepoint.commit()


def _stand(connection: Connection, group: Sequence[Work]) -> None:
    try:
        connection.commit()
    except DBAPIError as error:
        unknown = error.connection_invalidated
        for work in group:
            if work.error is None:
                work.error = OutcomeUnknown() if unknown else _as_refusal(error)


def _settle(group: Sequence[Work]) -> None:
    """Hand every outcome back, with one wake-up per event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[Work]] = {}
    for work in group:
        if isinstance(work, AsyncWork):
            loops.setdefault(work.loop, []).append(work)
        else:
            work.settle()
    for loop, works in loops.items():
        try:
            loop.call_soon_threadsafe(_settle_all, works)
        except RuntimeError:  # the loop is gone, and with it whoever waited; the commit stands
            continue


def _settle_all(works: Sequence[Work]) -> None:
    for work in works:
        work.settle()


def _announce(tx: Transaction | None) -> None:
    """The commit stands, whatever a listener does: who asked must hear so, and the other listeners too."""
    for announce in tx.announcements if tx else ():
        try:
            announce()
        except Exception as error:
            log.warning("announcement_failed", kind=type(error).__name__)


def _as_refusal(error: BaseException) -> BaseException:
    """Turn a full disk into a refusal that says so; leave everything else as it is."""
    reason = str(getattr(error, "orig", "")).lower()
    if isinstance(error, DBAPIError) and (
        "disk is full" in reason or "disk i/o error" in reason or "no space" in reason
    ):
        return Unavailable(
            "full", "Our storage is full, so nothing was saved. We have been told; please try again later."
        )
    return error
