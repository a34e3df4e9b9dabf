"""Copies: everything we keep about one person, in one signed archive that she can read and a program can check.

Danger. The copy holds in the clear what everywhere else is sealed; another person's data in it is a leak that cannot
be called back; a copy that can be changed unseen proves nothing.

Principle. The copy is drawn from the list of holdings and so cannot forget a table; what a holding leaves out it says.
Nothing in the clear touches the disk but a file that an operator asked for: it is written under another name, readable
by its owner only, and appears whole or not at all. A person's own copy goes through `begin` and is never such a file.
The manifest lists every entry by size and SHA-256 and is signed.

Boundary. The ledger entry is committed before the first byte is read. All records come from one read transaction;
files are opened afterwards, one at a time, and stream through.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from core import ledger
from core.database import Transaction
from core.holdings import CopyFile, Copying, Holding, Omitted, Record
from core.identity.callers import SYSTEM, Caller
from core.report import Report
from core.services import Core
from support.privacy import readable
from support.privacy.packing import FORMAT, Packing, Summed

DISCLOSURES = "disclosures"  # the holding of what was given to others
IDS_AT_ONCE = 500


@dataclass(frozen=True)
class Reading:
    """How often staff of one role did one thing with what is hers."""

    role: str
    action: str
    count: int


@dataclass(frozen=True)
class Contents:
    """One person's part of every holding, what is left out of it, and how often staff looked."""

    sections: Sequence[tuple[Holding, Sequence[Record]]]
    files: Sequence[CopyFile]
    omitted: Sequence[Omitted] = ()
    readings: Sequence[Reading] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Records by holding."""
        return {holding.name: len(records) for holding, records in self.sections}


@dataclass(frozen=True)
class Request:
    """Whose copy, in which language, for whom."""

    subject: str
    locale: str
    caller: Caller = SYSTEM


def gather(tx: Transaction, core: Core, holdings: Sequence[Holding], request: Request) -> Contents:
    """Walk the holdings for one person, in one transaction."""
    copying = Copying(tx, core.vault, core.policy, request.subject, request.locale)
    parts = [(holding, list(holding.export(copying))) for holding in holdings]
    records = [(holding, [part for part in found if isinstance(part, Record)]) for holding, found in parts]
    files = [part for _, found in parts for part in found if isinstance(part, CopyFile)]
    left_out = [part for _, found in parts for part in found if isinstance(part, Omitted)]
    hers = {held.object.id for holding in holdings for held in holding.of(tx, core.policy, request.subject)}
    return Contents([pair for pair in records if pair[1]], files, _summed(left_out), _readings(tx, sorted(hers)))


async def write(
    core: Core, holdings: Sequence[Holding], request: Request, target: Path, report: Report, *, now: int
) -> Contents:
    """Write the signed archive to `target` (mode 0600); what is there already stays. Raises: FileExistsError."""
    contents, pieces = await begin(core, holdings, request, report, Summed(), now=now)
    await asyncio.to_thread(_write, target, pieces)
    return contents


async def begin(
    core: Core, holdings: Sequence[Holding], request: Request, report: Report, summed: Summed, *, now: int
) -> tuple[Contents, Iterator[bytes]]:
    """Enter the copy in the ledger and read what is in it; the archive's bytes are to be drawn in a thread."""
    entry = await core.database.write(_note, request, now=now)
    contents = await core.database.read(gather, core, holdings, request)
    facts = _facts(core, request, contents, entry, now)
    return contents, _archive(core, contents, facts, report, summed, asyncio.get_running_loop())


def _summed(left_out: Sequence[Omitted]) -> list[Omitted]:
    sums: Counter[tuple[str, str]] = Counter()
    for each in left_out:
        sums[each.what, each.reason] += each.count
    return [Omitted(what, count, reason) for (what, reason), count in sorted(sums.items())]


def _readings(tx: Transaction, hers: Sequence[str]) -> list[Reading]:
    """What staff did with her objects, from the ledger, by role and act."""
    entry, sums = ledger.ENTRY.c, Counter[tuple[str, str]]()
    for start in range(0, len(hers), IDS_AT_ONCE):
        of_hers = entry.object_id.in_(hers[start : start + IDS_AT_ONCE]) & entry.role.is_not(None) & ledger.is_told()
        counted = (
            select(entry.role, entry.action, func.count().label("times"))
            .where(of_hers)
            .group_by(entry.role, entry.action)
        )
        for row in tx.execute(counted).all():
            sums[row.role, row.action] += row.times
    return [Reading(role, action, count) for (role, action), count in sorted(sums.items())]


def _note(tx: Transaction, request: Request, *, now: int) -> int:
    kind, _, subject_id = request.subject.partition(":")
    about = (kind, subject_id)
    caller = request.caller
    return ledger.append(
        tx, caller=caller, action="copy.make", object=about, purpose="P1_LEGAL", reason="R-5.1.2a", now=now
    )


def _facts(core: Core, request: Request, contents: Contents, entry: int, now: int) -> dict[str, Any]:
    policy = core.policy
    return {
        "format": FORMAT,
        "subject": request.subject,
        "locale": request.locale,
        "created_ms": now,
        "policy": {"version": policy.version, "sha256": policy.sha256},
        "requester": request.caller.role or request.caller.kind,
        "ledger_seq": entry,
        "counts": {**contents.counts, "files": len(contents.files)},
        "omitted": [{"what": each.what, "count": each.count, "reason": each.reason} for each in contents.omitted],
        "purposes": {
            str(clause.values["purpose"]): clause.number
            for clause in policy.clauses.values()
            if "purpose" in clause.values
        },
        "retention": {
            name: {"days": policy.retention_class(name).days, "clause": policy.retention_class(name).clause}
            for name in sorted({name for holding, _ in contents.sections for name in holding.classes})
        },
        "disclosures": contents.counts.get(DISCLOSURES, 0),
        "readings": [{"role": each.role, "act": each.action, "count": each.count} for each in contents.readings],
        "contact": core.settings.contact_email,
        "shop": core.settings.shop_name,
    }


def _write(target: Path, pieces: Iterator[bytes]) -> None:
    """In a thread, because of the disk; the pieces fetch the files from the loop."""
    if target.exists():
        raise FileExistsError(target.name)
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            for piece in pieces:
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)


def _archive(  # noqa: PLR0917  (what goes in, and who is told)
    core: Core,
    contents: Contents,
    facts: dict[str, Any],
    report: Report,
    summed: Summed,
    loop: asyncio.AbstractEventLoop,
) -> Iterator[bytes]:
    packing = Packing(core, summed, loop)
    for number, (holding, records) in enumerate(contents.sections, start=1):
        packing.records(f"{number:04}_{holding.name}.jsonl", records)
    for name, page in readable.pages(core, contents, facts):
        packing.add(name, [page.encode()])
    yield from packing.drawn()
    for done, file in enumerate(contents.files, start=1):
        yield from packing.file(file)
        report.progress("media", done, len(contents.files))
    yield from packing.finish(facts)
