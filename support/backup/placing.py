"""Placing: how staged data take the place of the present ones, so that a stop at any point leaves the old or the new.

Danger. A moment in which there are no data: a server that starts then makes empty ones and nobody notices.

Principle. First everything is staged and synced; then a plan of renames is written down, durably; then it is carried
out; then it is removed. While the plan stands, whoever opens the house carries it out first. Each rename can be
repeated: what has been done is recognised by what is there. Nothing is ever deleted.

Boundary. The plan and its renames are made under the lock of the data.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from core import disk
from core.engines import SideLock, sqlite_path
from core.refusals import Unavailable
from core.settings import Settings

PLAN: Final = "restore.plan"
COMPANIONS: Final = ("", "-wal", "-shm")


class Rename(msgspec.Struct, frozen=True):
    """One step: a file gets another name in the same file system."""

    source: str
    target: str


def staged(settings: Settings) -> Path:
    """Where data lie that are about to be put in place."""
    data = sqlite_path(settings.database_url)
    return data.with_name(f"{data.name}.restoring")


def set_aside(settings: Settings, name: str) -> Path:
    """Where the present data go."""
    data = sqlite_path(settings.database_url)
    return data.with_name(f"{data.name}.before-{name}")


def plan(settings: Settings, name: str) -> None:
    """Write down what is to be renamed; from now on it will be, whatever happens."""
    data, aside = sqlite_path(settings.database_url), set_aside(settings, name)
    present = [(f"{data}{each}", f"{aside}{each}") for each in COMPANIONS if Path(f"{data}{each}").exists()]
    steps = [Rename(*pair) for pair in (*present, (str(staged(settings)), str(data)))]
    disk.write(settings.data / PLAN, msgspec.json.encode(steps))


def finish(settings: Settings) -> bool:
    """Carry out what is written down, if anything is; says whether there was. Raises: Unavailable, while served."""
    if not (settings.data / PLAN).exists():
        return False
    lock = SideLock(settings.database_url)
    lock.take()
    try:
        carry_out(settings)
    finally:
        lock.release()
    return True


def carry_out(settings: Settings) -> None:
    """The same, for whoever holds the lock."""
    written = settings.data / PLAN
    *present, last = msgspec.json.decode(written.read_bytes(), type=list[Rename])
    if Path(last.source).exists():
        _rename(present)
        if Path(last.target).exists():
            raise Unavailable(
                "restore_blocked",
                f"A restore was interrupted, and something has made {last.target} since. Move it away and start again.",
            )
        _rename([last])
    written.unlink()
    disk.sync_folder(settings.data)


def _rename(steps: Sequence[Rename]) -> None:
    for step in steps:
        source, target = Path(step.source), Path(step.target)
        if source.exists() and not target.exists():
            disk.move(source, target)
