"""Work is done at least once, by one worker at a time, and its effect stands exactly once."""

import asyncio

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select, update

from core import jobs
from core.clock import HOUR, MINUTE, SECOND
from core.database import Database, Transaction
from core.jobs import JOB, Job, LeaseLost, Runner
from core.refusals import Invalid
from core.services import Core

NOW = 1_795_500_000_000
METADATA = MetaData()
EFFECT = Table("job_effect_under_test", METADATA, Column("id", Integer, primary_key=True), Column("job", String))


@pytest.fixture(autouse=True)
def effects_are_counted(database: Database) -> None:
    """A table of this test's own, for what the jobs do."""
    database.create_all(METADATA)


def queue(core: Core, kind: str = "greet", count: int = 1, *, run_ms: int = NOW) -> None:
    def all_of_them(tx: Transaction) -> None:
        for number in range(count):
            jobs.enqueue(tx, kind, {"number": number}, run_ms=run_ms)

    core.database.write_now(all_of_them)


def rows(core: Core) -> list[dict[str, object]]:
    return [dict(row) for row in core.database.read_now(lambda tx: tx.execute(select(JOB)).mappings().all())]


def effects(core: Core) -> int:
    return core.database.read_now(lambda tx: int(tx.execute(select(func.count()).select_from(EFFECT)).scalar_one()))


def make_effect(tx: Transaction, job: Job) -> None:
    tx.execute(insert(EFFECT).values(job=job.id))
    jobs.finish(tx, job)


@pytest.mark.both_engines
async def test_work_is_done_when_it_is_due_and_then_gone(core: Core) -> None:
    seen: list[int] = []

    async def greet(job: Job) -> None:
        seen.append(job.payload["number"])

    queue(core, count=10)
    queue(core, run_ms=NOW + HOUR)

    handled = await Runner(core, {"greet": greet}).run_due(NOW)

    assert handled == 10
    assert sorted(seen) == list(range(10))
    assert [row["run_ms"] for row in rows(core)] == [NOW + HOUR]


@pytest.mark.both_engines
async def test_two_workers_never_make_one_effect_twice(core: Core) -> None:
    queue(core, count=30)

    async def act(job: Job) -> None:
        await core.database.write_in(hash(job.id), make_effect, job)

    workers = [Runner(core, {"greet": act}) for _ in range(3)]
    await asyncio.gather(*(worker.run_due(NOW) for worker in workers))

    assert effects(core) == 30
    assert rows(core) == []


@pytest.mark.both_engines
async def test_a_worker_that_lost_its_lease_cannot_make_its_effect(core: Core) -> None:
    queue(core)

    async def overtaken(job: Job) -> None:
        later = update(JOB).values(attempts=JOB.c.attempts + 1)  # another worker claimed it meanwhile
        await core.database.write(lambda tx: tx.execute(later))
        with pytest.raises(LeaseLost):
            await core.database.write(make_effect, job)

    await Runner(core, {"greet": overtaken}).run_due(NOW)

    assert effects(core) == 0
    assert len(rows(core)) == 1


@pytest.mark.both_engines
async def test_a_job_of_a_worker_that_died_is_taken_over_when_its_lease_ends(core: Core) -> None:
    queue(core)
    done: list[int] = []

    async def act(job: Job) -> None:
        done.append(job.attempts)

    core.database.write_now(lambda tx: jobs._claim(tx, ["greet"], now=NOW))  # and the worker is never seen again
    runner = Runner(core, {"greet": act})

    too_early = await runner.run_due(NOW + MINUTE - SECOND)
    taken = await runner.run_due(NOW + MINUTE)

    assert (too_early, taken, done) == (0, 1, [2])


async def test_a_failure_waits_longer_each_time_and_at_last_dies(core: Core) -> None:
    queue(core)
    tries: list[int] = []

    async def fail(job: Job) -> None:
        tries.append(job.attempts)
        raise Invalid("no_luck", "Never mind.")

    runner, now, delays = Runner(core, {"greet": fail}), NOW, []
    for _ in range(jobs.MOST_ATTEMPTS):
        await runner.run_due(now)
        due = int(str(rows(core)[0]["run_ms"]))
        delays.append(due - now)
        now = due
    await runner.run_due(now + HOUR)

    assert delays[:4] == [5 * SECOND, 10 * SECOND, 20 * SECOND, 40 * SECOND]
    assert max(delays) == HOUR
    assert len(tries) == jobs.MOST_ATTEMPTS
    assert rows(core)[0]["dead_ms"] is not None
    assert rows(core)[0]["error"] == "no_luck"


async def test_a_failure_takes_no_other_job_with_it(core: Core) -> None:
    queue(core, "bad")
    queue(core, "good")
    done: list[str] = []

    async def bad(_: Job) -> None:
        raise RuntimeError("secret words")

    async def good(job: Job) -> None:
        done.append(job.kind)

    await Runner(core, {"bad": bad, "good": good}).run_due(NOW)

    assert done == ["good"]
    assert [row["error"] for row in rows(core)] == ["RuntimeError"]


async def test_waiting_work_with_the_same_key_is_not_queued_twice(core: Core) -> None:
    first = await core.database.write(jobs.enqueue, "mail", {"letter": "l1"}, run_ms=NOW, key="l1")
    second = await core.database.write(jobs.enqueue, "mail", {"letter": "l1"}, run_ms=NOW, key="l1")

    assert first == second
    assert len(rows(core)) == 1


@pytest.mark.clause("3(1)")
@pytest.mark.parametrize("words", ["ann@example.com", "Hello Ann", "王小明"])
async def test_a_payload_is_ids_and_codes_only(core: Core, words: str) -> None:
    with pytest.raises(ValueError, match="ids and codes only"):
        await core.database.write(jobs.enqueue, "mail", {"to": words}, run_ms=NOW)

    assert rows(core) == []


@pytest.mark.both_engines
async def test_periodic_work_comes_again_and_failing_does_not_end_it(core: Core) -> None:
    turns: list[int] = []

    async def sweep(_: Job) -> None:
        turns.append(1)
        if len(turns) == 2:
            raise RuntimeError

    runner = Runner(core, {"sweep": sweep}, every={"sweep": MINUTE})

    for after in (0, SECOND, MINUTE, MINUTE + 5 * SECOND, 3 * MINUTE):
        await runner.run_due(NOW + after)

    assert len(turns) == 4
    assert [row["run_ms"] for row in rows(core)] == [NOW + 4 * MINUTE]


@pytest.mark.both_engines
async def test_running_for_ever_ends_when_told_to(core: Core) -> None:
    stop = asyncio.Event()
    done = asyncio.Event()

    async def act(_: Job) -> None:
        done.set()
        stop.set()

    queue(core, run_ms=0)
    await asyncio.wait_for(Runner(core, {"greet": act}).run_forever(stop), 10)

    assert done.is_set()
    assert rows(core) == []
