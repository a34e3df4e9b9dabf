"""Rotating: the steps of a rotation in their order, with the ledger's account of each.

Danger. An epoch destroyed before the keys under its successor have proved that they open; a rotation that somebody
begins while another runs; an operator who rotates twice in an hour and makes last week's copies of the keystore
useless without knowing it.

Principle. Create, wrap anew, open every row, copy the keystore, open every row of the copy; only then call the epoch
current and destroy what is older than the one before it. Whatever fails stops everything and leaves two epochs that
open. The next attempt finishes what an earlier one began and makes no further epoch (clause 5(1)3).

Boundary. The ledger says that something begins before it does, in the data's own transaction. One rotation runs at a
time; should two run all the same (a lost connection), each step is safe beside the other's.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core import clock, ledger, turns
from core.database import Transaction
from core.identity.callers import SYSTEM
from core.policy import Policy
from core.refusals import Conflict
from core.report import Report
from core.services import Core
from core.vault.rotation import KeyDoesNotOpen, Standing
from support.backup import keys

REASON: Final = "R-5.1.3c"
TURN: Final = "rotation"
SLACK_MS: Final = 6 * clock.HOUR


@dataclass(frozen=True)
class Rotated:
    """What a rotation has done; `began_here` is false when it finished an earlier one."""

    current: int
    began_here: bool
    keys: int
    copy: Path | None
    destroyed: tuple[int, ...]


async def rotate(core: Core, report: Report, *, now: int) -> Rotated:
    """Rotate, or finish the rotation that was interrupted. Raises: Conflict, KeyUnavailable."""
    async with core.vault.rotating, turns.taken_in_turn(core.database, TURN):
        return await _rotate(core, report, await core.vault.rotation.standing(), now=now)


async def rotate_if_due(core: Core, report: Report, *, now: int) -> Rotated | None:
    """Rotate when the current epoch has had its week or an earlier rotation is not finished."""
    async with core.vault.rotating, turns.taken_in_turn(core.database, TURN):
        standing = await core.vault.rotation.standing()
        if standing.is_finished and now < due_ms(standing, core.policy):
            return None
        return await _rotate(core, report, standing, now=now)


def due_ms(standing: Standing, policy: Policy) -> int:
    """When the next rotation is due: two epochs together must not outlast the period of copies of the keystore."""
    return standing.since_ms + policy.days("key_backup") * clock.DAY // 2 - SLACK_MS


async def _rotate(core: Core, report: Report, standing: Standing, *, now: int) -> Rotated:
    rotation = core.vault.rotation
    begins = standing.is_finished
    if begins:
        await _note(core, "keys.rotate", standing.current, "begins", now)
        target = await asyncio.to_thread(rotation.create, standing.current)
    else:
        target = standing.unfinished or standing.current
    try:
        await rotation.rewrap(target, lambda done, total: report.progress("wrapped anew", done, total))
        opened = await rotation.verify(lambda done, total: report.progress("opened", done, total))
        copy = await _copy(core, now=now)
    except KeyDoesNotOpen as found:
        await _note(core, "keys.rotate", target, "stopped", now)
        raise Conflict(
            "key_does_not_open",
            f"The row of data key {found.dek_id} in the keystore does not open: it was changed. Nothing was destroyed, "
            "and both epochs open. Put back the newest copy of the keystore in which `aftercare keys verify` finds "
            "nothing, then rotate again.",
        ) from None
    await rotation.mark(target, now=now)
    await _note(core, "keys.rotate", target, f"keys-{opened}", now)
    standing = await rotation.standing()
    if standing.previous is not None and not standing.is_retired:
        await rotation.rewrap(target, lambda _, __: None)  # what others wrapped under it while it was the youngest
        await rotation.retire(standing.previous, now=now)
    destroyed = [epoch for epoch in standing.old if await _destroy(core, epoch, now=now)]
    return Rotated(target, begins, opened, copy, tuple(destroyed))


async def _copy(core: Core, *, now: int) -> Path | None:
    """Copy the keystore and open every key in the copy; returns the copy when it is to be kept."""
    vault, settings = core.vault, core.settings
    if not settings.keystore_url.startswith("sqlite"):
        return None
    if settings.key_backups is not None:
        file = settings.key_backups / f"{datetime.fromtimestamp(now / 1000, UTC):%Y%m%d-%H%M%S}-{now % 1000:03}.keys"
        await keys.copy(core, file, now=now)
        await asyncio.to_thread(vault.rotation.verify_copy, file)
        return file
    await vault.rotation.try_copy()
    return None


async def _destroy(core: Core, epoch: int, *, now: int) -> bool:
    rotation = core.vault.rotation
    await _note(core, "keys.destroy", epoch, "begins", now)
    await rotation.retire(epoch, now=now)
    receipt = await rotation.destroy(epoch)
    await _note(core, "keys.destroy", epoch, "ok" if receipt.is_destroyed else "kept", now)
    core.vault.tell_rotated(epoch)
    return receipt.is_destroyed


async def _note(core: Core, action: str, epoch: int, result: str, now: int) -> None:
    def append(tx: Transaction) -> None:
        about = ("epoch", str(epoch))
        ledger.append(tx, caller=SYSTEM, action=action, object=about, reason=REASON, result=result, now=now)

    await core.database.write(append)
