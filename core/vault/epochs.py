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
from typing import Final

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

    def rewrapped(self, row: Wrapped, epoch: int) -> Wrapped:
        """The same key for the same owner under another epoch. Raises: WrapMismatch, KeyGone, KeyUnavailable."""
        key = self.unwrap(row, row.scope, row.owner)
        binding = _binding(row.dek_id, row.scope, row.owner, epoch)
        wrap = key.wrapped_by(self._cipher(epoch), os.urandom(NONCE_BYTES), binding)
        return Wrapped(row.dek_id, row.scope, row.owner, epoch, wrap, row.kcv, row.uses)

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
    """The same bytes as `context("cs/wrap/v1", dek_id, scope, owner, u32(epoch))`; packed at once, for a rotation needs
    two of each key."""
    of, whose = scope.encode(), owner.encode()
    return b"".join((_LABEL, _ID.pack(8, dek_id, len(of)), of, _LENGTH.pack(len(whose)), whose, _EPOCH.pack(4, epoch)))
