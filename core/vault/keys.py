"""Data keys: the random secret of one conversation or one person, and what is derived from it.

Danger. A key that seals too much, a key that is printed, pickled or logged.

Principle. Nothing is ever sealed under the secret itself, only under keys derived from it by kind, so a note can
never be taken for a message. Each key counts what it seals and stops at 2^20, four thousand times below what
random nonces allow (SP 800-38D section 8.3 permits 2^32). Nonces are random and never counted: a restored database
would rewind a counter, and GCM with a repeated nonce gives the plaintext and the authentication key away.
"""

import hmac
import itertools
from collections.abc import Mapping
from enum import IntEnum
from typing import Final, NoReturn

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from core.vault.refusals import KeySpent

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
SEAL_LIMIT: Final = 1 << 20


class Kind(IntEnum):
    """What is sealed; part of the header and of the key's derivation."""

    MESSAGE = 1
    FIELD = 2
    REVISION = 3
    FILE_NAME = 4
    NOTE = 5
    ATTACHMENT = 6
    RIGHTS = 7
    EVENT = 8


_LABELS: Final = {
    Kind.MESSAGE: b"cs/v1/msg",
    Kind.FIELD: b"cs/v1/field",
    Kind.REVISION: b"cs/v1/revision",
    Kind.FILE_NAME: b"cs/v1/file",
    Kind.NOTE: b"cs/v1/note",
    Kind.ATTACHMENT: b"cs/v1/attachment",
    Kind.RIGHTS: b"cs/v1/rights",
    Kind.EVENT: b"cs/v1/event",
}


class DataKey:
    """One data key in memory; safe to use from several threads."""

    __slots__ = ("_check_value", "_ciphers", "_count", "_secret", "elders", "id", "id_bytes", "noted_uses", "uses")

    def __init__(self, dek_id: int, secret: bytes, uses: int = 0) -> None:
        assert len(secret) == KEY_BYTES
        self.id: Final = dek_id
        self.id_bytes: Final = dek_id.to_bytes(8, "big")
        self._secret: Final = secret
        self.count_from(uses)
        self._ciphers: dict[Kind, AESGCM] = {}
        self._check_value: bytes | None = None
        self.elders: Mapping[int, DataKey] = {}  # by id: keys that this one has succeeded, for opening only

    def count_from(self, uses: int) -> None:
        """Go on counting sealings from a count that was written down."""
        self.uses = self.noted_uses = uses
        self._count = itertools.count(uses + 1)

    def sealing(self, kind: Kind) -> AESGCM:
        """The cipher for one more sealing. Raises: KeySpent."""
        uses = self.uses = next(self._count)  # next() of a count is one step under the interpreter's lock
        if uses > SEAL_LIMIT:
            raise KeySpent
        return self.opening(kind)

    def opening(self, kind: Kind) -> AESGCM:
        """The cipher for opening; derived once and kept."""
        cipher = self._ciphers.get(kind)
        if cipher is None:
            cipher = self._ciphers[kind] = AESGCM(expand(self._secret, _LABELS[kind], KEY_BYTES))
        return cipher

    def for_file(self, salt: bytes, context: bytes) -> tuple[AESGCM, bytes]:
        """The cipher of one file and the 32 bytes that commit to its key."""
        derived = derive(self._secret, salt, b"cs/v1/media" + context, 2 * KEY_BYTES)
        return AESGCM(derived[:KEY_BYTES]), derived[KEY_BYTES:]

    def check_value(self) -> bytes:
        """16 bytes that tell this key from any other without giving it away."""
        if self._check_value is None:
            self._check_value = expand(self._secret, b"cs/v1/kcv", 16)
        return self._check_value

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA256 under the secret; only for keys that seal nothing."""
        return hmac.digest(self._secret, message, "sha256")

    def wrapped_by(self, cipher: AESGCM, nonce: bytes, binding: bytes) -> bytes:
        """The secret sealed under a key-encryption key."""
        return nonce + cipher.encrypt(nonce, self._secret, binding)

    def __repr__(self) -> str:
        return f"DataKey({self.id})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a data key is never pickled")


def expand(secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand with SHA-256 (RFC 5869 section 2.3); the secret must already be uniform."""
    return HKDFExpand(SHA256(), length, info).derive(secret)


def derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF with SHA-256 (RFC 5869)."""
    return HKDF(SHA256(), length, salt, info).derive(secret)
