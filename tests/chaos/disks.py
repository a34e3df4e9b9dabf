"""Disks that are full: a small file system of its own for root, or else a limit on the size of the server's files."""

import contextlib
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.site import Site

SIZE_MB = 24
BALLAST = "ballast"
PIECE = 4_096


@contextlib.contextmanager
def small_disk(folder: Path, size_mb: int = SIZE_MB) -> Iterator[None]:
    """While the block runs, `folder` is a file system of so many MB."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=755", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def may_mount() -> bool:
    """Whether this account may make file systems."""
    made = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return made.returncode == 0


class SmallDisk:
    """A disk that something else fills to the last byte."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / BALLAST

    def fill(self) -> None:
        with contextlib.suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while file.write(bytes(PIECE)):
                pass

    def make_room(self) -> None:
        self._ballast.unlink()


class LimitedFiles:
    """No file of the server may grow beyond what its write-ahead log has now."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def fill(self) -> None:
        self._limit((self._site.data / "data.db-wal").stat().st_size)

    def make_room(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size: int) -> None:
        psutil.Process(self._site.pid).rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
