"""Packing: a signed archive as it grows. Every entry is counted, the manifest lists them, and the manifest is signed.

Danger. An entry that no manifest names, or whose sum was taken of other bytes than those that went out.

Principle. What is added is counted while it is drawn, and nothing of it touches the disk here. Whoever packs says what
the archive is about; format, manifest and signature are the same for every archive, so that one command checks them
(`support.privacy.verifying`).

Boundary. The bytes are drawn in a thread; files are fetched through the loop, one at a time.
"""

import asyncio
import hashlib
import operator
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import rfc8785
import zipstream

from core.holdings import CopyFile, Record
from core.services import Core

FORMAT = "aftercare/copy/1"
SIGNED = b"cs/export/v1"
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"


@dataclass
class Summed:
    """The manifest as it grows: what went into the archive so far, and its own hash once it is written."""

    entries: list[dict[str, Any]] = field(default_factory=list)  # Any: JSON values
    manifest_sha256: bytes = b""


class Packing:
    """One archive; what its verbs give is to be drawn in the order in which they were called."""

    def __init__(self, core: Core, summed: Summed, loop: asyncio.AbstractEventLoop) -> None:
        self._core = core
        self._summed = summed
        self._loop = loop
        self._archive = zipstream.ZipStream(compress_type=zipstream.ZIP_DEFLATED)

    def records(self, name: str, records: Sequence[Record]) -> None:
        """Add records, a line of JSON each."""
        self.add(name, (msgspec.json.encode(record) + b"\n" for record in records))

    def add(self, name: str, pieces: Iterable[bytes]) -> None:
        """Add an entry under this name."""
        self._archive.add(self._counted(pieces, name), name)

    def drawn(self) -> Iterator[bytes]:
        """The bytes of what was added so far."""
        yield from self._archive.all_files()

    def file(self, file: CopyFile) -> Iterator[bytes]:
        """Add a file, as it is, and draw it."""
        name = f"media/{file.name}"
        self._archive.add(self._counted(self._fetched(file.open()), name), name, compress_type=zipstream.ZIP_STORED)
        yield from self._archive.all_files()

    def finish(self, facts: Mapping[str, Any]) -> Iterator[bytes]:  # Any: JSON values
        """The manifest, which is these facts and the list of all entries, its signature, and the archive's end."""
        self._summed.entries.sort(key=operator.itemgetter("name"))
        manifest = rfc8785.dumps({**facts, "entries": self._summed.entries})
        self._summed.manifest_sha256 = hashlib.sha256(manifest).digest()
        self._archive.add(manifest, MANIFEST)
        self._archive.add(signature(self._core, manifest), SIGNATURE)
        yield from self._archive.finalize()

    def _counted(self, pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
        """The pieces as they are; when they end, their sum stands in the manifest's entries."""
        digest, size = hashlib.sha256(), 0
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
            yield piece
        self._summed.entries.append({"name": name, "size": size, "sha256": digest.hexdigest()})

    def _fetched(self, stream: AsyncIterator[bytes]) -> Iterator[bytes]:
        """An asynchronous stream of the loop's, read from a thread."""

        async def following() -> bytes | None:
            return await anext(stream, None)

        while (piece := asyncio.run_coroutine_threadsafe(following(), self._loop).result()) is not None:
            yield piece


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
