"""Blobs: sealed files under random names, durable when the call returns.

Danger. A row whose file was lost in a power cut, a half-written file that looks whole, a name that leads out of the
folder, a file that replaces another.

Principle. Only sealed bytes come in here. A blob appears whole or not at all: written to a hidden file in the same
folder, synced, then linked to its name (which fails when the name is taken), and the folder synced. Names are our own
random ids, so they say nothing and cannot be anything but a name. Folders are 0700, files 0600.

Boundary. `create` returns after the sync; the caller commits its row afterwards. What a crash leaves behind is a
hidden part or a blob without a row, and the sweep takes both.
"""

import asyncio
import contextlib
import errno
import os
import re
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

import aiofiles

from core import disk
from core.refusals import NotFound, Unavailable
from core.settings import Settings

PIECE: Final = 1 << 18
_NAME: Final = re.compile(r"[0-9a-f]{32}")
_PART: Final = re.compile(r"\.[0-9a-f]{32}\.[0-9a-f]{8}\.part")
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class BlobStore(Protocol):
    """Where sealed files lie; the local disk now."""

    async def create(self, name: str, pieces: AsyncGenerator[bytes, None]) -> int:
        """Store the pieces under a new name, durably, and return their bytes; a name that is taken is our mistake."""

    async def size(self, name: str) -> int:
        """Bytes of the blob. Raises: NotFound."""

    def read(self, name: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Bytes [start, stop) in pieces of at most 256 KiB; ends early when the blob is shorter. Raises: NotFound."""

    async def delete(self, name: str) -> None:
        """Remove the blob; one that is gone is fine."""

    def names(self, *, before_ms: int) -> AsyncGenerator[str, None]:
        """The blobs last written before this time, in batches' order of the folder; unfinished parts are removed."""


class LocalBlobs:
    """Blobs in a folder, spread over 256 subfolders by the first byte of their names."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @classmethod
    def open(cls, settings: Settings) -> "LocalBlobs":
        """The folder that `media_url` names. Raises: Unavailable."""
        parts = urlsplit(settings.media_url)
        if parts.scheme != "file" or parts.netloc:
            raise Unavailable("media_url", "AFTERCARE_MEDIA_URL must be file:///some/folder.")
        return cls(Path(unquote(parts.path)))

    async def create(self, name: str, pieces: AsyncGenerator[bytes, None]) -> int:
        """Write, sync, link, sync the folder."""
        final = self.path(name)
        part = final.with_name(f".{name}.{secrets.token_hex(4)}.part")
        try:
            await asyncio.to_thread(_make_folder, final.parent)
            written = await _write(part, pieces)
            await asyncio.to_thread(_publish, part, final)
        except OSError as error:
            if error.errno in _FULL:
                raise Unavailable(
                    "full", "Our storage is full, so nothing was saved. Please try again later."
                ) from None
            raise
        finally:
            _remove(part)
        return written

    async def size(self, name: str) -> int:
        """Ask the file system."""
        try:
            status = await asyncio.to_thread(os.stat, self.path(name))
        except FileNotFoundError:
            raise NotFound from None
        return status.st_size

    async def read(self, name: str, start: int, stop: int) -> AsyncGenerator[bytes, None]:
        """Seek once, then read on."""
        try:
            file = await aiofiles.open(self.path(name), "rb", buffering=0)
        except FileNotFoundError:
            raise NotFound from None
        try:
            await file.seek(start)
            while start < stop:
                piece = await file.read(min(PIECE, stop - start))
                if not piece:
                    return
                start += len(piece)
                yield piece
        finally:
            await asyncio.shield(file.close())  # a reader who leaves is cancelled at every wait, this one too

    async def delete(self, name: str) -> None:
        """Unlink and sync the folder, so that a power cut does not bring it back."""
        await asyncio.to_thread(_delete, self.path(name))

    async def names(self, *, before_ms: int) -> AsyncGenerator[str, None]:
        """Subfolder by subfolder."""
        for folder in await asyncio.to_thread(lambda: sorted(self.folder.iterdir())):
            for name in await asyncio.to_thread(_older, folder, before_ms):
                yield name

    def path(self, name: str) -> Path:
        """Where a blob lies."""
        assert _NAME.fullmatch(name), "a blob's name is a random id of ours"
        return self.folder / name[:2] / name


async def _write(part: Path, pieces: AsyncGenerator[bytes, None]) -> int:
    written = 0
    async with aclosing(pieces), aiofiles.open(part, "xb", buffering=0, opener=_private) as file:
        async for piece in pieces:
            rest = memoryview(piece)
            while rest:
                count = await file.write(rest)
                written += count
                rest = rest[count:]
        await asyncio.to_thread(os.fsync, file.fileno())
    return written


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    disk.sync_folder(folder.parent)


def _publish(part: Path, final: Path) -> None:
    """A link, not a rename: a rename would silently replace what has the name already."""
    os.link(part, final)
    part.unlink()
    disk.sync_folder(final.parent)


def _remove(part: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        part.unlink()


def _delete(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        disk.sync_folder(path.parent)


def _older(folder: Path, before_ms: int) -> list[str]:
    names: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_mtime_ns // 1_000_000 >= before_ms:
                continue
            if _NAME.fullmatch(entry.name):
                names.append(entry.name)
            elif _PART.fullmatch(entry.name):
                _remove(Path(entry.path))
    return names
