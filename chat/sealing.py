"""Sealing events: what people wrote, bound to its place in the log, and the chain that shows a missing or changed row.

Danger. A body moved to another conversation, sender, number or time that still opens; a retry compared by a plain hash
that anyone could guess their way through; a row taken out of the log unnoticed.

Principle. The envelope's context is the event's whole place (privacy.md section 3.3), which for an amendment includes
the number of the event it amends, and the sealed text repeats the kind. The payload hash is keyed twice: with the
shop's look-up key and with a value that dies with the conversation's own key. Each row's `chain_hash` covers its
sealed bytes and the hash before it (section 3.14).

Boundary. Pure but for the vault's keys: no transaction is opened here.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Row

from chat.audiences import Event
from chat.models import Conversation, EventRow
from core.vault import envelope
from core.vault.envelope import Kind
from core.vault.keys import DataKey
from core.vault.keystore import Vault
from core.vault.refusals import ContentUnavailable, WrapMismatch

_KINDS = {"message": Kind.MESSAGE, "media": Kind.MESSAGE, "note": Kind.NOTE, "revised": Kind.REVISION}
UNAVAILABLE = {"unavailable": True}
NO_NUMBER = 2**32 - 1


class _Sealed(msgspec.Struct):
    """The plaintext inside an event's envelope. Any: JSON values whose shape the kind decides."""

    k: str
    n: str
    b: dict[str, Any]


_encoder = msgspec.json.Encoder()
_ordered = msgspec.json.Encoder(order="sorted")  # for what is hashed: the same value always gives the same bytes
_decoder = msgspec.json.Decoder(_Sealed)


def key_of(vault: Vault, row: Conversation | Row[Any]) -> DataKey:
    """The conversation's key. While it changes hands it may lie under the next owner already. Raises: Refusal."""
    try:
        return vault.key(row.dek_id, scope=row.id, owner=row.owner)
    except WrapMismatch:
        if row.owner_next is None:
            raise
        return vault.key(row.dek_id, scope=row.id, owner=row.owner_next)


def first_link(conversation_id: str) -> bytes:
    """The hash before the first event."""
    return hashlib.sha256(b"cs/chain/v1" + conversation_id.encode()).digest()


def next_link(previous: bytes, context: bytes, sealed: bytes) -> bytes:
    """`h_n = SHA-256(h_{n-1} || header || context || ciphertext)`."""
    return hashlib.sha256(b"".join((previous, sealed[:24], context, sealed[24:]))).digest()


def place(tenant: str, event: Event) -> bytes:
    """The context that an event is sealed for."""
    message = event.client_id.replace("-", "")
    return envelope.message_context(
        tenant,
        event.conversation_id,
        message,
        seq=event.seq,
        sender=event.sender,
        created_ms=event.created_ms,
        revision=_revision(event.target_seq),
    )


def _revision(target_seq: int | None) -> int:
    """The amended event's number as the context holds it; one that cannot be a number there opens nothing."""
    if target_seq is None:
        return 0
    return target_seq if target_seq in range(1, NO_NUMBER) else NO_NUMBER


def seal(key: DataKey, context: bytes, event: Event) -> bytes:
    """The event's kind, sender's name and body, sealed. Raises: KeySpent."""
    plain = _encoder.encode(_Sealed(event.kind, event.name, event.body))
    return envelope.seal(key, _KINDS.get(event.kind, Kind.EVENT), context, plain)


def open_row(key: DataKey, tenant: str, row: EventRow | Row[Any]) -> Event:
    """The event of a row; one that does not open is shown as unavailable and hides none of the others."""
    closed = Event(
        row.conversation_id,
        row.seq,
        row.pub_seq,
        row.sender,
        "",
        row.client_id,
        row.kind,
        UNAVAILABLE,
        row.created_ms,
        row.attachment_id,
        row.target_seq,
    )
    if row.kind == "erased":
        return replace(closed, body={})
    try:
        plain = envelope.unseal(key, _KINDS.get(row.kind, Kind.EVENT), place(tenant, closed), row.body_sealed)
        inside = _decoder.decode(plain)
    except (ContentUnavailable, msgspec.MsgspecError):
        return closed
    is_itself = inside.k == row.kind and inside.b.get("of", row.target_seq) == row.target_seq
    return replace(closed, name=inside.n, body=inside.b) if is_itself else closed


def payload_key(vault: Vault, key: DataKey) -> bytes:
    """What the payloads of one conversation are hashed with; it cannot be made again once its key is destroyed."""
    return vault.lookup("payload", key.check_value().hex())


def payload_hash(key: bytes, kind: str, body: dict[str, Any]) -> bytes:
    """What tells a retry from another message under the same id; `key` is the conversation's `payload_key`."""
    return hmac.digest(key, _ordered.encode([kind, body]), "sha256")


def first_broken(tenant: str, conversation_id: str, rows: Iterable[EventRow | Row[Any]]) -> int | None:
    """The first number at which the chain of a whole log does not hold, or None when all of it does."""
    link, expected = first_link(conversation_id), 1
    for row in rows:
        event = Event(
            row.conversation_id,
            row.seq,
            row.pub_seq,
            row.sender,
            "",
            row.client_id,
            row.kind,
            {},
            row.created_ms,
            target_seq=row.target_seq,
        )
        erased = row.kind == "erased"  # the tombstone keeps its hash, what was hashed is gone
        link = row.chain_hash if erased else next_link(link, place(tenant, event), row.body_sealed)
        if row.seq != expected or link != row.chain_hash:
            return expected
        expected += 1
    return None
