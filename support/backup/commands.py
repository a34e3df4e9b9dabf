"""Commands of back-ups: plain functions that say what they do and return an exit code."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core import clock, generation
from core.report import Report
from core.settings import Settings
from support.backup import keys, making, restoring
from support.backup.settling import Settled
from support.house import House, opened

COUNTED = ("what", "count")


async def make(house: House, report: Report, arguments: Mapping[str, Any]) -> int:  # Any: JSON values
    """`folder`: write a back-up of data and media into it."""
    folder = Path(arguments["folder"])
    made = await making.make(house.core, house.media.blobs, folder, report, now=clock.now())
    size = sum(entry.size for entry in made.entries)
    rows = [[name, str(count)] for name, count in made.counts.items()]
    rows += [
        ["files", str(len(made.entries))],
        ["bytes", str(size)],
        ["files erased meanwhile", str(made.missing_files)],
    ]
    report.table(COUNTED, rows)
    report.line(f"Written: {folder}. The keystore is not in it: `aftercare backup keys FILE`, to another place.")
    return 0


async def copy_keys(house: House, report: Report, arguments: Mapping[str, Any]) -> int:  # Any: JSON values
    """`file`: write a copy of the keystore to it, and let the copies go whose time is over."""
    file = Path(arguments["file"])
    over = await keys.copy(house.core, file, now=clock.now())
    days = house.core.policy.days("key_backup")
    report.line(f"Written: {file}. Delete it, and every copy of it, within {days} days. The key folders are not in it.")
    for path in over:
        report.line(f"Older than {days} days, so deleted: {path.name}")
    return 0


async def restore(settings: Settings, folder: Path, report: Report) -> int:
    """Put a back-up in place of the present data; only while no server runs."""
    done = await restoring.restore(settings, folder, report, now=clock.now())
    report.table(COUNTED, done.settled.table)
    made = f"{datetime.fromtimestamp(done.made_ms / 1000, UTC):%Y-%m-%d %H:%M} UTC"
    report.line(
        f"Restored as of {made}. Everybody signs in again, and staff accounts are as they were then: look at them."
    )
    if done.aside is not None:
        report.line(f"The data of before lie in {done.aside.name}; delete them when you no longer need them.")
    return 0


async def settle(settings: Settings, report: Report) -> int:
    """Settle data that were put back by other means, also when they do not look like it; only while no server runs."""
    report.table(COUNTED, (await _settled(settings)).table)
    report.line("Everybody signs in again, and staff accounts are as they were then: look at them.")
    return 0


async def _settled(settings: Settings) -> Settled:
    """What opening the house has done, or does once the data are taken for put back."""
    async with opened(settings) as house:
        if house.settled is not None:
            return house.settled
        await generation.distrust(house.core)
    async with opened(settings) as house:
        assert house.settled is not None, "data that are behind were not settled"
        return house.settled
