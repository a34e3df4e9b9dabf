"""The archive of a case: exactly what was chosen, listed, signed, and streamed without touching the disk.

It is drawn from the same parts as a person's copy, so a third person is masked in it as she is there, and
`aftercare copy verify` checks it.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import SQLModel, select

from core.database import Transaction
from core.holdings import CopyFile, Copying, Holding, Record
from core.ledger import ENTRY
from core.services import Core
from support.disclosure.cases import Standing
from support.disclosure.models import DisclosureItem
from support.privacy.packing import FORMAT, Packing, Summed

LOCALE = "en"
SIGN_IN = SQLModel.metadata.tables["sign_in"]


@dataclass
class Chosen:
    """What goes into the archive; the hash of its manifest is known when the last byte is drawn."""

    records: Mapping[str, Sequence[Record]]
    files: Sequence[CopyFile]
    summed: Summed = field(default_factory=Summed)


def gather(tx: Transaction, core: Core, holdings: Sequence[Holding], case: Standing) -> Chosen:
    """The chosen parts of what the holdings export about the subject, or the chosen classes of metadata."""
    metadata = {item.object_id for item in case.items if item.kind == "metadata"}
    if metadata:
        return Chosen({"technical": _technical(tx, case.row.subject, metadata)}, [])
    copying = Copying(tx, core.vault, core.policy, case.row.subject, LOCALE)
    wanted = {item.object_id: item for item in case.items}
    records: dict[str, list[Record]] = {}
    files: list[CopyFile] = []
    for holding in holdings:
        for part in holding.export(copying):
            if isinstance(part, Record) and _is_chosen(part, wanted):
                records.setdefault(holding.name, []).append(part)
            elif isinstance(part, CopyFile) and part.name.partition(".")[0] in wanted:
                files.append(part)
    return Chosen(records, files)


def pieces(core: Core, case: Standing, chosen: Chosen, *, loop: asyncio.AbstractEventLoop, now: int) -> Iterator[bytes]:
    """The archive's bytes, to be drawn in a thread; files are fetched through the loop."""
    packing = Packing(core, chosen.summed, loop)
    for section, records in chosen.records.items():
        packing.records(f"{section}.jsonl", records)
    yield from packing.drawn()
    for file in chosen.files:
        yield from packing.file(file)
    yield from packing.finish(_facts(core, case, chosen, now))


def _facts(core: Core, case: Standing, chosen: Chosen, now: int) -> dict[str, Any]:
    counts = {name: len(records) for name, records in chosen.records.items()}
    return {
        "format": FORMAT,
        "subject": case.row.subject,
        "case": case.row.id,
        "ground": case.row.ground,
        "reference": case.row.reference,
        "document_sha256": case.row.document_sha256 or "",
        "approved_by": sorted(each.role for each in case.approvals),
        "created_ms": now,
        "policy": {"version": core.policy.version, "sha256": core.policy.sha256},
        "counts": {**counts, "files": len(chosen.files)},
        "shop": core.settings.shop_name,
    }


def _is_chosen(record: Record, wanted: Mapping[str, DisclosureItem]) -> bool:
    item = wanted.get(record.thread or record.id)
    if item is None or record.thread is None:
        return item is not None
    number = int(str(record.fields.get("seq", 0)))
    return (item.first or 1) <= number and (item.last is None or number <= item.last)


def _technical(tx: Transaction, subject: str, classes: set[str]) -> list[Record]:
    """Device, connection, online, sign-in and operation information, of which only the asked classes (clause 4(1)7).

    Addresses of connections are not kept beyond the moment, so that class is named and empty.
    """
    kind, _, caller_id = subject.partition(":")
    found: list[Record] = []
    for row in tx.execute(SIGN_IN.select().where(SIGN_IN.c.caller_kind == kind, SIGN_IN.c.caller_id == caller_id)):
        facts = {"device": row.device, "login": f"{row.proof}, {row.created_ms}", "online": str(row.seen_ms)}
        found.append(Record("technical", row.id, row.created_ms, {k: v for k, v in facts.items() if k in classes}))
    if "operation" in classes:
        own = select(ENTRY.c.seq, ENTRY.c.at_ms, ENTRY.c.action).where(ENTRY.c.actor == subject).order_by(ENTRY.c.seq)
        found += [Record("technical", str(row.seq), row.at_ms, {"operation": row.action}) for row in tx.execute(own)]
    if "connection" in classes:
        found.append(Record("technical", "connection", None, {"connection": ""}))
    return [record for record in found if record.fields]
