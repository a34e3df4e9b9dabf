"""Sealing: streams in and out of sealed files, a quarter of a megabyte at a time, in a thread and never on the loop."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from core.vault.keys import DataKey
from core.vault.refusals import ContentUnavailable, Reason
from core.vault.stream import HEADER, ChunkSpan, Opener, Sealer, prove_whole
from media.blobs import PIECE, BlobStore


class Original:
    """Counts and hashes what passes."""

    def __init__(self) -> None:
        self.size = 0
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> bytes:
        """Of everything so far."""
        return self._hash.digest()

    async def counting(self, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """The same bytes gathered into pieces of 256 KiB and a rest."""
        gathered = bytearray()
        async with aclosing(pieces):
            async for piece in pieces:
                gathered += piece
                if len(gathered) >= PIECE:
                    yield await asyncio.to_thread(self._take, gathered)
                    gathered = bytearray()
        if gathered:
            yield await asyncio.to_thread(self._take, gathered)

    def _take(self, gathered: bytearray) -> bytes:
        self.size += len(gathered)
        self._hash.update(gathered)
        return bytes(gathered)


async def sealed(key: DataKey, context: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The file of these pieces: its header, then its chunks as they fill."""
    sealer = Sealer(key, context)
    yield sealer.header
    async with aclosing(pieces):
        async for piece in pieces:
            chunks = await asyncio.to_thread(sealer.push, piece)
            if chunks:
                yield chunks
    yield sealer.finish()


async def opened(
    blobs: BlobStore, name: str, key: DataKey, context: bytes, span: ChunkSpan
) -> AsyncGenerator[bytes, None]:
    """The plain bytes of the span; nothing is given out that was not authenticated, in its place and its length.

    Raises: ContentUnavailable, NotFound.
    """
    prove_whole(await blobs.size(name), span.total)
    opener = Opener(key, context, await _all(blobs.read(name, 0, HEADER)))
    waiting = bytearray()
    wanted = list(span)
    async with aclosing(blobs.read(name, span.offset, span.offset + span.length)) as source:
        async for piece in source:
            waiting += piece
            ready, used = [], 0
            while wanted and used + wanted[0][1] <= len(waiting):
                index, size, last = wanted.pop(0)
                ready.append((index, bytes(waiting[used : used + size]), last))
                used += size
            del waiting[:used]
            if ready:
                yield await asyncio.to_thread(_open_chunks, opener, span, ready)
    if wanted or waiting:
        raise ContentUnavailable(Reason.TRUNCATED)


def _open_chunks(opener: Opener, span: ChunkSpan, ready: list[tuple[int, bytes, bool]]) -> bytes:
    return b"".join(span.trim(index, opener.open(index, chunk, last)) for index, chunk, last in ready)


async def _all(pieces: AsyncGenerator[bytes, None]) -> bytes:
    async with aclosing(pieces):
        return b"".join([piece async for piece in pieces])
