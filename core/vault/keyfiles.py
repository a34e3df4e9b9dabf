"""Key files: how a key, and what belongs to an epoch, lies on the disk.

Danger. A file that anyone on the machine can read; a key written half; a key that replaces another.

Principle. A key folder is ours alone (0700), each file in it read-only (0400), and both are checked at every start. A
file is written beside its place, synced, and linked into it; it is never replaced.

Boundary. One file is one epoch. Destroying renames it, so that it is no epoch any more, then overwrites and unlinks
it and syncs the folder; what a stop has left of that, the next start finishes. On flash and copy-on-write
storage that is best effort, so back-ups of the folder must be short-lived too.
"""

import base64
import binascii
import contextlib
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core import disk
from core.vault.keys import KEY_BYTES
from core.vault.refusals import KeyUnavailable, StartRefused

_EPOCH_FILE: Final = re.compile(r"epoch-(\d{8})\.key")
_BOUND_FILE: Final = "keystore"
_GONE: Final = ".gone-"


@dataclass(frozen=True)
class DestroyReceipt:
    """What became of an epoch: `is_destroyed` is false where the provider cannot destroy."""

    epoch: int
    is_destroyed: bool


class EpochFolder:
    """A file for each epoch, and one that says for which keystore they are. Raises: StartRefused."""

    def __init__(self, folder: Path) -> None:
        self.place: Final = folder.resolve()
        if self.place.exists():
            refuse_loose(self.place, 0o700)
            self._finish_removals()
            for epoch in self.epochs():
                refuse_loose(self.path(epoch), 0o400)

    def path(self, epoch: int) -> Path:
        """Where the epoch's file lies."""
        return self.place / f"epoch-{epoch:08d}.key"

    def epochs(self) -> Sequence[int]:
        """The epochs that have a file, in order."""
        if not self.place.is_dir():
            return []
        names = (_EPOCH_FILE.fullmatch(name) for name in os.listdir(self.place))
        return sorted(int(name[1]) for name in names if name)

    def current(self) -> int:
        """The newest. Raises: KeyUnavailable."""
        alive = self.epochs()
        if not alive:
            raise KeyUnavailable
        return alive[-1]

    def next(self) -> int:
        """The number of the epoch that comes next."""
        alive = self.epochs()
        return alive[-1] + 1 if alive else 1

    def remove(self, epoch: int) -> None:
        """Overwrite the epoch's file and take it away; repeating it is harmless."""
        path = self.path(epoch)
        if path.exists():
            disk.move(path, self.place / f"{_GONE}{path.name}")
        self._finish_removals()

    def _finish_removals(self) -> None:
        """Overwrite and unlink what was renamed to go; another process may be at it too."""
        for path in self.place.glob(f"{_GONE}*"):
            with contextlib.suppress(FileNotFoundError):
                path.chmod(0o600)
                with path.open("r+b") as file:
                    file.write(b"\0" * os.fstat(file.fileno()).st_size)
                    file.flush()
                    os.fsync(file.fileno())
                path.unlink()
                disk.sync_folder(self.place)

    def bound_to(self) -> str | None:
        """The keystore these epochs were first used with."""
        path = self.place / _BOUND_FILE
        return path.read_text().strip() if path.exists() else None

    def bind(self, keystore_id: str) -> None:
        """Remember the keystore."""
        with contextlib.suppress(FileExistsError):
            write_new(self.place / _BOUND_FILE, f"{keystore_id}\n".encode())


def refuse_loose(path: Path, mode: int) -> None:
    """Raise StartRefused unless `path` is ours and has exactly this mode."""
    found = path.stat()
    if found.st_uid != os.geteuid():
        raise StartRefused(f"{path} belongs to another user (uid {found.st_uid}). Run: chown {os.geteuid()} {path}")
    if stat.S_IMODE(found.st_mode) != mode:
        raise StartRefused(
            f"{path} has mode {stat.S_IMODE(found.st_mode):04o}, and others may have read it. If nobody has, run: "
            f"chmod {mode:04o} {path}"
        )


def read_key(path: Path) -> bytes:
    """The 32 bytes in a key file. Raises: StartRefused."""
    refuse_loose(path, 0o400)
    secret = decode(path.read_text("ascii", errors="replace"))
    if secret is None:
        raise StartRefused(f"{path} does not hold a key. Put your copy of this file back.")
    return secret


def write_key(path: Path, secret: bytes) -> None:
    """Write a key file of ours, durably and only if there is none."""
    write_new(path, base64.b64encode(secret) + b"\n")


def write_new(path: Path, content: bytes) -> None:
    """Write a file of mode 0400 durably. Raises: FileExistsError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    refuse_loose(path.parent, 0o700)
    part = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # unlike a rename, a link never replaces
    finally:
        part.unlink()
    disk.sync_folder(path.parent)


def decode(text: str) -> bytes | None:
    """The 32 bytes of a key in base64, if that is what it is."""
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return secret if len(secret) == KEY_BYTES else None
