"""The archive of a case: exactly what was chosen, listed, signed, and streamed without touching the disk.

It is drawn from the same parts as a person's copy, so a third person is masked in it as she is there, and
`aftercare copy verify` checks it.
"""

import asyncio
import hashlib
import operator
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import rfc8785
import zipstream
from sqlmodel import SQLModel, select

from core.database import Transaction
from core.holdings import CopyFile, Copying, Holding, Record
from core.ledger import ENTRY
from core.services import Core
from support.disclosure.cases import Standing
from support.disclosure.models import DisclosureItem
from support.privacy import copies

LOCALE = "en"
SIGN_IN = SQLModel.metadata.tables["sign_in"]


@dataclass
class Chosen:
    """What goes into the archive; `manifest_sha256` is known when the last byte is drawn."""

    records: Mapping[str, Sequence[Record]]
    files: Sequence[CopyFile]
    manifest_sha256: str = ""
    entries: list[dict[str, Any]] = field(default_factory=list)  # Any: the JSON values of the manifest


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
    archive = zipstream.ZipStream(compress_type=zipstream.ZIP_DEFLATED)
    for section, records in chosen.records.items():
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        name = f"{section}.jsonl"
        archive.add(_counted([lines], name, chosen), name)
    yield from archive.all_files()
    for file in chosen.files:
        name = f"media/{file.name}"
        archive.add(_counted(_drawn(file.open(), loop), name, chosen), name, compress_type=zipstream.ZIP_STORED)
        yield from archive.all_files()
    manifest = rfc8785.dumps(_manifest(core, case, chosen, now))
    chosen.manifest_sha256 = hashlib.sha256(manifest).hexdigest()
    archive.add(manifest, copies.MANIFEST)
    archive.add(copies.signature(core, manifest), copies.SIGNATURE)
    yield from archive.finalize()


def _manifest(core: Core, case: Standing, chosen: Chosen, now: int) -> dict[str, Any]:
    counts = {name: len(records) for name, records in chosen.records.items()}
    return {
        "format": copies.FORMAT,
        "subject": case.row.subject,
        "case": case.row.id,
        "ground": case.row.ground,
        "reference": case.row.reference,
        "document_sha256": case.row.document_sha256 or "",
        "approved_by": sorted(each.role for each in case.approvals),
        "created_ms": now,
        "policy": {"version": core.policy.version, "sha256": core.policy.sha256},
        "counts": {**counts, "files": len(chosen.files)},
        "entries": sorted(chosen.entries, key=operator.itemgetter("name")),
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


def _counted(parts: Sequence[bytes] | Iterator[bytes], name: str, chosen: Chosen) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    for part in parts:
        digest.update(part)
        size += len(part)
        yield part
    chosen.entries.append({"name": name, "size": size, "sha256": digest.hexdigest()})


def _drawn(stream: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    async def following() -> bytes | None:
        return await anext(stream, None)

    while (piece := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not None:
        yield piece
