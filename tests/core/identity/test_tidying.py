"""Tidying: what is over goes by itself, and what is not stays."""

from sqlmodel import SQLModel, func, select

from core import jobs
from core.clock import DAY, HOUR
from core.identity import codes, first_administrator, signins, tidying
from core.identity.codes import Asker, CodePurpose
from core.identity.signins import Holder
from core.services import Core

NOW = 1_795_000_000_000
TABLES = ("login_code", "sign_in", "first_administrator", "letter")


async def rows(core: Core) -> list[int]:
    tables = [SQLModel.metadata.tables[name] for name in TABLES]
    return await core.database.read(
        lambda tx: [tx.execute(select(func.count()).select_from(table)).scalar_one() for table in tables]
    )


async def fill(core: Core, *, now: int) -> None:
    await core.database.write(codes.issue, core, "anna@example.com", Asker("n"), CodePurpose.LOGIN, now=now)
    await core.database.write(signins.start, core.hub, Holder("staff", "mei", "password_totp"), now=now)
    await core.database.write(first_administrator.offer, now=now)


async def test_what_has_ended_by_itself_is_deleted(core: Core) -> None:
    await fill(core, now=NOW)

    await core.database.write(tidying.tidy, now=NOW)
    before = await rows(core)
    await core.database.write(tidying.tidy, now=NOW + DAY)

    assert before == [1, 1, 1, 1]
    assert await rows(core) == [0, 0, 0, 0]


async def test_the_job_comes_again_by_itself(core: Core) -> None:
    runner = jobs.Runner(core, tidying.handlers(core), {tidying.JOB: tidying.EVERY_MS})

    handled = [await runner.run_due(NOW + number * HOUR) for number in range(2)]

    assert handled == [1, 1]
