"""Epochs: how data keys are wrapped under the current key-encryption key, and unwrapped under any living one.

A wrap is bound to its row: data key id, scope, owner and epoch are its associated data. Whoever can write rows can
therefore neither give a conversation's key to another owner nor move it to another conversation.
"""

import hmac
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from struct import Struct
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.vault import envelope
from core.vault.keys import NONCE_BYTES, DataKey
from core.vault.providers import KeyProvider
from core.vault.refusals import Reason, WrapMismatch

_LABEL: Final = envelope.context("cs/wrap/v1")
_ID: Final = Struct(">IQI")
_LENGTH: Final = Struct(">I")
_EPOCH: Final = Struct(">II")


@dataclass(frozen=True)
class Wrapped:
    """A data key as its row holds it."""

    dek_id: int
    scope: str
    owner: str
    epoch: int
    wrap: bytes
    kcv: bytes
    uses: int = 0


class Sealed(Protocol):
    """A row of the keystore, as far as wrapping it anew needs it."""

    @property
    def id(self) -> int: ...

    @property
    def scope(self) -> str: ...

    @property
    def owner(self) -> str: ...

    @property
    def epoch(self) -> int: ...

    @property
    def wrap(self) -> bytes: ...


class Epochs:
    """The living epochs' keys, fetched once each; safe to use from several threads."""

    def __init__(self, provider: KeyProvider) -> None:
        self.provider: Final = provider
        self._ciphers: dict[int, AESGCM] = {}
        self._lock = threading.Lock()

    def wrap(self, key: DataKey, scope: str, owner: str) -> Wrapped:
        """Wrap under the current epoch. Raises: KeyUnavailable."""
        epoch = self.provider.current_epoch()
        binding = _binding(key.id, scope, owner, epoch)
        wrap = key.wrapped_by(self._cipher(epoch), os.urandom(NONCE_BYTES), binding)
        return Wrapped(key.id, scope, owner, epoch, wrap, key.check_value(), key.uses)

    def unwrap(self, row: Wrapped, scope: str, owner: str) -> DataKey:
        """The data key of a row, for this scope and owner. Raises: WrapMismatch, KeyGone, KeyUnavailable."""
        binding = _binding(row.dek_id, scope, owner, row.epoch)
        try:
            secret = self._cipher(row.epoch).decrypt(row.wrap[:NONCE_BYTES], row.wrap[NONCE_BYTES:], binding)
        except (InvalidTag, ValueError):  # ValueError: a wrap too short to hold a nonce
            raise WrapMismatch(Reason.WRAP) from None
        key = DataKey(row.dek_id, secret, row.uses)
        if not hmac.compare_digest(key.check_value(), row.kcv):
            raise WrapMismatch(Reason.CHECK_VALUE)
        return key

    def rewrap(self, row: Sealed, epoch: int, nonce: bytes) -> bytes:
        """The wrap of the same key under another epoch, for a nonce of 12 random bytes used nowhere else.

        What opens is what was wrapped for this row; that it is the right key its check value says, when it is opened.
        Raises: WrapMismatch, KeyGone, KeyUnavailable.
        """
        place = _place(row.id, row.scope, row.owner)
        try:
            secret = self._cipher(row.epoch).decrypt(
                row.wrap[:NONCE_BYTES], row.wrap[NONCE_BYTES:], place + _EPOCH.pack(4, row.epoch)
            )
        except (InvalidTag, ValueError):
            raise WrapMismatch(Reason.WRAP) from None
        return nonce + self._cipher(epoch).encrypt(nonce, secret, place + _EPOCH.pack(4, epoch))

    def load(self, epochs: Iterable[int]) -> None:
        """Fetch the keys of these epochs now, so that nobody waits for them later. Raises: KeyGone, KeyUnavailable."""
        for epoch in epochs:
            self._cipher(epoch)

    def forget_the_destroyed(self) -> None:
        """Let go of every epoch that the provider no longer has."""
        alive = set(self.provider.epochs())
        with self._lock:
            for epoch in self._ciphers.keys() - alive:
                del self._ciphers[epoch]

    def _cipher(self, epoch: int) -> AESGCM:
        cipher = self._ciphers.get(epoch)
        if cipher is None:
            cipher = AESGCM(self.provider.kek(epoch))
            with self._lock:
                self._ciphers[epoch] = cipher
        return cipher


def _binding(dek_id: int, scope: str, owner: str, epoch: int) -> bytes:
    """The same bytes as `context("cs/wrap/v1", dek_id, scope, owner, u32(epoch))`."""
    return _place(dek_id, scope, owner) + _EPOCH.pack(4, epoch)


def _place(dek_id: int, scope: str, owner: str) -> bytes:
    """All of it but the epoch; packed at once, because a rotation needs one for every key."""
    of, whose = scope.encode(), owner.encode()
    return b"".join((_LABEL, _ID.pack(8, dek_id, len(of)), of, _LENGTH.pack(len(whose)), whose))
