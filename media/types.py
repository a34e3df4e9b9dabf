"""Types: what a file is, told from its own first bytes and never from its name or from what the sender says."""

from dataclasses import dataclass
from typing import Final, Literal

SNIFF_BYTES: Final = 1 << 16

Kind = Literal["image", "video"]


@dataclass(frozen=True)
class FileType:
    """A type we know: its kind, its media type, its usual extensions, and the one decoder that may read it."""

    kind: Kind
    media_type: str
    extensions: tuple[str, ...]
    decoder: str = ""

    @property
    def extension(self) -> str:
        """The usual one, without the dot."""
        return self.extensions[0]


JPEG: Final = FileType("image", "image/jpeg", ("jpg", "jpeg", "jpe", "jfif"), "JPEG")
PNG: Final = FileType("image", "image/png", ("png", "apng"), "PNG")
WEBP: Final = FileType("image", "image/webp", ("webp",), "WEBP")
GIF: Final = FileType("image", "image/gif", ("gif",), "GIF")
HEIC: Final = FileType("image", "image/heic", ("heic", "heif", "hif"), "HEIF")
AVIF: Final = FileType("image", "image/avif", ("avif",), "AVIF")
MP4: Final = FileType("video", "video/mp4", ("mp4", "mov", "m4v", "3gp"))
WEBM: Final = FileType("video", "video/webm", ("webm", "mkv"))
AVI: Final = FileType("video", "video/x-msvideo", ("avi",))

BY_MEDIA_TYPE: Final = {known.media_type: known for known in (JPEG, PNG, WEBP, GIF, HEIC, AVIF, MP4, WEBM, AVI)}

_HEIF_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
)
_AVIF_BRANDS: Final = frozenset({b"avif", b"avis"})
_MOVIE_BRANDS: Final = frozenset(
    {b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"qt  ", b"dash", b"3gp4",
     b"3gp5", b"3gp6", b"3g2a", b"MSNV", b"mmp4", b"f4v "}
)  # fmt: skip


def sniff(head: bytes) -> FileType | None:
    """The type that the first bytes of a file show, or None."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM
    if head.startswith(b"RIFF"):
        return {b"WEBP": WEBP, b"AVI ": AVI}.get(head[8:12])
    return _boxed(head) if head[4:8] == b"ftyp" else None


def _boxed(head: bytes) -> FileType | None:
    """ISO base media: the brands say whether it is a picture or a film; AVIF also calls itself a plain picture."""
    size = int.from_bytes(head[:4], "big")
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(size, 256), 4))]
    for brand in brands:
        if brand in _AVIF_BRANDS:
            return AVIF
    if any(brand in _HEIF_BRANDS for brand in brands):
        return HEIC
    return MP4 if any(brand in _MOVIE_BRANDS for brand in brands) else None
