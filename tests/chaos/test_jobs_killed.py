"""Workers are killed in the middle of jobs, and every job has its effect exactly once (T20, both engines)."""

import time
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlmodel import SQLModel

from core import jobs
from core.database import Database, Transaction
from core.engines import DATA, open_engine
from core.jobs import JOB
from tests.chaos import scale
from tests.chaos.working import EFFECT, KIND, METADATA
from tests.nursery import Born, Nursery

JOBS = 200 * scale.LENGTH
KILLS = 3 * scale.LENGTH
PATIENCE_S = 60 * scale.LENGTH


@pytest.mark.parametrize(("engine", "workers"), [("sqlite", 1), ("postgres", 2)])
def test_jobs_of_workers_that_are_killed_have_their_effect_exactly_once(
    request: pytest.FixtureRequest, nursery: Nursery, tmp_path: Path, engine: str, workers: int
) -> None:
    url = str(request.getfixturevalue(f"{engine}_url"))
    database = Database(url)
    database.open()
    database.create_all(SQLModel.metadata)
    database.create_all(METADATA)
    database.write_now(_enqueue)
    database.close()
    alive = [_worker(nursery, url, tmp_path) for _ in range(workers)]

    for kill in range(KILLS):
        _wait_for(url, JOBS * (kill + 1) // (KILLS + 2))
        victim = alive.pop(0)
        victim.send_signal(9)
        victim.wait(10)
        alive.append(_worker(nursery, url, tmp_path))
    _wait_for(url, JOBS)
    for worker in alive:
        worker.send_signal(9)
        worker.wait(10)

    database.open()
    effects, distinct, left = database.read_now(_count)
    database.close()
    assert (effects, distinct, left) == (JOBS, JOBS, 0)


def _enqueue(tx: Transaction) -> None:
    for number in range(JOBS):
        jobs.enqueue(tx, KIND, {"number": number}, run_ms=0)


def _worker(nursery: Nursery, url: str, folder: Path) -> Born:
    return nursery.bear("tests.chaos.working", [url], {"PATH": "/usr/bin"}, folder / "worker.log")


def _count(tx: Transaction) -> tuple[int, int, int]:
    effects = tx.execute(select(func.count()).select_from(EFFECT)).scalar_one()
    distinct = tx.execute(select(func.count(func.distinct(EFFECT.c.number)))).scalar_one()
    left = tx.execute(select(func.count()).select_from(JOB).where(JOB.c.kind == KIND)).scalar_one()
    return int(effects), int(distinct), int(left)


def _wait_for(url: str, effects: int) -> None:
    """Until so many effects are there; the counter is a reader of its own, which neither writes nor checkpoints."""
    engine = open_engine(url, DATA, writes=False)
    deadline = time.monotonic() + PATIENCE_S
    found = 0
    while found < effects:
        assert time.monotonic() < deadline, f"{found} of {effects} effects after {PATIENCE_S} s"
        with engine.connect() as connection:
            found = connection.execute(select(func.count()).select_from(EFFECT)).scalar_one()
        time.sleep(0.02)
    engine.dispose()
