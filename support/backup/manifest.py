"""The manifest: what a back-up holds, file by file, signed by the vault; nothing in it says what anybody wrote.

Danger. A back-up comes from outside: files changed, names that climb out of the folder, another shop's data.

Principle. Nothing of it is used before the signature and the shape have been checked; names are of two shapes only.
"""

import hashlib
import re
from pathlib import Path
from typing import Final

import msgspec
import rfc8785

from core.refusals import Invalid
from core.vault.keystore import Vault

FORMAT: Final = "aftercare/backup/1"
SIGNED: Final = b"cs/backup/v1"
SIGNER: Final = "audit"
MANIFEST, SIGNATURE, DATA, MEDIA = "manifest.json", "manifest.sig", "data.db", "media"
LARGEST: Final = 256 * 1024 * 1024
_NAME: Final = re.compile(r"media/([0-9a-f]{2})/(\1[0-9a-f]{30})")


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file; `size` in bytes."""

    name: str
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a back-up is a copy of. `generation` and `tombstones` say which keystores are too old to read it."""

    format: str
    tenant: str
    created_ms: int
    schema: str
    generation: int
    ledger_seq: int
    ledger_hash: str
    tombstones: int
    counts: dict[str, int]
    missing_files: int
    entries: list[Entry]

    @property
    def blobs(self) -> list[Entry]:
        """The sealed files."""
        return [entry for entry in self.entries if entry.name != DATA]


def blob_name(entry: Entry) -> str:
    """The name of a blob in its store."""
    return entry.name.rpartition("/")[2]


def sign(vault: Vault, manifest: Manifest) -> tuple[bytes, bytes]:
    """The two files of a manifest: itself as canonical JSON, and the signature in hexadecimal digits."""
    raw = rfc8785.dumps(msgspec.to_builtins(manifest))
    return raw, vault.sign(SIGNER, SIGNED + hashlib.sha256(raw).digest()).hex().encode() + b"\n"


def is_backup(folder: Path) -> bool:
    """Whether a folder looks like a back-up of ours."""
    return (folder / MANIFEST).is_file() and (folder / DATA).is_file()


def read(folder: Path, vault: Vault, *, tenant: str) -> Manifest:
    """The manifest of a back-up that this shop has signed. Raises: Invalid."""
    try:
        with (folder / MANIFEST).open("rb") as file:
            raw = file.read(LARGEST)
        signature = bytes.fromhex((folder / SIGNATURE).read_text("ascii")[:200].strip())
    except (OSError, ValueError):
        raise Invalid("not_a_backup", f"{folder} is not a back-up, or a file of it is missing.") from None
    if not vault.verify(SIGNER, SIGNED + hashlib.sha256(raw).digest(), signature):
        raise Invalid("backup_signature", f"{folder} was not signed by this shop's keys, or was changed since.")
    manifest = msgspec.json.decode(raw, type=Manifest)  # signed by us: its shape is ours
    if manifest.format != FORMAT or manifest.tenant != tenant:
        raise Invalid("backup_of_another", f"{folder} is a back-up of another shop or of another kind.")
    for entry in manifest.entries:
        if entry.name != DATA and not _NAME.fullmatch(entry.name):
            raise Invalid("backup_name", f"{folder} names a file that no back-up has.")
    return manifest


def refuse_changed(folder: Path, entry: Entry) -> None:
    """Raise Invalid unless this file is there as it was signed."""
    try:
        found = measure(folder, entry.name)
    except OSError:
        raise Invalid("backup_file", f"{folder / entry.name} is missing or cannot be read.") from None
    if found != entry:
        raise Invalid("backup_file", f"{folder / entry.name} is not what was signed.")


def measure(folder: Path, name: str) -> Entry:
    """The entry of a file as it lies there."""
    with (folder / name).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return Entry(name, file.tell(), digest.hexdigest())
