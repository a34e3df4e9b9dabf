"""Verifying: whether a copy is exactly what was signed; the first fault is named.

Danger. An archive comes from outside: names that climb out of a folder, two entries of one name, sizes that lie.
Nothing is ever unpacked, and no entry is read past the size that the manifest states.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from support.privacy.packing import FORMAT, MANIFEST, SIGNATURE, SIGNED

IsSigned = Callable[[bytes, bytes], bool]
LARGEST_MANIFEST = 64 * 1024 * 1024
PIECE = 1024 * 1024


class Spoiled(Exception):
    """The archive is not what was signed; `why` is a code and `name` the entry."""

    def __init__(self, why: str, name: str = "") -> None:
        super().__init__(f"{name}: {why}" if name else why)
        self.why = why
        self.name = name


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    size: int
    sha256: str


class _Manifest(msgspec.Struct, frozen=True):
    format: str
    subject: str
    created_ms: int
    entries: list[_Entry]
    counts: dict[str, int]


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    algorithm: str
    public_key: str
    fingerprint: str
    signature: str


@dataclass(frozen=True)
class Verified:
    """What a whole archive says about itself."""

    subject: str
    created_ms: int
    entries: int
    counts: dict[str, int]


def verify(file: Path, is_signed: IsSigned) -> Verified:
    """Check signature, names, and every entry's size and hash.

    `is_signed(message, signature)` knows the shop's keys, past ones included.

    Raises:
        Spoiled: naming the first entry that is missing, changed, extra, duplicate, or named to climb out.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return _verify(archive, is_signed)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise Spoiled("not_an_archive") from error


def _verify(archive: zipfile.ZipFile, is_signed: IsSigned) -> Verified:
    names = [entry.orig_filename for entry in archive.infolist()]
    _check_names(names)
    raw = _read(archive, MANIFEST, LARGEST_MANIFEST)
    signature = _parsed(_read(archive, SIGNATURE, 4_096), _Signature, SIGNATURE)
    if not is_signed(SIGNED + hashlib.sha256(raw).digest(), _bytes(signature.signature)):
        raise Spoiled("bad_signature", SIGNATURE)
    manifest = _parsed(raw, _Manifest, MANIFEST)
    if manifest.format != FORMAT:
        raise Spoiled("unknown_format", MANIFEST)
    listed = {entry.name: entry for entry in manifest.entries}
    present = set(names) - {MANIFEST, SIGNATURE}
    for name in sorted(listed.keys() - present):
        raise Spoiled("missing", name)
    for name in sorted(present - listed.keys()):
        raise Spoiled("extra", name)
    for name, entry in sorted(listed.items()):
        _check_entry(archive, entry, name)
    return Verified(manifest.subject, manifest.created_ms, len(listed), manifest.counts)


def _check_names(names: list[str]) -> None:
    seen: set[str] = set()
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
            raise Spoiled("climbs_out", name)
        if name in seen:
            raise Spoiled("duplicate", name)
        seen.add(name)


def _check_entry(archive: zipfile.ZipFile, entry: _Entry, name: str) -> None:
    digest, size = hashlib.sha256(), 0
    try:
        with archive.open(name) as stream:
            while size <= entry.size and (piece := stream.read(PIECE)):
                digest.update(piece)
                size += len(piece)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Spoiled("changed", name) from error
    if size != entry.size or digest.hexdigest() != entry.sha256:
        raise Spoiled("changed", name)


def _read(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    try:
        with archive.open(name) as stream:
            found = stream.read(largest + 1)
    except KeyError:
        raise Spoiled("missing", name) from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Spoiled("changed", name) from error
    if len(found) > largest:
        raise Spoiled("too_large", name)
    return found


def _parsed(raw: bytes, shape: type[Any], name: str) -> Any:  # Any: an instance of the shape
    try:
        return msgspec.json.decode(raw, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Spoiled("changed", name) from error


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Spoiled("changed", SIGNATURE) from None
