"""Names: the label that a file came with, made harmless; it names nothing on our disk and is kept sealed."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote

from media.types import FileType

NAME_LIMIT: Final = 120
_SAFE_CATEGORIES: Final = re.compile(r"[LMNPS].|Zs")
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def clean(declared: str, known: FileType) -> str:
    """At most 120 visible characters, no path, no control or direction marks, and an extension that tells the truth."""
    last = re.split(r"[/\\]", declared[:4096])[-1]
    visible = "".join(
        c for c in unicodedata.normalize("NFC", last) if _SAFE_CATEGORIES.fullmatch(unicodedata.category(c))
    )
    name = " ".join(_FORBIDDEN.sub("_", visible).split()).strip(". ")
    stem, dot, extension = name.rpartition(".")
    if not dot or extension.lower() not in known.extensions:
        stem, extension = name, known.extension
    if not stem:
        stem = known.kind
    if _RESERVED.fullmatch(stem):
        stem = f"_{stem}"
    return f"{stem[: NAME_LIMIT - len(extension) - 1].rstrip('. ')}.{extension}"


def disposition(kind: str, name: str) -> str:
    """A `Content-Disposition` of RFC 6266: a plain name for old readers and the true one after RFC 5987."""
    plain = re.sub(r'[^\x20-\x7e]|["\\%]', "_", name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
