"""Commands of keys: plain functions that say what they do and return an exit code."""

from collections.abc import Iterator
from datetime import UTC, datetime

from core import clock
from core.report import Report
from core.services import Core
from core.vault.rotation import KeyDoesNotOpen, Standing
from support.control import Arguments
from support.house import House
from support.keys import rotating

DONE, WRONG = 0, 3


async def rotate(house: House, report: Report, _: Arguments) -> int:
    """Wrap every key under a new epoch and destroy the epoch before the last."""
    core = house.core
    done = await rotating.rotate(core, report, now=clock.now())
    if not done.began_here:
        report.line("An earlier rotation had been interrupted; it is finished now, and no further epoch was made.")
    report.line(f"Epoch {done.current} is current; all {done.keys} keys open under it.")
    for epoch in done.destroyed:
        report.line(f"Destroyed: epoch {epoch}. Copies of the keystore that lie under it are useless from now on.")
    if done.copy is not None:
        report.line(f"Written and tried: {done.copy}.")
    elif core.settings.keystore_url.startswith("sqlite"):
        report.line("A copy of the keystore was tried and deleted. To keep one, set AFTERCARE_KEY_BACKUPS.")
    else:
        report.line("The keystore lies in PostgreSQL: back it up now with its own tools.")
    return DONE


async def status(house: House, report: Report, _: Arguments) -> int:
    """Which epochs there are, since when, and how many keys lie under each."""
    standing = await house.core.vault.rotation.standing()
    report.table(("epoch", "state", "keys"), [list(row) for row in _rows(standing)])
    due = rotating.due_ms(standing, house.core.policy)
    report.line(f"Epoch {standing.current} is current since {_day(standing.since_ms)}; the next is due {_day(due)}.")
    if not standing.is_finished:
        report.line("A rotation was interrupted. Both epochs open; `aftercare keys rotate` finishes it.")
    return DONE


async def verify(house: House, report: Report, _: Arguments) -> int:
    """Open every key and compare its check value."""
    return await _verify(house.core, report)


async def _verify(core: Core, report: Report) -> int:
    try:
        opened = await core.vault.rotation.verify(lambda done, total: report.progress("opened", done, total))
    except KeyDoesNotOpen as found:
        report.line(
            f"The row of data key {found.dek_id} does not open: it was changed. What it sealed is out of reach."
        )
        return WRONG
    report.line(f"All {opened} keys open.")
    return DONE


def _rows(standing: Standing) -> Iterator[tuple[str, str, str]]:
    states = dict.fromkeys(standing.old, "old")
    if standing.previous is not None:
        states[standing.previous] = "previous"
    states[standing.current] = "current"
    if standing.unfinished is not None:
        states[standing.unfinished] = "unfinished"
    for epoch in sorted(states.keys() | standing.keys.keys()):
        yield str(epoch), states.get(epoch, ""), str(standing.keys.get(epoch, 0))


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
