"""The doctor: looks at keys, database, versions, disk and settings, and says what to mend."""

import platform
import shutil
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import text

from core import clock, ledger
from core.database import Transaction
from core.report import Report
from core.settings import Settings
from support.house import House
from support.keys import rotating

FIXED_SQLITE = (3, 51, 3)
LOW_DISK_BYTES = 1024**3
FOUND_SOMETHING = 3

Verdict = Literal["good", "caution", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    verdict: Verdict
    words: str


async def examine(house: House, report: Report, _: Mapping[str, Any]) -> int:  # Any: JSON values
    """Look at everything; 3 when something is bad."""
    findings = [
        *await _keys(house),
        *await _database(house),
        *_disk(house.core.settings),
        *_settings(house.core.settings),
    ]
    report.table(("what", "verdict", "words"), [(each.what, each.verdict, each.words) for each in findings])
    return FOUND_SOMETHING if any(each.verdict == "bad" for each in findings) else 0


async def _keys(house: House) -> list[Finding]:
    core = house.core
    standing = await core.vault.rotation.standing()
    late = clock.now() - rotating.due_ms(standing, core.policy)
    found = [Finding("keys", "good", "The key opens the keystore.")]
    if late > clock.DAY and not core.settings.keys.startswith("env"):
        words = f"No rotation for {late // clock.DAY} days after its time: what is erased stays readable in old copies."
        found.append(Finding("rotation", "bad", f"{words} Run: aftercare keys rotate"))
    return found + [Finding("keys", "caution", caution) for caution in core.vault.cautions]


async def _database(house: House) -> list[Finding]:
    settings = house.core.settings
    words = await house.core.database.read(_engine)
    findings = [Finding("database", "good", words)]
    if settings.is_embedded and sqlite3.sqlite_version_info < FIXED_SQLITE:
        findings.append(
            Finding(
                "sqlite",
                "caution",
                f"SQLite {sqlite3.sqlite_version} has the WAL-reset fault (fixed in 3.51.3). Aftercare avoids it with "
                "one writing connection: let no other program write or checkpoint this file.",
            )
        )
    verdict = await house.core.database.read(ledger.verify, vault=house.core.vault)
    words = "The chain is whole." if verdict.is_whole else f"The chain breaks at entry {verdict.first_bad}."
    return [*findings, Finding("ledger", "good" if verdict.is_whole else "bad", words)]


def _engine(tx: Transaction) -> str:
    question = "SELECT version()" if tx.is_postgres else "SELECT 'SQLite ' || sqlite_version()"
    return str(tx.execute(text(question)).scalar_one()).split(",")[0]


def _disk(settings: Settings) -> Iterator[Finding]:
    free = shutil.disk_usage(settings.data).free
    words = f"{free // 1024**2:,} MiB free where the data lies."
    yield Finding("disk", "good" if free > LOW_DISK_BYTES else "bad", words)
    if aside := sorted(
        path.name for path in settings.data.glob("*.before-*") if not path.name.endswith(("-wal", "-shm"))
    ):
        words = f"Set aside by a restore: {', '.join(aside)}. No period ends these; delete them once you are sure."
        yield Finding("restore", "caution", words)
    mode = stat.S_IMODE(settings.data.stat().st_mode)
    if mode & 0o077:
        yield Finding(
            "folder", "bad", f"Others can look into the data folder ({mode:o}). Run: chmod 700 {settings.data}"
        )


def _settings(settings: Settings) -> Iterator[Finding]:
    yield Finding("python", "good", platform.python_version())
    if not settings.is_production:
        yield Finding(
            "mode", "caution", "Development mode: the demo shop and the mailbox page are open to whoever reaches them."
        )
        return
    if settings.smtp_url is None:
        yield Finding("mail", "bad", "AFTERCARE_SMTP_URL is not set: no shopper can get a sign-in code.")
    if settings.keys.startswith("file:") and str(settings.data) in settings.keys:
        yield Finding(
            "keys", "caution", "The key lies on the same volume as the data. Keep it elsewhere: AFTERCARE_KEYS."
        )
