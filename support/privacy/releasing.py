"""Releasing: what a hold had deferred goes on when it is lifted, without anybody having to ask again (clause 5(2)4)."""

from collections.abc import Sequence

from core.database import Transaction
from core.holdings import Holding
from core.services import Core
from support.privacy import erasure, holds, retention
from support.privacy.ending import Ended
from support.privacy.models import Hold


async def go_on(core: Core, holdings: Sequence[Holding], hold_id: str, *, now: int) -> Ended:
    """Take up the erasures that were asked for meanwhile, then end what has expired; repeating it is harmless."""
    await holds.note(core)
    hold = await core.database.read(_hold, hold_id)
    if hold is None or hold.released_ms is None:
        return Ended()
    await erasure.resume(core, holdings, now=now)
    return await retention.finish_released(core, holdings, hold, now=now)


def _hold(tx: Transaction, hold_id: str) -> Hold | None:
    hold = tx.session.get(Hold, hold_id)
    if hold is not None:
        tx.session.expunge(hold)
    return hold
