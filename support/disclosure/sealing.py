"""Sealing: what people write into a case, readable only with the key of the case, which is destroyed with it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from core import ids
from core.services import Core
from core.vault.keys import DataKey
from support.disclosure.models import Disclosure

TABLE = "disclosure"


@dataclass(frozen=True)
class Fresh:
    """The id and the key of a case to be."""

    id: str
    key: DataKey


async def prepare(core: Core) -> Fresh:
    """Make a key for a case, committed before this returns; `discard` it when there is no case after all."""
    case_id = ids.new()
    return Fresh(case_id, await core.vault.create(case_id, _owner(case_id)))


async def discard(core: Core, fresh: Fresh) -> None:
    """Destroy a key under which nothing was kept."""
    await core.vault.destroy([fresh.key.id], reason="unused")


def key_of(core: Core, row: Disclosure) -> DataKey:
    """The key of the case. Raises: ContentUnavailable."""
    return core.vault.key(row.dek_id, scope=row.id, owner=_owner(row.id))


def seal_facts(core: Core, key: DataKey, case_id: str, facts: Mapping[str, str], column: str = "facts") -> bytes:
    """The facts, or with another column the notes, as they lie in the row."""
    return core.vault.seal_field(key, TABLE, case_id, column, msgspec.json.encode(facts).decode())


def facts_of(core: Core, row: Disclosure) -> dict[str, str]:
    """What the case says."""
    text = core.vault.open_field(key_of(core, row), TABLE, row.id, "facts", row.facts_sealed)
    return msgspec.json.decode(text, type=dict[str, str])


def notes_of(core: Core, row: Disclosure) -> dict[str, str]:
    """How it was delivered, and why its subject was not told."""
    if row.notes_sealed is None:
        return {}
    text = core.vault.open_field(key_of(core, row), TABLE, row.id, "notes", row.notes_sealed)
    return msgspec.json.decode(text, type=dict[str, str])


def seal_document(core: Core, row: Disclosure, content: bytes) -> bytes:
    """The demand as it came."""
    return core.vault.seal_field(key_of(core, row), TABLE, row.id, "document", base64.b85encode(content).decode())


def document_of(core: Core, row: Disclosure) -> bytes | None:
    """The demand as it came."""
    if row.document_sealed is None:
        return None
    return base64.b85decode(core.vault.open_field(key_of(core, row), TABLE, row.id, "document", row.document_sealed))


def _owner(case_id: str) -> str:
    return f"disclosure:{case_id}"
