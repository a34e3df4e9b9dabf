"""The envelope: how one text or field is sealed, byte for byte (version 1).

Danger. A sealed text moved to another row, conversation or shop, or given another sender, time or order, and still
opening; lengths that say "yes" or "no"; trying keys until one fits.

Principle. The header names exactly one key, and everything that gives the content its meaning is authenticated with
it: header and context are the associated data of AES-256-GCM. The text is padded to steps of 32 bytes and never
compressed. This module is pure: bytes in, bytes out.

    0   1  version 1
    1   1  suite 1: AES-256-GCM, random 96-bit nonce, 128-bit tag (2 and 3 are reserved: GCM-SIV, XAES-256-GCM)
    2   1  kind
    3   1  flags: 1 = padded, always set; other bits 0
    4   8  data key id, big-endian
    12  12 nonce
    24  n  AES-256-GCM(key of the kind, nonce, padded text, header[0:12] || context), the tag last
"""

import os
from functools import lru_cache
from struct import Struct
from typing import Final

from cryptography.exceptions import InvalidTag

from core.vault.keys import NONCE_BYTES, TAG_BYTES, DataKey, Kind
from core.vault.refusals import ContentUnavailable, Reason

__all__ = [
    "Kind",
    "attachment_context",
    "context",
    "field_context",
    "key_id",
    "message_context",
    "seal",
    "u32",
    "unseal",
]

_BOUND: Final = 12  # bytes of the header that are authenticated as associated data
_START: Final = _BOUND + NONCE_BYTES
_STEP: Final = 32
_SHORTEST: Final = _START + _STEP + TAG_BYTES
_HEADS: Final = {kind: bytes((1, 1, kind, 1)) for kind in Kind}
_MARK: Final = b"\x80"
_PLACE: Final = Struct(">I16sIQI")  # the message's id, its number, the length of the sender
_MOMENT: Final = Struct(">IQII")  # the time and the revision


def seal(key: DataKey, kind: Kind, context: bytes, plaintext: bytes) -> bytes:
    """Seal `plaintext` for exactly this context. Raises: KeySpent."""
    header = _HEADS[kind] + key.id_bytes
    nonce = os.urandom(NONCE_BYTES)
    return header + nonce + key.sealing(kind).encrypt(nonce, _pad(plaintext), header + context)


def unseal(key: DataKey, kind: Kind, context: bytes, sealed: bytes) -> bytes:
    """Open what was sealed under this key, kind and context. Raises: ContentUnavailable."""
    header = sealed[:_BOUND]
    if len(sealed) < _SHORTEST or header != _HEADS[kind] + key.id_bytes:
        elder = key.elders.get(int.from_bytes(header[4:], "big"))
        if elder is not None:
            return unseal(elder, kind, context, sealed)
        raise ContentUnavailable(_fault(key, kind, sealed))
    try:
        padded = key.opening(kind).decrypt(sealed[_BOUND:_START], sealed[_START:], header + context)
    except InvalidTag:
        raise ContentUnavailable(Reason.AUTHENTICATION) from None
    return _unpad(padded)


def key_id(sealed: bytes) -> int:
    """The id of the key that a sealed text names; believe it only after opening. Raises: ContentUnavailable."""
    if len(sealed) < _SHORTEST:
        raise ContentUnavailable(Reason.LENGTH)
    return int.from_bytes(sealed[4:_BOUND], "big")


def context(*parts: str | bytes | int) -> bytes:
    """The parts, each after its own length, so that no two different tuples give the same bytes.

    Text becomes UTF-8, a number 8 bytes big-endian; both lengths are 4 bytes big-endian.
    """
    pieces: list[bytes] = []
    for part in parts:
        if isinstance(part, str):
            part = part.encode()  # noqa: PLW2901
        elif isinstance(part, int):
            part = part.to_bytes(8, "big")  # noqa: PLW2901
        pieces.append(len(part).to_bytes(4, "big"))
        pieces.append(part)
    return b"".join(pieces)


def u32(number: int) -> bytes:
    """4 bytes big-endian, for the parts that are so short."""
    return number.to_bytes(4, "big")


def message_context(
    tenant: str, conversation: str, message: str, *, seq: int, sender: str, created_ms: int, revision: int = 0
) -> bytes:
    """The context of a message: ids of 32 hexadecimal characters, `sender` as `kind:id`.

    The same bytes as `context("msg", tenant, conversation, message, seq, sender, created_ms, u32(revision))` with the
    ids as 16 bytes each; packed at once, because every message that is written or read needs one.
    """
    who = sender.encode()
    place = _PLACE.pack(16, bytes.fromhex(message), 8, seq, len(who))
    return b"".join((_conversation_context(tenant, conversation), place, who, _MOMENT.pack(8, created_ms, 4, revision)))


@lru_cache(4_096)
def _conversation_context(tenant: str, conversation: str) -> bytes:
    return context("msg", tenant, bytes.fromhex(conversation))


def field_context(tenant: str, table: str, row_id: str, column: str) -> bytes:
    """The context of one sealed column of one row."""
    return context("fld", tenant, table, row_id, column)


def attachment_context(tenant: str, conversation: str, attachment: str, variant: str) -> bytes:
    """The context of an attachment's record and of each of its files; ids of 32 hexadecimal characters."""
    return context("att", tenant, bytes.fromhex(conversation), bytes.fromhex(attachment), variant)


def _pad(text: bytes) -> bytes:
    """A mark, then zeros to the next step; hides whether the answer was yes or no."""
    return (text + _MARK).ljust(-(-(len(text) + 1) // _STEP) * _STEP, b"\0")


def _unpad(padded: bytes) -> bytes:
    text = padded.rstrip(b"\0")
    if not text.endswith(_MARK) or len(padded) - len(text) >= _STEP or len(padded) % _STEP:
        raise ContentUnavailable(Reason.PADDING)
    return text[:-1]


def _fault(key: DataKey, kind: Kind, sealed: bytes) -> Reason:
    """Which of the checks before the cipher failed; the header is compared whole, so this runs on refusal only."""
    if len(sealed) < _SHORTEST:
        return Reason.LENGTH
    wanted = (1, 1, kind, 1)
    for found, right, reason in zip(
        sealed[:4], wanted, (Reason.VERSION, Reason.SUITE, Reason.KIND, Reason.FLAGS), strict=True
    ):
        if found != right:
            return reason
    return Reason.OTHER_KEY
