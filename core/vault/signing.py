"""Signing keys: Ed25519 for exports and for the ledger, in files of mode 0400 apart from the key-encryption keys.

The public halves are kept in the keystore for ever, so that what was signed stays checkable when a key has changed.
"""

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.vault.keyfiles import read_key, refuse_loose, write_key
from core.vault.refusals import StartRefused

SIGNERS: Final = ("export", "audit")


def open_signer(folder: Path, name: str, known: Iterable[bytes]) -> Ed25519PrivateKey:
    """The signing key of this name, made when there has never been one. Raises: StartRefused."""
    path, publics = folder / f"{name}.key", set(known)
    if folder.exists():
        refuse_loose(folder, 0o700)
    if not path.exists():
        if publics:
            raise StartRefused(
                f"The signing key {path} is missing, but it has signed before. Put your copy back. Nothing was changed."
            )
        with contextlib.suppress(FileExistsError):  # another process starts at the same time and was first
            write_key(path, Ed25519PrivateKey.generate().private_bytes_raw())
    signer = Ed25519PrivateKey.from_private_bytes(read_key(path))
    if publics and signer.public_key().public_bytes_raw() not in publics:
        raise StartRefused(
            f"{path} is not the key that signed before. Put your copy of the right one back. Nothing was changed."
        )
    return signer


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this public key's owner signed the message."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
