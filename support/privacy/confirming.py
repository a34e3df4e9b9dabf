"""Confirming: an officer's word that a sweep which the brake has stopped may go on after all (clause 4(2)1).

Danger. A word given for a hundred objects that carries a hundred thousand, because the clock jumped in between.

Principle. The word is for what she saw: it names how many objects and where she has written down why, and a sweep
that has grown past it stops again.

Boundary. Her word, its ledger entry and the job are one transaction; the sweep is the job's.
"""

from collections.abc import Sequence
from typing import Final

from core import jobs, ledger
from core.database import Transaction
from core.holdings import Holding
from core.identity import permissions
from core.identity.callers import Caller, Role
from core.identity.permissions import Operation, Resource
from core.jobs import Job
from core.refusals import Conflict, Invalid
from core.report import Collected
from core.services import Core
from support.privacy import retention
from support.privacy.ending import Ended

JOB: Final = "privacy.confirmed_sweep"
SLACK_PERCENT: Final = 10


def confirm(tx: Transaction, caller: Caller, objects: int, reference: str, *, now: int) -> None:
    """Let a sweep of about so many objects go on. Raises: NotFound for everybody but an officer; Invalid, Conflict."""
    permissions.require(caller, Operation.APPROVE_ERASURE, Resource("retention", "all"))
    if not reference:
        raise Invalid("reference", "Write down why this is right, and give the number of that note.")
    if objects < 1:
        raise Conflict("nothing_due", "Nothing is due any more.")
    about = ("retention", "all")
    result = f"objects-{objects}"
    ledger.append(tx, caller=caller, action="retention.confirm", object=about, reason=reference, result=result, now=now)
    jobs.enqueue(tx, JOB, {"by": caller.id, "objects": objects, "reference": reference}, run_ms=now, key="confirmed")


async def carry_out(core: Core, holdings: Sequence[Holding], job: Job, *, now: int) -> Ended:
    """Sweep as the officer said. Raises: Conflict, when it has become more than she confirmed."""
    officer = Caller("staff", str(job.payload["by"]), role=Role.PRIVACY_OFFICER, proof="password_totp")
    planned = await core.database.read(retention.plan, holdings, core.policy, now=now)
    is_as_seen = planned.total * 100 <= int(job.payload["objects"]) * (100 + SLACK_PERCENT)
    reference = str(job.payload["reference"])
    try:
        return await retention.run(
            core, holdings, Collected(), caller=officer, confirmed=is_as_seen, reference=reference, now=now
        )
    except Conflict as stopped:
        if stopped.code != "brake":
            raise
        return Ended()
