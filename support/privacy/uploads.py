"""Uploads that were never sent: they go within the hour, brake or not, because nobody can miss them; unless held."""

from collections.abc import Sequence

from core.database import Transaction
from core.holdings import Holding
from core.services import Core
from media import sweeping
from support.privacy import ending, keeping
from support.privacy.ending import Chosen

HOLDING = "attachments"
ROUND = 200


async def sweep(core: Core, holdings: Sequence[Holding], *, now: int) -> int:
    """End what no message can claim any more; return how many uploads it was."""
    swept = 0

    def choose(tx: Transaction) -> Chosen:
        spared = keeping.kept(tx, holdings, core.policy)
        found = sweeping.unclaimed(tx, now=now, limit=ROUND + len(spared))
        return {HOLDING: [ref for ref in found if ref.id not in spared][:ROUND]}

    while True:
        doomed, _ = await ending.end(core, holdings, choose, reason="R-4.2.1", now=now)
        if not doomed.objects:
            return swept
        swept += doomed.objects
