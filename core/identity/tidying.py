"""Tidying: an hourly job deletes codes, sign-ins, waits and letters whose time is over."""

from core import clock, jobs, mail
from core.database import Transaction
from core.identity import attempts, codes, first_administrator, signins
from core.services import Core

JOB = "identity.tidy"
EVERY_MS = clock.HOUR


def handlers(core: Core) -> dict[str, jobs.Handler]:
    """What the runner of jobs calls; let `JOB` come again every `EVERY_MS`."""

    async def run(_: jobs.Job) -> None:
        await core.database.write(tidy, now=clock.now())

    return {JOB: run}


def tidy(tx: Transaction, *, now: int) -> None:
    """Delete everything of this room that has ended by itself."""
    codes.sweep(tx, now=now)
    signins.sweep(tx, now=now)
    attempts.sweep(tx, now=now)
    first_administrator.sweep(tx, now=now)
    mail.sweep(tx, now=now)
