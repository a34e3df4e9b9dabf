"""Failures in a row, and the waits they earn, for addresses and staff logins alike.

The wait falls first on (subject, network), where a guesser sits; on the subject everywhere only after many more
failures, so that a stranger cannot shut somebody out by failing on purpose. Subjects and networks are stored as
keyed hashes, and a subject that does not exist fails and waits like one that does.
"""

from dataclasses import dataclass

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel, col, delete, select, update

from core.clock import DAY, HOUR, MINUTE
from core.database import Transaction
from core.identity.models import Attempt
from core.refusals import TooMany

ANYWHERE = b""
FORGOTTEN_AFTER_MS = 30 * DAY


@dataclass(frozen=True, slots=True)
class Patience:
    """How many failures in a row are free, here and anywhere; then the wait doubles from a minute to an hour."""

    here: int
    anywhere: int


CODES = Patience(here=10, anywhere=50)
PASSWORDS = Patience(here=5, anywhere=25)


@dataclass(frozen=True, slots=True)
class Guesser:
    """Who is being guessed at, and from where; both keyed hashes."""

    subject: bytes
    network: bytes


def wait_ms(failures: int, free: int) -> int:
    """How long to wait after this many failures in a row, in milliseconds."""
    if failures < free:
        return 0
    doublings = min(failures - free, 6)
    return min(MINUTE << doublings, HOUR)


def require_patience(tx: Transaction, guesser: Guesser, *, now: int) -> None:
    """Refuse while a wait lasts.

    Raises:
        TooMany: with the milliseconds left.
    """
    left = remaining_ms(tx, guesser, now=now)
    if left > 0:
        raise TooMany(left, "wait_after_failures", "There were too many wrong tries. Please wait, then try again.")


def remaining_ms(tx: Transaction, guesser: Guesser, *, now: int) -> int:
    """Milliseconds left to wait for this subject from this network; 0 when none."""
    rows = select(Attempt.delayed_until_ms).where(
        Attempt.subject == guesser.subject, col(Attempt.network).in_((guesser.network, ANYWHERE))
    )
    return max((0, *(until - now for until in tx.session.exec(rows))))


def failures(tx: Transaction, subject: bytes) -> int:
    """Failures in a row for a subject, wherever they came from."""
    row = tx.session.get(Attempt, (subject, ANYWHERE))
    return row.failures if row else 0


def record_failure(tx: Transaction, guesser: Guesser, patience: Patience, *, now: int) -> None:
    """Count one more failure, here and anywhere. The transaction must commit: answer, do not raise, after it."""
    _count(tx, guesser.subject, guesser.network, patience.here, now)
    _count(tx, guesser.subject, ANYWHERE, patience.anywhere, now)


def forgive(tx: Transaction, subject: bytes) -> None:
    """Success (or a check by support) ends the row of failures everywhere."""
    tx.execute(delete(Attempt).where(col(Attempt.subject) == subject))


def sweep(tx: Transaction, *, now: int) -> None:
    """Forget failures that are a month old."""
    tx.execute(delete(Attempt).where(col(Attempt.last_ms) < now - FORGOTTEN_AFTER_MS))


def _count(tx: Transaction, subject: bytes, network: bytes, free: int, now: int) -> None:
    table = SQLModel.metadata.tables["attempt"]
    insert = postgresql.insert(table) if tx.is_postgres else sqlite.insert(table)
    row = insert.values(subject=subject, network=network, failures=1, delayed_until_ms=0, last_ms=now)
    counted = row.on_conflict_do_update(
        index_elements=["subject", "network"], set_={"failures": table.c.failures + 1, "last_ms": now}
    )
    total = tx.execute(counted.returning(table.c.failures)).scalar_one()
    if wait := wait_ms(total, free):
        this = (col(Attempt.subject) == subject, col(Attempt.network) == network)
        tx.execute(update(Attempt).where(*this).values(delayed_until_ms=now + wait))
