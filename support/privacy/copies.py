"""Copies: everything we keep about one person, in one signed archive that she can read and a program can check.

Danger. The copy holds in the clear what everywhere else is sealed; another person's data in it is a leak that cannot
be called back; a copy that can be changed unseen proves nothing.

Principle. The copy is drawn from the list of holdings and so cannot forget a table. Nothing in the clear touches the
disk but the file that was asked for: it is written under another name, readable by its owner only, and appears whole
or not at all. The manifest lists every entry by size and SHA-256 and is signed.

Boundary. The ledger entry is committed before the first byte is read. All records come from one read transaction;
files are opened afterwards, one at a time, and stream through.
"""

import asyncio
import hashlib
import operator
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import rfc8785
import zipstream

from core import ledger
from core.database import Transaction
from core.holdings import CopyFile, Copying, Holding, Record
from core.identity.callers import SYSTEM, Caller
from core.report import Report
from core.services import Core
from support.privacy import readable

FORMAT = "aftercare/copy/1"
SIGNED = b"cs/export/v1"
MANIFEST, SIGNATURE, PAGE = "manifest.json", "manifest.sig", "index.html"


@dataclass(frozen=True)
class Contents:
    """One person's part of every holding."""

    sections: Sequence[tuple[Holding, Sequence[Record]]]
    files: Sequence[CopyFile]

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
    return Contents([pair for pair in records if pair[1]], files)


async def write(
    core: Core, holdings: Sequence[Holding], request: Request, target: Path, report: Report, *, now: int
) -> Contents:
    """Write the signed archive to `target` (mode 0600); what is there already stays. Raises: FileExistsError."""
    entry = await core.database.write(_note, request, now=now)
    contents = await core.database.read(gather, core, holdings, request)
    facts = _facts(core, request, contents, entry, now)
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(_write, target, _archive(core, contents, facts, report, loop))
    return contents


def _note(tx: Transaction, request: Request, *, now: int) -> int:
    kind, _, subject_id = request.subject.partition(":")
    about = (kind, subject_id)
    caller = request.caller
    return ledger.append(
        tx, caller=caller, action="copy.make", object=about, purpose="P1_LEGAL", reason="R-5.1.2a", now=now
    )


def _facts(core: Core, request: Request, contents: Contents, entry: int, now: int) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "subject": request.subject,
        "locale": request.locale,
        "created_ms": now,
        "policy": {"version": core.policy.version, "sha256": core.policy.sha256},
        "requester": request.caller.role or request.caller.kind,
        "ledger_seq": entry,
        "counts": {**contents.counts, "files": len(contents.files)},
        "omitted": [],
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


def _archive(
    core: Core, contents: Contents, facts: dict[str, Any], report: Report, loop: asyncio.AbstractEventLoop
) -> Iterator[bytes]:
    archive = zipstream.ZipStream(compress_type=zipstream.ZIP_DEFLATED)
    entries: list[dict[str, Any]] = []
    for number, (holding, records) in enumerate(contents.sections, start=1):
        lines = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
        archive.add(
            _counted([lines], f"{number:04}_{holding.name}.jsonl", entries), f"{number:04}_{holding.name}.jsonl"
        )
    page = readable.page(core, contents.sections, contents.files, facts)
    archive.add(_counted([page.encode()], PAGE, entries), PAGE)
    yield from archive.all_files()
    for done, file in enumerate(contents.files, start=1):
        name = f"media/{file.name}"
        archive.add(_counted(_pieces(file.open(), loop), name, entries), name, compress_type=zipstream.ZIP_STORED)
        yield from archive.all_files()
        report.progress("media", done, len(contents.files))
    entries.sort(key=operator.itemgetter("name"))
    manifest = rfc8785.dumps({**facts, "entries": entries})
    archive.add(manifest, MANIFEST)
    archive.add(signature(core, manifest), SIGNATURE)
    yield from archive.finalize()


def signature(core: Core, manifest: bytes) -> bytes:
    """The signature file: Ed25519 over the version and the manifest's hash, with the public key and its fingerprint."""
    public = core.vault.public_key("export")
    signed = core.vault.sign("export", SIGNED + hashlib.sha256(manifest).digest())
    return rfc8785.dumps(
        {
            "algorithm": "Ed25519",
            "public_key": public.hex(),
            "fingerprint": hashlib.sha256(public).hexdigest()[:32],
            "signature": signed.hex(),
        }
    )


def _counted(pieces: Sequence[bytes] | Iterator[bytes], name: str, entries: list[dict[str, Any]]) -> Iterator[bytes]:
    """The pieces as they are; when they end, their sum stands in the manifest's entries."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
        yield piece
    entries.append({"name": name, "size": size, "sha256": digest.hexdigest()})


def _pieces(stream: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
    """An asynchronous stream of the loop's, read from a thread."""

    async def following() -> bytes | None:
        return await anext(stream, None)

    while (piece := asyncio.run_coroutine_threadsafe(following(), loop).result()) is not None:
        yield piece
