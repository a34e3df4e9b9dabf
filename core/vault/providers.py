"""Key providers: where the key-encryption keys of the epochs live, apart from everything they protect.

Danger. A key that lies where its data lie; a new key made silently when the old one is only missing, so that
everything sealed before is lost for good.

Principle. Every way of keeping keys is the same few verbs. Nothing here decides to make a first key: `opening` does,
and only when the keystore holds nothing. A key service is asked once for each epoch and never for a message.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from core.settings import Settings
from core.vault.keyfiles import DestroyReceipt, EpochFolder, decode, read_key, write_key
from core.vault.keys import KEY_BYTES, expand
from core.vault.refusals import KeyGone, KeyUnavailable, Reason, StartRefused
from core.vault.service import ServiceProvider
from core.vault.transit import Transit


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

    def retire_epoch(self, epoch: int) -> None:
        """No row needs this key any more: who can destroy only after a delay begins it now. Raises: KeyUnavailable."""

    def destroy_epoch(self, epoch: int) -> DestroyReceipt:
        """Destroy a key for ever. Raises: KeyUnavailable."""

    def bound_to(self) -> str | None:
        """The keystore this provider was first used with, when it remembers."""

    def bind(self, keystore_id: str) -> None:
        """Remember the keystore."""

    def cautions(self) -> Sequence[str]:
        """What the operator should know about this way of keeping keys."""


def open_provider(settings: Settings) -> KeyProvider:
    """The provider that `AFTERCARE_KEYS` names. Raises: StartRefused."""
    scheme, _, rest = settings.keys.partition(":")
    if scheme == "file" and rest:
        return FileProvider(Path(rest), settings.data)
    if scheme == "aws-kms" and rest:
        from core.vault import kms  # noqa: PLC0415  (its library is an extra)

        return ServiceProvider(EpochFolder(Path(rest)), kms.connect(settings.tenant))
    if scheme == "vault-transit" and rest:
        return ServiceProvider(EpochFolder(Path(rest)), Transit.of(settings))
    if scheme in {"env", "env-forced"}:
        if settings.is_production and scheme == "env":
            raise StartRefused(
                "AFTERCARE_KEYS=env:… is for development: its key cannot be destroyed, so erased data would stay "
                "readable in old back-ups. Use file:<directory>; or env-forced:… if you accept that."
            )
        return EnvProvider(rest)
    raise StartRefused(
        "AFTERCARE_KEYS must be file:<directory>, aws-kms:<directory> or vault-transit:<directory>, or env:<32 bytes "
        "in base64> in development."
    )


class FileProvider:
    """Epoch keys as files of one line of base64 in a directory of our own."""

    def __init__(self, folder: Path, data: Path) -> None:
        self._folder = EpochFolder(folder)
        self._is_beside_data = self._folder.place.is_relative_to(data.resolve())
        self.epochs = self._folder.epochs
        self.current_epoch = self._folder.current
        self.bound_to = self._folder.bound_to
        self.bind = self._folder.bind

    def kek(self, epoch: int) -> bytes:
        path = self._folder.path(epoch)
        if not path.exists():
            raise KeyGone(Reason.KEY_DESTROYED) if epoch < self.current_epoch() else KeyUnavailable
        return read_key(path)

    def create_epoch(self) -> int:
        epoch = self._folder.next()
        write_key(self._folder.path(epoch), os.urandom(KEY_BYTES))
        return epoch

    def retire_epoch(self, epoch: int) -> None:
        pass

    def destroy_epoch(self, epoch: int) -> DestroyReceipt:
        self._folder.remove(epoch)
        return DestroyReceipt(epoch, is_destroyed=True)

    def cautions(self) -> Sequence[str]:
        if not self._is_beside_data:
            return []
        return [
            f"The keys in {self._folder.place} lie inside the data folder: a back-up of that folder carries its own "
            "keys. Move them and set AFTERCARE_KEYS=file:<directory>."
        ]


class EnvProvider:
    """One root key from the environment; its epochs are derived from it and so cannot be destroyed."""

    def __init__(self, text: str) -> None:
        self._root = decode(text)
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

    def retire_epoch(self, epoch: int) -> None:
        pass

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
