"""The schedule: which jobs there are and which come again by themselves."""

import structlog

from core import clock, generation, mail
from core.identity import tidying
from core.identity.callers import SYSTEM
from core.jobs import Handler, Job
from core.policy import Policy
from core.refusals import Conflict
from core.report import Collected
from media import sweeping
from support.disclosure import cases as disclosures
from support.house import House
from support.privacy import commands as privacy
from support.privacy import confirming, holds, releasing, uploads

log = structlog.get_logger("schedule")

RETENTION = "privacy.retention"
CHECKPOINT = "ledger.checkpoint"
MEDIA = "media.sweep"
GENERATION = "data.generation"


def every(policy: Policy) -> dict[str, int]:
    """Which jobs come again, with their period in milliseconds."""
    return {
        tidying.JOB: tidying.EVERY_MS,
        MEDIA: clock.HOUR,
        GENERATION: clock.MINUTE,
        CHECKPOINT: clock.HOUR,
        RETENTION: policy.span_ms("sweep"),
    }


def handlers(house: House) -> dict[str, Handler]:
    """What carries out each kind of job."""

    async def sweep_media(_: Job) -> None:
        await uploads.sweep(house.core, house.holdings, now=clock.now())
        await sweeping.sweep(house.media, now=clock.now())

    async def sign_ledger(_: Job) -> None:
        await privacy.checkpoint(house.core, Collected())

    async def go_on(_: Job) -> None:
        await generation.advance(house.core)

    async def retain(_: Job) -> None:
        """A brake stops the sweep for a person to look at, and is in the ledger; it is no fault of the job."""
        try:
            await holds.note(house.core)
            await privacy.run(house.core, house.holdings, Collected())
        except Conflict as braked:
            log.warning("retention_stopped", code=braked.code)

    async def go_on_released(job: Job) -> None:
        await releasing.go_on(house.core, house.holdings, str(job.payload["hold"]), now=clock.now())

    async def retain_confirmed(job: Job) -> None:
        await confirming.carry_out(house.core, house.holdings, job, now=clock.now())

    async def report_unapproved(job: Job) -> None:
        verb, case = disclosures.report_unapproved, str(job.payload["case"])
        await house.core.database.write(verb, house.core, SYSTEM, case, now=clock.now())

    return {
        **mail.handlers(house.core),
        **tidying.handlers(house.core),
        MEDIA: sweep_media,
        GENERATION: go_on,
        CHECKPOINT: sign_ledger,
        RETENTION: retain,
        holds.RELEASED: go_on_released,
        confirming.JOB: retain_confirmed,
        disclosures.UNAPPROVED: report_unapproved,
    }
