"""The schedule: which jobs there are and which come again by themselves."""

import structlog

from core import clock, generation, mail
from core.identity import tidying
from core.jobs import Handler, Job
from core.policy import Policy
from core.refusals import Conflict
from core.report import Collected
from media import sweeping
from support.admin import reviews
from support.house import House
from support.incidents import incidents
from support.policy import notices
from support.privacy import commands as privacy

log = structlog.get_logger("schedule")

RETENTION = "privacy.retention"
CHECKPOINT = "ledger.checkpoint"
MEDIA = "media.sweep"
GENERATION = "data.generation"


def every(policy: Policy) -> dict[str, int]:
    """Which jobs come again, with their period in milliseconds."""
    return {
        tidying.JOB: tidying.EVERY_MS,
        notices.JOB: notices.EVERY_MS,
        reviews.JOB: reviews.EVERY_MS,
        incidents.JOB: incidents.EVERY_MS,
        MEDIA: clock.HOUR,
        GENERATION: clock.MINUTE,
        CHECKPOINT: clock.HOUR,
        RETENTION: policy.span_ms("sweep"),
    }


def handlers(house: House) -> dict[str, Handler]:
    """What carries out each kind of job."""

    async def sweep_media(_: Job) -> None:
        await sweeping.sweep(house.media, now=clock.now())

    async def sign_ledger(_: Job) -> None:
        await privacy.checkpoint(house.core, Collected())

    async def go_on(_: Job) -> None:
        await generation.advance(house.core)

    async def retain(_: Job) -> None:
        """A brake stops the sweep for a person to look at, and is in the ledger; it is no fault of the job."""
        try:
            await privacy.run(house.core, house.holdings, Collected())
        except Conflict as braked:
            log.warning("retention_stopped", code=braked.code)

    return {
        **mail.handlers(house.core),
        **tidying.handlers(house.core),
        **notices.handlers(house.core),
        **reviews.handlers(house.core),
        **incidents.handlers(house.core),
        MEDIA: sweep_media,
        GENERATION: go_on,
        CHECKPOINT: sign_ledger,
        RETENTION: retain,
    }
