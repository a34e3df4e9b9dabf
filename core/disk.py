"""The disk: what it takes until a file or a name stands through a power cut, and appears whole or not at all."""

import os
from pathlib import Path


def sync_file(path: Path) -> None:
    """Wait until what the file holds is on the disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(folder: Path) -> None:
    """Wait until the names in the folder are on the disk."""
    _sync(folder, os.O_RDONLY | os.O_DIRECTORY)


def move(source: Path, target: Path) -> None:
    """Give a file or folder its new name, durably."""
    source.rename(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def write(path: Path, content: bytes) -> None:
    """Write a file of our own (mode 0600) whole or not at all, in place of what has the name."""
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    move(part, path)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
