"""Records: what is known about one attachment, sealed beside it; a part of it is told to whoever may see the file."""

from typing import Final

import msgspec

from core.vault import envelope
from core.vault.keys import DataKey, Kind
from core.vault.refusals import ContentUnavailable, Reason
from media.models import Attachment
from media.types import BY_MEDIA_TYPE

VARIANTS: Final = ("view", "thumb", "original")


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes in bytes, width and height in pixels of the upright original; `taken` is kept as evidence only."""

    name: str
    declared_type: str
    type: str
    size: int
    sha256: bytes
    width: int
    height: int
    frames: int
    taken: str | None
    shown_type: str
    view_size: int
    thumb_size: int
    placeholder: str

    def size_of(self, variant: str) -> int:
        """Plain bytes of one of the files."""
        return {"view": self.view_size, "thumb": self.thumb_size}.get(variant, self.size)

    def type_of(self, variant: str) -> str:
        """Media type of one of the files."""
        return self.type if variant == "original" else self.shown_type


def seal(tenant: str, row: Attachment, key: DataKey, record: Record) -> bytes:
    """Seal the record for exactly this attachment of this scope."""
    return envelope.seal(
        key, Kind.ATTACHMENT, context(tenant, row.scope, row.id, "record"), msgspec.json.encode(record)
    )


def unseal(tenant: str, row: Attachment, key: DataKey) -> Record:
    """Open it again. Raises: ContentUnavailable."""
    plain = envelope.unseal(key, Kind.ATTACHMENT, context(tenant, row.scope, row.id, "record"), row.record_sealed)
    try:
        return msgspec.json.decode(plain, type=Record)
    except msgspec.DecodeError:
        raise ContentUnavailable(Reason.TEXT) from None


def context(tenant: str, scope: str, attachment_id: str, variant: str) -> bytes:
    """What binds a file or record to its place."""
    return envelope.attachment_context(tenant, scope, attachment_id, variant)


def blob(row: Attachment, variant: str) -> str:
    """The name under which a variant lies in the blob store."""
    return {"original": row.original_blob, "view": row.view_blob, "thumb": row.thumb_blob}[variant]


def facts(row: Attachment, record: Record) -> dict[str, object]:
    """What may be told: never the hash, the time it was taken or what the sender's device said."""
    return {
        "id": row.id,
        "kind": row.kind,
        "type": record.type,
        "width": record.width,
        "height": record.height,
        "size": record.size,
        "name": record.name,
        "placeholder": record.placeholder,
        "file": file_name(row.id, record.type_of(copied_variant(row))),
    }


def copied_variant(row: Attachment) -> str:
    """Which file goes into the owner's copy: her own original, or another's picture as it was shown to her."""
    return "original" if row.uploader == row.owner else "view"


def file_name(attachment_id: str, media_type: str) -> str:
    """The name of a file in a person's copy."""
    return f"{attachment_id}.{BY_MEDIA_TYPE[media_type].extension}"
