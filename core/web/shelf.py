"""The key under which a browser seals what it keeps for somebody: unsent messages and half-written words.

Danger. Text that lies readable on a shared computer is read by the next person; text sealed under a key that dies with
the sign-in is lost when somebody has to sign in again.

Principle. The key belongs to the person, not to the sign-in, and is given only to a page of hers that is signed in. The
browser holds it in memory alone. Signing out clears the browser's storage besides.
"""

import base64

from core.vault.keystore import Vault


def key(vault: Vault, ref: str) -> str:
    """32 bytes in base64, by the ref of whoever is signed in."""
    return base64.b64encode(vault.mac("session", b"shelf/v1", ref.encode())).decode()
