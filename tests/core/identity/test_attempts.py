"""Attempts: failures in a row earn a wait, the same on both engines."""

import pytest

from core.clock import DAY, MINUTE
from core.database import Database
from core.identity import attempts
from core.identity.attempts import Guesser, Patience
from core.refusals import TooMany

STRICT = Patience(here=2, anywhere=4)
HERE = Guesser(b"subject", b"here")
THERE = Guesser(b"subject", b"there")
NOW = 1_795_000_000_000


def fail(database: Database, guesser: Guesser, times: int) -> None:
    for _ in range(times):
        database.write_now(attempts.record_failure, guesser, STRICT, now=NOW)


@pytest.mark.both_engines
def test_failures_here_make_only_here_wait(database: Database) -> None:
    fail(database, HERE, 2)

    assert database.read_now(attempts.remaining_ms, HERE, now=NOW) == MINUTE
    assert database.read_now(attempts.remaining_ms, THERE, now=NOW) == 0


@pytest.mark.both_engines
def test_many_failures_make_everywhere_wait(database: Database) -> None:
    fail(database, HERE, 4)

    with pytest.raises(TooMany):
        database.read_now(attempts.require_patience, THERE, now=NOW)


def test_a_wait_ends(database: Database) -> None:
    fail(database, HERE, 2)

    database.read_now(attempts.require_patience, HERE, now=NOW + MINUTE)


@pytest.mark.both_engines
def test_forgiving_ends_every_wait_of_the_subject(database: Database) -> None:
    fail(database, HERE, 4)

    database.write_now(attempts.forgive, HERE.subject)

    assert database.read_now(attempts.remaining_ms, HERE, now=NOW) == 0
    assert database.read_now(attempts.failures, HERE.subject) == 0


def test_failures_are_forgotten_after_a_month(database: Database) -> None:
    fail(database, HERE, 1)

    database.write_now(attempts.sweep, now=NOW + 31 * DAY)

    assert database.read_now(attempts.failures, HERE.subject) == 0
