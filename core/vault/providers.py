"""Key providers: where the key-encryption keys of the epochs live, apart from everything they protect.

Danger. A key that anyone on the machine can read; a new key made silently when the old one is only missing, so that
everything sealed before is lost for good; a key written half.

Principle. A key directory is ours alone (0700), each key file read-only (0400), and both are checked at every start.
Nothing here decides to make a first key: `keystore` does, and only when the keystore holds nothing. A key file is
written beside its place, synced, and linked into it; it is never replaced.

Boundary. One file is one epoch. Destroying an epoch overwrites and unlinks its file and syncs the directory; on
flash and copy-on-write storage that is best effort, so back-ups of the directory must be short-lived too.
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
from typing import Final, Protocol

from core import disk
from core.vault.keys import KEY_BYTES, expand
from core.vault.refusals import KeyGone, KeyUnavailable, Reason, StartRefused

_EPOCH_FILE: Final = re.compile(r"epoch-(\d{8})\.key")
_BOUND_FILE: Final = "keystore"


@dataclass(frozen=True)
class DestroyReceipt:
    """What became of an epoch: `is_destroyed` is false where the provider cannot destroy."""

    epoch: int
    is_destroyed: bool


class KeyProvider(Protocol):
    """Holds one key-encryption key of 32 bytes per epoch; epochs count from 1."""

    def epochs(self) -> Sequence[int]:
        """The epochs that are alive, in order; empty before the first run."""

    def current_epoch(self) -> int:
        """The newest epoch. Raises: KeyUnavailable."""

    def kek(self, epoch: int) -> bytes:
        """Its key. Raises: KeyGone, KeyUnavailable."""

    def create_epoch(self) -> int:
        """Make the next epoch's key and return its number."""

    def destroy_epoch(self, epoch: int) -> DestroyReceipt:
        """Destroy a key for ever."""

    def bound_to(self) -> str | None:
        """The keystore this provider was first used with, when it remembers."""

    def bind(self, keystore_id: str) -> None:
        """Remember the keystore."""

    def cautions(self) -> Sequence[str]:
        """What the operator should know about this way of keeping keys."""


def open_provider(where: str, *, is_production: bool, data: Path) -> KeyProvider:
    """The provider that `where` names: `file:<directory>`, or `env:<base64>` in development. Raises: StartRefused."""
    scheme, _, rest = where.partition(":")
    if scheme == "file" and rest:
        return FileProvider(Path(rest), data)
    if scheme in {"env", "env-forced"}:
        if is_production and scheme == "env":
            raise StartRefused(
                "AFTERCARE_KEYS=env:… is for development: its key cannot be destroyed, so erased data would stay "
                "readable in old back-ups. Use file:<directory>; or env-forced:… if you accept that."
            )
        return EnvProvider(rest)
    raise StartRefused("AFTERCARE_KEYS must be file:<directory>, or env:<32 bytes in base64> in development.")


class FileProvider:
    """Epoch keys as files of one line of base64 in a directory of our own."""

    def __init__(self, folder: Path, data: Path) -> None:
        self._folder = folder.resolve()
        self._is_beside_data = self._folder.is_relative_to(data.resolve())
        if self._folder.exists():
            refuse_loose(self._folder, 0o700)
            for epoch in self.epochs():
                refuse_loose(self._path(epoch), 0o400)

    def epochs(self) -> Sequence[int]:
        if not self._folder.is_dir():
            return []
        names = (_EPOCH_FILE.fullmatch(name) for name in os.listdir(self._folder))
        return sorted(int(name[1]) for name in names if name)

    def current_epoch(self) -> int:
        alive = self.epochs()
        if not alive:
            raise KeyUnavailable
        return alive[-1]

    def kek(self, epoch: int) -> bytes:
        path = self._path(epoch)
        if not path.exists():
            raise KeyGone(Reason.KEY_DESTROYED) if epoch < self.current_epoch() else KeyUnavailable
        return read_key(path)

    def create_epoch(self) -> int:
        alive = self.epochs()
        epoch = alive[-1] + 1 if alive else 1
        write_key(self._path(epoch), os.urandom(KEY_BYTES))
        return epoch

    def destroy_epoch(self, epoch: int) -> DestroyReceipt:
        path = self._path(epoch)
        if path.exists():
            path.chmod(0o600)
            with path.open("r+b") as file:
                file.write(b"\0" * os.fstat(file.fileno()).st_size)
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            disk.sync_folder(self._folder)
        return DestroyReceipt(epoch, is_destroyed=True)

    def bound_to(self) -> str | None:
        path = self._folder / _BOUND_FILE
        return path.read_text().strip() if path.exists() else None

    def bind(self, keystore_id: str) -> None:
        with contextlib.suppress(FileExistsError):
            write_new(self._folder / _BOUND_FILE, f"{keystore_id}\n".encode())

    def cautions(self) -> Sequence[str]:
        if not self._is_beside_data:
            return []
        return [
            f"The keys in {self._folder} lie inside the data folder: a back-up of that folder carries its own keys. "
            "Move them and set AFTERCARE_KEYS=file:<directory>."
        ]

    def _path(self, epoch: int) -> Path:
        return self._folder / f"epoch-{epoch:08d}.key"


class EnvProvider:
    """One root key from the environment; its epochs are derived from it and so cannot be destroyed."""

    def __init__(self, text: str) -> None:
        self._root = _decode(text)
        if self._root is None:
            raise StartRefused(
                "AFTERCARE_KEYS=env: needs 32 random bytes in base64 after the colon, for example from "
                "`openssl rand -base64 32`."
            )

    def epochs(self) -> Sequence[int]:
        return [1]

    def current_epoch(self) -> int:
        return 1

    def kek(self, epoch: int) -> bytes:
        assert self._root is not None
        return expand(self._root, b"cs/v1/kek" + epoch.to_bytes(4, "big"), KEY_BYTES)

    def create_epoch(self) -> int:
        return 1

    def destroy_epoch(self, epoch: int) -> DestroyReceipt:
        return DestroyReceipt(epoch, is_destroyed=False)

    def bound_to(self) -> str | None:
        return None

    def bind(self, keystore_id: str) -> None:
        pass

    def cautions(self) -> Sequence[str]:
        return [
            "The key comes from the environment and cannot be destroyed: erased data stay readable in old back-ups."
        ]


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
    secret = _decode(path.read_text("ascii", errors="replace"))
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


def _decode(text: str) -> bytes | None:
    try:
        secret = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    return secret if len(secret) == KEY_BYTES else None
