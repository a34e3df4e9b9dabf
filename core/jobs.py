"""Jobs: durable work for later, done at least once by whichever worker takes it first.

Danger. Work lost in a crash, done twice by two workers at once, or retried for ever; and a payload that keeps
personal data outside every holding.

Principle. One table on both engines. A claim takes a lease and counts `attempts` up, which is also the fence: whoever
finishes must still hold the number it claimed. A payload is ids and codes only, so that nothing in it needs sealing
or erasing. Time is the database's, so that two machines never disagree about a lease.

Boundary. A job is enqueued in the transaction of its cause. A handler with an effect in the database calls `finish`
inside that transaction: effect and end stand together. Effects outside are at-least-once; the job's id is the key by
which the other side recognises a repetition.
"""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import Table, UniqueConstraint, delete, select, text, update
from sqlalchemy.exc import OperationalError
from sqlmodel import Field, SQLModel

from core import ids
from core.clock import HOUR, MINUTE, SECOND
from core.database import Millis, OutcomeUnknown, Transaction, insert_ignore
from core.refusals import Refusal, Unavailable
from core.services import Core

LEASE_MS: Final = MINUTE
FIRST_DELAY_MS: Final = 5 * SECOND
LONGEST_DELAY_MS: Final = HOUR
MOST_ATTEMPTS: Final = 12
AT_ONCE: Final = 4
POLL_SECONDS: Final = 1.0
EVERY: Final = "every"  # the key of work that comes again
LEAVE_SECONDS: Final = 20.0
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}")
_log = structlog.get_logger(__name__)


class QueuedJob(SQLModel, table=True):
    """Work that is not done yet; done work has no row, unless it comes again."""

    __tablename__ = "job"
    __table_args__ = (UniqueConstraint("kind", "key"),)

    id: str = Field(primary_key=True)
    kind: str
    key: str
    payload: bytes
    run_ms: int = Field(sa_type=Millis, index=True)
    lease_ms: int = Field(default=0, sa_type=Millis)
    attempts: int = 0
    created_ms: int = Field(sa_type=Millis)
    dead_ms: int | None = Field(default=None, sa_type=Millis, index=True)
    error: str | None = None


JOB: Final[Table] = SQLModel.metadata.tables["job"]


@dataclass(frozen=True)
class Job:
    """A claimed job; `attempts` is the fence."""

    id: ids.JobId
    kind: str
    payload: Mapping[str, Any]  # Any: codes and whole numbers
    attempts: int


Handler = Callable[[Job], Awaitable[None]]


class LeaseLost(Exception):
    """Another worker has this job now; what this one was about to do must not stand."""


def enqueue(
    tx: Transaction, kind: str, payload: Mapping[str, str | int], *, run_ms: int, key: str | None = None
) -> ids.JobId:
    """Put work into the queue, in the transaction of its cause; with the `key` of waiting work, that stays as it is."""
    for value in payload.values():
        if isinstance(value, str) and not _CODE.fullmatch(value):
            raise ValueError(f"a job takes ids and codes only; {kind} was given more")
    job_id = ids.new()
    row = {
        "id": job_id,
        "kind": kind,
        "key": key or job_id,
        "payload": msgspec.json.encode(payload),
        "run_ms": run_ms,
        "lease_ms": 0,
        "attempts": 0,
        "created_ms": run_ms,
    }
    if insert_ignore(tx, JOB, [row], ["kind", "key"]):
        return ids.JobId(job_id)
    waiting = select(JOB.c.id).where(JOB.c.kind == kind, JOB.c.key == row["key"])
    return ids.JobId(tx.execute(waiting).scalar_one())


def finish(tx: Transaction, job: Job) -> None:
    """End a job inside the transaction of its effect. Raises: LeaseLost, and then the effect must not stand."""
    if tx.execute(delete(JOB).where(_held(job)).returning(JOB.c.id)).one_or_none() is None:
        raise LeaseLost(job.kind)


def set_aside(tx: Transaction, *, now: int) -> int:
    """Leave waiting work for a person to look at; what comes again by itself goes on. Returns how many there were."""
    waiting = JOB.c.dead_ms.is_(None) & (JOB.c.key != EVERY)
    tx.execute(update(JOB).where(JOB.c.key == EVERY).values(lease_ms=0))
    aside = update(JOB).where(waiting).values(dead_ms=now, error="restored")
    return len(tx.execute(aside.returning(JOB.c.id)).all())


