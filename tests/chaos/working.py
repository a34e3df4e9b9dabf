"""A worker to be killed: `python -m tests.chaos.working DATABASE_URL` handles jobs whose effect is a row.

Its leases are short, so that what a dead worker held is taken over in the time of a test.
"""

import asyncio
import sys
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Column, Integer, MetaData, String, Table, insert

from core import jobs
from core.database import Database, Transaction
from core.jobs import Job, Runner
from core.services import Core
from tests.chaos.patching import exchange

KIND = "chaos.effect"
METADATA = MetaData()
EFFECT = Table(
    "chaos_effect", METADATA, Column("id", Integer, primary_key=True), Column("job", String), Column("number", Integer)
)
LEASE_MS = 1_500


def make_effect(tx: Transaction, job: Job) -> None:
    """The effect and the end of the job, in one transaction."""
    tx.execute(insert(EFFECT).values(job=job.id, number=job.payload["number"]))
    jobs.finish(tx, job)


async def work(url: str) -> None:
    """Until somebody kills us."""
    exchange(jobs, "LEASE_MS", LEASE_MS)
    exchange(jobs, "POLL_SECONDS", 0.05)
    database = Database(url)
    database.open()
    core = cast(Core, SimpleNamespace(database=database))  # a runner asks for nothing else

    async def act(job: Job) -> None:
        await asyncio.sleep(0.005)  # so that a kill finds jobs that are claimed and not done
        await database.write(make_effect, job)

    handlers: dict[str, Any] = {KIND: act}  # Any: a handler
    print("working", flush=True)  # noqa: T201  (the test waits for it)
    await Runner(core, handlers).run_forever(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
