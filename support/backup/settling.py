"""Settling: what must be true of data that were put back before anybody is served from them.

Danger. Restored data say that erased people are still here, that ended sign-ins are good, that letters of last week are
to be sent, and that every log goes where it went then.

Principle. The keystore is newer and is believed. Every hold is first brought back to how it stands now; then whatever
lost its key is erased again, by the same walk over the holdings as an erasure. Every log gets another epoch, so that
no client takes new numbers for old; everybody signs in again; letters are dropped, for each was sent or is out of
date, and other work that had not been done is set aside for a person to look at, because nobody knows what became of
it. What expired meanwhile is hidden by its own times.

Boundary. This runs when a house is opened whose data are behind their generation (core.generation), whichever way they
were put back, and before anything is served. Each step can be repeated. The last one is a single transaction: epochs,
sign-ins, work, the ledger's account of the gap, and the generation that ends it. A stop before it begins all anew.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import structlog

from chat import epochs, owners
from core import clock, generation, jobs, ledger, mail
from core.database import Transaction
from core.holdings import Holding, Ref
from core.identity import codes, signins
from core.identity.callers import SYSTEM
from core.services import Core
from core.vault.rows import Anchor, Tombstone
from media.uploads import Media
from support.privacy import ending, erasure, holds
from support.privacy.ending import Chosen, Ended

log = structlog.get_logger(__name__)

REASON = "R-5.1.3c"
STONES = 500


@dataclass(frozen=True)
class Settled:
    """What was done to restored data."""

    erased: Ended = field(default_factory=Ended)
    owners: int = 0
    holds: int = 0
    logs: int = 0
    sign_ins: int = 0
    letters: int = 0
    jobs: int = 0
    entries_kept: int = 0
    entries_lost: int = 0

    @property
    def code(self) -> str:
        """For the ledger."""
        counts = (self.logs, self.erased.objects, self.sign_ins, self.letters, self.jobs)
        return "logs-{}.erased-{}.signins-{}.letters-{}.jobs-{}".format(*counts)

    @property
    def table(self) -> list[list[str]]:
        """For an operator."""
        return [
            ["objects erased again", str(self.erased.objects)],
            ["rows erased again", str(self.erased.rows)],
            ["files erased again", str(self.erased.files)],
            ["conversations given to whom their key belongs", str(self.owners)],
            ["holds brought back or lifted", str(self.holds)],
            ["logs with a new epoch", str(self.logs)],
            ["sign-ins ended", str(self.sign_ins)],
            ["letters dropped", str(self.letters)],
            ["jobs set aside", str(self.jobs)],
            ["ledger entries kept", str(self.entries_kept)],
            ["ledger entries lost", str(self.entries_lost)],
        ]


async def settle_if_behind(core: Core, media: Media, holdings: Sequence[Holding]) -> Settled | None:
    """Finish a restore if these data are one; returns what was done."""
    anchor = await generation.missed(core)
    if anchor is None:
        return None
    settled = await _settle(core, media, holdings, anchor, now=clock.now())
    log.warning("restored_data_settled", count=settled.erased.objects)
    return settled


async def _settle(core: Core, media: Media, holdings: Sequence[Holding], anchor: Anchor, *, now: int) -> Settled:
    changed = await owners.follow_keys(core, media)
    held = await holds.replay(core)
    erased = await _bury(core, holdings, now=now)
    settled = Settled(erased=erased, owners=changed, holds=held)
    settled, reached = await core.database.write(_close, core, settled, anchor, now=now)
    await core.vault.remember(reached)
    return settled


async def _bury(core: Core, holdings: Sequence[Holding], *, now: int) -> Ended:
    """Erase whatever has lost its key, and all that belonged to a person who has lost hers."""
    stones = await core.vault.tombstones()
    erased = Ended()
    for start in range(0, len(stones), STONES):
        some = stones[start : start + STONES]

        def choose(tx: Transaction, some: Sequence[Tombstone] = some) -> Chosen:
            return _without_key(tx, core, holdings, some)

        if any((await core.database.read(choose)).values()):
            doomed, ended = await ending.end(core, holdings, choose, reason=REASON, now=now)
            erased += ended
            left = await core.database.read(choose)
            held = {ref for refs in doomed.spared.values() for ref in refs}
            assert held >= {ref for refs in left.values() for ref in refs}, "what has no key was not erased"
    return erased


def _without_key(tx: Transaction, core: Core, holdings: Sequence[Holding], stones: Sequence[Tombstone]) -> Chosen:
    chosen: dict[str, list[Ref]] = {holding.name: [] for holding in holdings}
    for holding in holdings:
        for ref in _buried(tx, holding, stones):
            chosen[holding.name].append(ref)
            for other, refs in erasure.wanted(tx, holdings, core.policy, f"{ref.kind}:{ref.id}").items():
                chosen[other] += refs
    return chosen


def _buried(tx: Transaction, holding: Holding, stones: Sequence[Tombstone]) -> list[Ref]:
    """The objects of this holding whose own key is among the destroyed; a key's scope is its object's id."""
    destroyed = {stone.dek_id for stone in stones}
    refs = [Ref(kind, stone.scope) for kind in holding.kinds for stone in stones]
    if not destroyed & set(holding.keys(tx, refs)):
        return []
    return [ref for ref in refs if destroyed & set(holding.keys(tx, [ref]))]


def _close(tx: Transaction, core: Core, settled: Settled, anchor: Anchor, *, now: int) -> tuple[Settled, Anchor]:
    lost = (anchor.ledger_seq, anchor.ledger_hash)
    kept, missing = ledger.note_gap(tx, SYSTEM, lost, reason=REASON, now=now)
    settled = replace(
        settled,
        logs=epochs.renew_all(tx),
        sign_ins=signins.end_everyone(tx, core.hub),
        letters=mail.drop_all(tx),
        jobs=jobs.set_aside(tx, now=now),
        entries_kept=kept,
        entries_lost=missing,
    )
    codes.drop_all(tx)
    about = ("generation", str(anchor.number))
    ledger.append(tx, caller=SYSTEM, action="data.restored", object=about, reason=REASON, result=settled.code, now=now)
    number = anchor.number + 1
    generation.reach(tx, number)
    return settled, Anchor(number, now, *ledger.end(tx))