class Runner:
    """Claims what is due and has it handled; `every` names the kinds that come again, with their period in ms."""

    def __init__(self, core: Core, handlers: Mapping[str, Handler], every: Mapping[str, int] | None = None) -> None:
        self._database = core.database
        self._handlers = dict(handlers)
        self._every = dict(every or {})
        assert self._every.keys() <= self._handlers.keys(), "a periodic job without a handler"

    async def run_forever(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then give running work a little time and leave the rest to the next worker."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                turn = asyncio.create_task(self._turn())
                await asyncio.wait({turn, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not turn.done():
                    await asyncio.wait({turn}, timeout=LEAVE_SECONDS)
                    turn.cancel()
                await asyncio.gather(turn, return_exceptions=stop.is_set())
        finally:
            stopping.cancel()

    async def run_due(self, now: int | None = None) -> int:
        """Handle what is due by `now` (the database's time when not given) until nothing is; return how many."""
        await self._database.write(_plan_periodic, self._every, now=now)
        handled = 0
        while claimed := await self._database.write(_claim, sorted(self._handlers), now=now):
            await asyncio.gather(*(self._work(job, now) for job in claimed))
            handled += len(claimed)
        return handled

    async def _turn(self) -> None:
        """What is due, then a pause; a database that is away is a longer pause, not an end."""
        try:
            if await self.run_due():
                return
        except (Unavailable, OutcomeUnknown, OperationalError) as error:
            _log.warning("jobs_wait_for_database", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS * 4)
        await asyncio.sleep(POLL_SECONDS)

    async def _work(self, job: Job, now: int | None) -> None:
        renewing = asyncio.create_task(self._renew(job))
        try:
            await self._handlers[job.kind](job)
        except LeaseLost:
            _log.warning("job_lease_lost", job=job.id, kind=job.kind)
        except Exception as error:  # whatever a handler raises is a reason to try again, and is counted
            await self._database.write(_fail, job, _code_of(error), self._every.get(job.kind), now=now)
            _log.warning("job_failed", job=job.id, kind=job.kind, attempts=job.attempts, error=_code_of(error))
        else:
            await self._database.write(_end, job, self._every.get(job.kind), now=now)
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing

    async def _renew(self, job: Job) -> None:
        while True:
            await asyncio.sleep(LEASE_MS / 3 / SECOND)
            with contextlib.suppress(Unavailable, OutcomeUnknown, OperationalError):
                await self._database.write(_extend, job)


def moment(tx: Transaction) -> int:
    """The database's own time in milliseconds, on which all machines agree; leases are measured by it."""
    asked = (
        "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
        if tx.is_postgres
        else "SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
    )
    return int(tx.execute(text(asked)).scalar_one())


def _now(tx: Transaction, now: int | None) -> int:
    """The time given, or else the database's."""
    return moment(tx) if now is None else now


def _held(job: Job) -> Any:  # Any: a condition
    return (JOB.c.id == job.id) & (JOB.c.attempts == job.attempts)


def _plan_periodic(tx: Transaction, every: Mapping[str, int], *, now: int | None) -> None:
    planned = tx.execute(select(JOB.c.kind).where(JOB.c.key == EVERY)).scalars()
    for kind in every.keys() - set(planned):
        enqueue(tx, kind, {}, run_ms=_now(tx, now), key=EVERY)


def _claim(tx: Transaction, kinds: list[str], *, now: int | None) -> list[Job]:
    current = _now(tx, now)
    due = (JOB.c.run_ms <= current) & (JOB.c.lease_ms <= current) & JOB.c.dead_ms.is_(None) & JOB.c.kind.in_(kinds)
    first = select(JOB).where(due).order_by(JOB.c.run_ms, JOB.c.id).limit(AT_ONCE)
    rows = tx.execute(first.with_for_update(skip_locked=True) if tx.is_postgres else first).all()
    taken = {"lease_ms": current + LEASE_MS, "attempts": JOB.c.attempts + 1}
    tx.execute(update(JOB).where(JOB.c.id.in_([row.id for row in rows])).values(taken))
    return [Job(ids.JobId(row.id), row.kind, msgspec.json.decode(row.payload), row.attempts + 1) for row in rows]


def _extend(tx: Transaction, job: Job) -> None:
    tx.execute(update(JOB).where(_held(job)).values(lease_ms=_now(tx, None) + LEASE_MS))


def _end(tx: Transaction, job: Job, period: int | None, *, now: int | None) -> None:
    """Remove a job that is done, or set its next time; does nothing when `finish` or another worker came first."""
    if period is None:
        tx.execute(delete(JOB).where(_held(job)))
        return
    again = {"run_ms": _now(tx, now) + period, "lease_ms": 0, "attempts": 0, "error": None}
    tx.execute(update(JOB).where(_held(job)).values(again))


def _fail(tx: Transaction, job: Job, error: str, period: int | None, *, now: int | None) -> None:
    current = _now(tx, now)
    delay = min(FIRST_DELAY_MS * 2 ** (job.attempts - 1), LONGEST_DELAY_MS, period or LONGEST_DELAY_MS)
    is_dead = job.attempts >= MOST_ATTEMPTS and period is None
    later = {"run_ms": current + delay, "lease_ms": 0, "error": error, "dead_ms": current if is_dead else None}
    tx.execute(update(JOB).where(_held(job)).values(later))


def _code_of(error: Exception) -> str:
    """What went wrong, without a word of what was being worked on."""
    return error.code if isinstance(error, Refusal) else type(error).__name__
