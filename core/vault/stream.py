"""The stream: how a file is sealed in chunks of 64 KiB that open one by one, byte for byte (version 1).

Danger. A chunk swapped, dropped, repeated or taken from another file; a file cut short that looks whole; a range
read that gives out bytes nobody authenticated.

Principle. Each file has a key of its own, derived from the data key, a random salt and its context, and the header
commits to it. A chunk's nonce is its number and whether it is the last, so chunks open only in their place and the
end only at the end. The true length lies sealed in the attachment's record: with `sealed_size` a range read proves
that nothing was cut without touching the last chunk. This module is pure: bytes in, bytes out.

    0   1  version 1 | suite 1 | kind 0x10 | log2 of the chunk size, 16
    4   8  data key id, big-endian
    12  32 salt
    44  32 commitment
    76  4  zero
    80  …  chunk i = AES-256-GCM(file key, 0^7 || u32(i) || last ? 1 : 0, at most 65,536 bytes)
"""

import hmac
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag

from core.vault.keys import TAG_BYTES, DataKey
from core.vault.refusals import ContentUnavailable, Reason

CHUNK: Final = 1 << 16
SEALED_CHUNK: Final = CHUNK + TAG_BYTES
HEADER: Final = 80
_HEAD: Final = bytes((1, 1, 0x10, 16))
_SALT: Final = slice(12, 44)
_COMMITMENT: Final = slice(44, 76)
_ZERO: Final = b"\0" * 4
_PREFIX: Final = b"\0" * 7


class Sealer:
    """Seals one file: first `header`, then every chunk in order; or `push` pieces of any size and `finish`."""

    def __init__(self, key: DataKey, context: bytes) -> None:
        salt = os.urandom(32)
        self._cipher, commitment = key.for_file(salt, context)
        self._count = 0
        self._ended = False
        self._waiting = bytearray()
        self.header: Final = _HEAD + key.id_bytes + salt + commitment + _ZERO

    def chunk(self, plaintext: bytes, last: bool) -> bytes:  # noqa: FBT001  (the flag is part of the format)
        """Seal the next chunk: 65,536 bytes, or fewer when it is the last; empty only when the file is empty."""
        assert not self._ended, "the last chunk is sealed already"
        assert len(plaintext) == CHUNK or (last and len(plaintext) < CHUNK), "a chunk that is not the last is full"
        assert plaintext or not self._count, "an empty chunk stands only for an empty file"
        sealed = self._cipher.encrypt(_nonce(self._count, last=last), plaintext, None)
        self._count += 1
        self._ended = last
        return sealed

    def push(self, piece: bytes) -> bytes:
        """Take plaintext of any length; return the sealed chunks that are now sure not to be the last."""
        waiting = self._waiting
        waiting += piece
        full = max(0, len(waiting) - 1) // CHUNK
        if not full:
            return b""
        with memoryview(waiting) as view:
            sealed = [self.chunk(bytes(view[i * CHUNK : (i + 1) * CHUNK]), last=False) for i in range(full)]
        del waiting[: full * CHUNK]
        return b"".join(sealed)

    def finish(self) -> bytes:
        """Seal what is left as the last chunk."""
        return self.chunk(bytes(self._waiting), last=True)


class Opener:
    """Opens the chunks of one file, in any order and from any thread. Raises: ContentUnavailable."""

    def __init__(self, key: DataKey, context: bytes, header: bytes) -> None:
        if len(header) != HEADER or header[:4] != _HEAD or header[76:] != _ZERO:
            raise ContentUnavailable(Reason.HEADER)
        if header[4:12] != key.id_bytes:
            raise ContentUnavailable(Reason.OTHER_KEY)
        self._cipher, commitment = key.for_file(header[_SALT], context)
        if not hmac.compare_digest(commitment, header[_COMMITMENT]):
            raise ContentUnavailable(Reason.COMMITMENT)

    def open(self, index: int, sealed: bytes, last: bool) -> bytes:  # noqa: FBT001  (the flag is part of the format)
        """Open chunk `index`, which is or is not the last. Raises: ContentUnavailable."""
        length = len(sealed) - TAG_BYTES
        if length < 0 or length > CHUNK or (length < CHUNK and not last) or (not length and index):
            raise ContentUnavailable(Reason.LENGTH)
        try:
            return self._cipher.decrypt(_nonce(index, last=last), sealed, None)
        except InvalidTag:
            raise ContentUnavailable(Reason.AUTHENTICATION) from None


@dataclass(frozen=True)
class ChunkSpan:
    """The chunks that hold plaintext bytes [start, stop) of a file of `total` bytes."""

    total: int
    start: int
    stop: int
    first: int
    final: int

    @property
    def offset(self) -> int:
        """Where the sealed file must be read from."""
        return HEADER + self.first * SEALED_CHUNK

    @property
    def length(self) -> int:
        """How many sealed bytes must be read."""
        return min(HEADER + (self.final + 1) * SEALED_CHUNK, sealed_size(self.total)) - self.offset

    def __iter__(self) -> Iterator[tuple[int, int, bool]]:
        """Each chunk to open: its index, its sealed length, whether it is the file's last."""
        end = chunks(self.total) - 1
        for index in range(self.first, self.final + 1):
            yield index, TAG_BYTES + min(CHUNK, self.total - index * CHUNK), index == end

    def trim(self, index: int, plaintext: bytes) -> bytes:
        """The part of chunk `index` that lies inside [start, stop)."""
        base = index * CHUNK
        return plaintext[max(0, self.start - base) : max(0, self.stop - base)]

    def open(self, opener: Opener, sealed: bytes) -> bytes:
        """The plaintext of the span from its `length` sealed bytes. Raises: ContentUnavailable."""
        if len(sealed) != self.length:
            raise ContentUnavailable(Reason.TRUNCATED)
        position, parts = 0, []
        for index, size, last in self:
            parts.append(self.trim(index, opener.open(index, sealed[position : position + size], last)))
            position += size
        return b"".join(parts)


def span(total: int, start: int, stop: int) -> ChunkSpan:
    """Which chunks to read for plaintext bytes [start, stop); an empty file still has its one chunk."""
    assert 0 <= start <= stop <= total
    first = min(start // CHUNK, chunks(total) - 1)
    return ChunkSpan(total, start, stop, first, max(first, (stop - 1) // CHUNK if stop > start else first))


def chunks(total: int) -> int:
    """How many chunks a file of `total` bytes has: at least one."""
    return max(1, -(-total // CHUNK))


def sealed_size(total: int) -> int:
    """The exact size on disk of a file of `total` bytes."""
    return HEADER + total + TAG_BYTES * chunks(total)


def prove_whole(sealed_bytes: int, total: int) -> None:
    """Prove from the size alone that nothing was cut off or added. Raises: ContentUnavailable."""
    if sealed_bytes != sealed_size(total):
        raise ContentUnavailable(Reason.TRUNCATED)


def _nonce(index: int, *, last: bool) -> bytes:
    return _PREFIX + index.to_bytes(4, "big") + (b"\1" if last else b"\0")
