"""The schedule: which jobs there are and which come again by themselves."""

import structlog

from core import clock, generation, mail
from core.identity import tidying
from core.jobs import Handler, Job
from core.policy import Policy
from core.refusals import Conflict
from core.report import Collected
from media import sweeping
from support.house import House
from support.keys import rotating
from support.mydata import archives, deletions
from support.privacy import commands as privacy
from support.rights import ringing

log = structlog.get_logger("schedule")

RETENTION = "privacy.retention"
CHECKPOINT = "ledger.checkpoint"
MEDIA = "media.sweep"
GENERATION = "data.generation"
ROTATION = "keys.rotation"


def every(policy: Policy) -> dict[str, int]:
    """Which jobs come again, with their period in milliseconds."""
    return {
        tidying.JOB: tidying.EVERY_MS,
        MEDIA: clock.HOUR,
        GENERATION: clock.MINUTE,
        CHECKPOINT: clock.HOUR,
        ROTATION: clock.HOUR,
        RETENTION: policy.span_ms("sweep"),
        ringing.JOB: clock.HOUR,
    }


def handlers(house: House) -> dict[str, Handler]:
    """What carries out each kind of job."""

    async def sweep_media(_: Job) -> None:
        await sweeping.sweep(house.media, others=[archives.named], now=clock.now())

    async def make_copy(job: Job) -> None:
        await archives.make(house.media, house.holdings, str(job.payload["archive"]), now=clock.now())

    async def delete(job: Job) -> None:
        await deletions.carry_out(house.core, house.holdings, str(job.payload["deletion"]), now=clock.now())

    async def sign_ledger(_: Job) -> None:
        await privacy.checkpoint(house.core, Collected())

    async def go_on(_: Job) -> None:
        await generation.advance(house.core)

    async def ring(_: Job) -> None:
        await ringing.ring(house.core, now=clock.now())

    async def retain(_: Job) -> None:
        """A brake stops the sweep for a person to look at, and is in the ledger; it is no fault of the job."""
        try:
            await privacy.run(house.core, house.holdings, Collected())
        except Conflict as braked:
            log.warning("retention_stopped", code=braked.code)

    async def rotate(_: Job) -> None:
        """Looks every hour whether the week is over; keys that cannot be changed, or do not open, wait for a person."""
        try:
            await rotating.rotate_if_due(house.core, Collected(), now=clock.now())
        except Conflict as stopped:
            log.warning("rotation_stopped", code=stopped.code)

    return {
        **mail.handlers(house.core),
        **tidying.handlers(house.core),
        MEDIA: sweep_media,
        archives.JOB: make_copy,
        deletions.JOB: delete,
        GENERATION: go_on,
        CHECKPOINT: sign_ledger,
        ROTATION: rotate,
        RETENTION: retain,
        ringing.JOB: ring,
    }
