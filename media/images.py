"""Images: from the bytes that came to two clean pictures; runs only in the confined child (`media.sandbox`).

Danger. A header that promises 3.6 thousand million pixels, a decoder nobody meant to offer, and metadata (where the
phone stood, whose it is, an uncropped thumbnail, a comment) that survives because saving keeps what loading found.

Principle. One decoder, named by the sniffed type, opens the file; the header is judged before a pixel is decoded.
What goes out is a new image built from pixels alone, turned upright and in sRGB, so there is nothing to strip.
"""

import base64
import io
import re
import warnings
from dataclasses import dataclass
from typing import Final

import pillow_heif
from PIL import (
    AvifImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

# all that will be needed, since nothing can be imported any more once confined; EXIF is read by the TIFF module
PLUGINS: Final = (
    AvifImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
PIXEL_LIMIT: Final = 40_000_000
FRAME_LIMIT: Final = 300
VIEW_PIXELS: Final = 2048
THUMB_PIXELS: Final = 320
PLACEHOLDER_PIXELS: Final = 16
QUALITY: Final = 85

_ORIENTATION: Final = 0x0112
_EXIF_FOLDER: Final = 0x8769
_TAKEN: Final = 0x9003
_TAKEN_OFFSET: Final = 0x9011
_DATE: Final = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)")
_OFFSET: Final = re.compile(r"[+-]\d\d:\d\d")
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS: Final = frozenset({5, 6, 7, 8})
_SRGB: Final = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


class Unfit(Exception):
    """The picture will not be shown; the text is a code of ours, never something from the file."""


@dataclass(frozen=True)
class Picture:
    """What came of it: pixels of the upright original, when it was taken, and the re-encoded pictures."""

    width: int
    height: int
    frames: int
    taken: str | None
    media_type: str
    placeholder: str
    view: bytes
    thumb: bytes


def prepare() -> None:
    """Set the limits of the libraries, once, before any input."""
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = PIXEL_LIMIT
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.preinit()  # it would import more files at the first picture, when none may be opened any more
    pillow_heif.options.DECODE_THREADS = 1
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def rework(content: bytes, decoder: str) -> Picture:
    """Judge the header, decode the first frame, build the pictures. Raises: Unfit, and whatever a decoder raises."""
    try:
        image = Image.open(io.BytesIO(content), formats=[decoder])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Unfit("too_many_pixels") from None
    if image.width * image.height > PIXEL_LIMIT:
        raise Unfit("too_many_pixels")
    frames = getattr(image, "n_frames", 1)
    if frames > FRAME_LIMIT:
        raise Unfit("too_many_frames")
    image.seek(0)
    orientation, taken = _read_exif(image)
    width, height = image.size
    if orientation in _SIDEWAYS:
        width, height = height, width
    view = _upright(_plain(_shrunk(image)), orientation)
    thumb = _fit(view, THUMB_PIXELS)
    tiny = _fit(thumb, PLACEHOLDER_PIXELS)
    return Picture(
        width,
        height,
        frames,
        taken,
        "image/webp" if view.mode == "RGBA" else "image/jpeg",
        base64.b64encode(_encode(tiny, "WEBP", quality=30)).decode(),
        _encoded(view),
        _encoded(thumb),
    )


def _read_exif(image: Image.Image) -> tuple[int, str | None]:
    """Orientation (1 when it cannot be read) and the time it was taken; broken metadata never refuses a picture."""
    try:
        exif = image.getexif()
        orientation = exif.get(_ORIENTATION, 1)
        details = exif.get_ifd(_EXIF_FOLDER)
        return (orientation if orientation in _TURNS else 1), _moment(details.get(_TAKEN), details.get(_TAKEN_OFFSET))
    except Exception:  # the parser meets every kind of broken bytes and raises every kind of error
        return 1, None


def _moment(taken: object, offset: object) -> str | None:
    """EXIF's `2024:05:01 12:00:00` and offset as ISO 8601."""
    date = _DATE.fullmatch(taken.strip("\0 ")) if isinstance(taken, str) else None
    if date is None:
        return None
    year, month, day, clock = date.groups()
    zone = offset.strip("\0 ") if isinstance(offset, str) else ""
    return f"{year}-{month}-{day}T{clock}{zone if _OFFSET.fullmatch(zone) else ''}"


def _shrunk(image: Image.Image) -> Image.Image:
    """Decode, as small as the view allows: JPEG skips what it will not need, and later steps work on less."""
    image.draft(None, (VIEW_PIXELS, VIEW_PIXELS))
    image.load()
    if image.mode in {"1", "P", "PA"}:  # palettes do not mix: shrinking would pick the nearest colour
        has_alpha = image.mode == "PA" or "transparency" in image.info
        image = _with_profile(image.convert("RGBA" if has_alpha else "RGB"), image)
    if max(image.size) > VIEW_PIXELS:
        image.thumbnail((VIEW_PIXELS, VIEW_PIXELS), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return image


def _with_profile(image: Image.Image, source: Image.Image) -> Image.Image:
    if "icc_profile" in source.info:
        image.info["icc_profile"] = source.info["icc_profile"]
    return image


def _plain(image: Image.Image) -> Image.Image:
    """A new image of nothing but sRGB pixels: saving a converted one would keep comments and profiles."""
    has_alpha = image.mode in {"RGBA", "LA", "La", "RGBa"} or "transparency" in image.info
    wanted = "RGBA" if has_alpha else "RGB"
    image = _to_srgb(_eight_bit(image), wanted)
    if wanted == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        image = image.convert("RGB")
    return Image.frombytes(image.mode, image.size, image.tobytes())


def _eight_bit(image: Image.Image) -> Image.Image:
    """Deep grey pixels, 16 bits each, to 8; a plain conversion would cut every bright one off at white."""
    if image.mode == "I":
        return image.point([value >> 8 for value in range(65536)], "L")
    if image.mode.startswith("I;16"):
        return image.convert("I").point([value >> 8 for value in range(65536)], "L")
    return image.convert("L") if image.mode == "F" else image


def _to_srgb(image: Image.Image, wanted: str) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile and image.mode in {"RGB", "RGBA", "CMYK", "L"}:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, source, _SRGB, outputMode=wanted) or image.convert(wanted)
        except (ImageCms.PyCMSError, OSError):  # a broken profile: the colours are a little off, the picture is there
            return image.convert(wanted)
    return image if image.mode == wanted else image.convert(wanted)


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _fit(image: Image.Image, pixels: int) -> Image.Image:
    """A smaller copy whose longer side is at most `pixels`."""
    smaller = image.copy()
    smaller.thumbnail((pixels, pixels), Image.Resampling.LANCZOS)
    return smaller


def _encoded(image: Image.Image) -> bytes:
    return _encode(image, "WEBP") if image.mode == "RGBA" else _encode(image, "JPEG", optimize=True, progressive=True)


def _encode(image: Image.Image, form: str, *, quality: int = QUALITY, **options: bool) -> bytes:
    target = io.BytesIO()
    image.save(target, form, quality=quality, **options)
    return target.getvalue()
