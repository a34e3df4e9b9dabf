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
from support.admin import reviews
from support.disclosure import cases as disclosures
from support.house import House
from support.incidents import incidents
from support.keys import rotating
from support.mydata import archives, deletions
from support.policy import notices
from support.privacy import commands as privacy
from support.privacy import confirming, holds, releasing, uploads
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
        notices.JOB: notices.EVERY_MS,
        reviews.JOB: reviews.EVERY_MS,
        incidents.JOB: incidents.EVERY_MS,
        MEDIA: clock.HOUR,
        GENERATION: clock.MINUTE,
        CHECKPOINT: clock.HOUR,
        ROTATION: clock.HOUR,
        RETENTION: policy.span_ms("sweep"),
        ringing.JOB: clock.HOUR,
    }


def handlers(house: House) -> dict[str, Handler]:
    """What carries out each kind of job."""
    return {
        **mail.handlers(house.core),
        **tidying.handlers(house.core),
        **notices.handlers(house.core),
        **reviews.handlers(house.core),
        **incidents.handlers(house.core),
        **_upkeep(house),
        **_retention(house),
        **_rights(house),
    }


def _upkeep(house: House) -> dict[str, Handler]:
    """What the stores ask for."""

    async def sweep_media(_: Job) -> None:
        await holds.note(house.core)
        await uploads.sweep(house.core, house.holdings, now=clock.now())
        await sweeping.sweep(house.media, others=[archives.named], now=clock.now())

    async def sign_ledger(_: Job) -> None:
        await privacy.checkpoint(house.core, Collected())

    async def go_on(_: Job) -> None:
        await generation.advance(house.core)

    async def rotate(_: Job) -> None:
        """Looks every hour whether the week is over; keys that cannot be changed, or do not open, wait for a person."""
        try:
            await rotating.rotate_if_due(house.core, Collected(), now=clock.now())
        except Conflict as stopped:
            log.warning("rotation_stopped", code=stopped.code)

    return {MEDIA: sweep_media, CHECKPOINT: sign_ledger, GENERATION: go_on, ROTATION: rotate}


def _retention(house: House) -> dict[str, Handler]:
    """What goes because its time is over, and what a lifted hold sets free."""

    async def retain(_: Job) -> None:
        """A brake stops the sweep for a person to look at, and is in the ledger; it is no fault of the job."""
        try:
            await privacy.run(house.core, house.holdings, Collected())
        except Conflict as braked:
            log.warning("retention_stopped", code=braked.code)

    async def retain_confirmed(job: Job) -> None:
        await confirming.carry_out(house.core, house.holdings, job, now=clock.now())

    async def go_on_released(job: Job) -> None:
        await releasing.go_on(house.core, house.holdings, str(job.payload["hold"]), now=clock.now())

    return {RETENTION: retain, confirming.JOB: retain_confirmed, holds.RELEASED: go_on_released}


def _rights(house: House) -> dict[str, Handler]:
    """What people asked for about their own data, and what is told about them."""

    async def make_copy(job: Job) -> None:
        await archives.make(house.media, house.holdings, str(job.payload["archive"]), now=clock.now())

    async def delete(job: Job) -> None:
        await deletions.carry_out(house.core, house.holdings, str(job.payload["deletion"]), now=clock.now())

    async def ring(_: Job) -> None:
        await ringing.ring(house.core, now=clock.now())
        await house.core.database.write(deletions.revive, now=clock.now())

    async def report_unapproved(job: Job) -> None:
        verb, case = disclosures.report_unapproved, str(job.payload["case"])
        await house.core.database.write(verb, house.core, SYSTEM, case, now=clock.now())

    return {
        archives.JOB: make_copy,
        deletions.JOB: delete,
        ringing.JOB: ring,
        disclosures.UNAPPROVED: report_unapproved,
    }
