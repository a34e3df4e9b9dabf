"""Whatever comes, the parent stands; what goes out is pixels and nothing else."""

import io
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from core.refusals import Invalid, Refusal
from media.decoding import Decoder, Reworked
from media.types import sniff
from tests.media.conftest import pieces

HOSTILE = (
    "metadata/fuzzing", "payloads", "pillow", "heif/heif_corrupted", "heif/heif_other", "mp4parse", "exif/jpg/invalid",
)  # fmt: skip


async def rework(content: bytes, decoder: Decoder | None = None) -> Reworked:
    known = sniff(content)
    assert known is not None
    return await (decoder or Decoder()).rework(pieces(content), known)


def looks_like(shown: Image.Image, wanted: Image.Image) -> float:
    """Mean difference of a channel, 0 to 255."""
    return max(ImageStat.Stat(ImageChops.difference(shown.convert("RGB"), wanted.convert("RGB"))).mean)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF"])
async def test_every_orientation_is_turned_upright(uploads: Path, form: str, orientation: int) -> None:
    with Image.open(uploads / "pillow/hopper.jpg") as hopper:
        turned = hopper.resize((120, 80))
    exif = Image.Exif()
    exif[0x0112] = orientation
    target = io.BytesIO()
    turned.save(target, form, exif=exif, quality=95)

    reworked = await rework(target.getvalue())

    with Image.open(target) as source, Image.open(io.BytesIO(reworked.view)) as shown:
        upright = ImageOps.exif_transpose(source)
        assert shown.size == upright.size == (reworked.head.width, reworked.head.height)
        assert looks_like(shown, upright) < 8


@pytest.mark.parametrize(
    "path",
    [
        "exif/jpg/gps/DSCN0012.jpg", "exif/jpg/gps/DSCN0038.jpg", "exif/jpg/tests/45-gps_ifd.jpg",
        "exif/jpg/xmp/BlueSquare.jpg", "exif/jpg/Canon_40D_photoshop_import.jpg", "exif/heic/IMG_5195.HEIC",
        "pillow/xmp_tags_orientation.png", "payloads/Picture_Metadata/PHP_exif_phpinfo.jpg", "pillow/avif/exif.avif",
    ],
)  # fmt: skip
async def test_no_metadata_is_left_in_what_is_shown(uploads: Path, path: str) -> None:
    reworked = await rework((uploads / path).read_bytes())

    for picture in (reworked.view, reworked.thumb):
        listed = subprocess.run(
            ["exiftool", "-a", "-G1", "-s", "-"], input=picture, capture_output=True, check=True
        ).stdout.decode()
        groups = {line[1 : line.index("]")] for line in listed.splitlines() if line.startswith("[")}
        assert groups <= {"ExifTool", "System", "File", "JFIF", "RIFF", "Composite"}, listed
        assert "GPS" not in listed
        for mark in (b"Exif", b"http://ns.adobe", b"<?php", b"ICC_PROFILE", b"Photoshop"):
            assert mark not in picture


@pytest.mark.parametrize("form", ["JPEG", "GIF"])
async def test_a_comment_does_not_survive(form: str) -> None:
    target = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(target, form, comment=b"canary-in-a-comment")

    reworked = await rework(target.getvalue())

    assert b"canary" in target.getvalue()
    assert b"canary" not in reworked.view + reworked.thumb


async def test_a_large_photo_becomes_a_view_and_a_thumb(uploads: Path) -> None:
    reworked = await rework((uploads / "exif/heic/IMG_5195.HEIC").read_bytes())

    with Image.open(io.BytesIO(reworked.view)) as view, Image.open(io.BytesIO(reworked.thumb)) as thumb:
        assert (max(view.size), max(thumb.size)) == (2048, 320)
        assert view.format == "JPEG"
    assert (reworked.head.width, reworked.head.height) == (2566, 3313)


async def test_see_through_pictures_stay_so(uploads: Path) -> None:
    reworked = await rework((uploads / "heif/non_heif/RGBA_8__29x100.png").read_bytes())

    with Image.open(io.BytesIO(reworked.view)) as view:
        assert (view.format, view.mode) == ("WEBP", "RGBA")


async def test_deep_grey_is_not_cut_off_at_white() -> None:
    target = io.BytesIO()
    Image.new("I;16", (32, 32), 0x4000).save(target, "PNG")

    reworked = await rework(target.getvalue())

    with Image.open(io.BytesIO(reworked.view)) as view:
        assert ImageStat.Stat(view.convert("L")).mean[0] == pytest.approx(0x40, abs=2)


async def test_a_header_that_promises_too_much_is_refused() -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")

    side = (60_000).to_bytes(4, "big")
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", side + side + b"\1\0\0\0\0") + chunk(b"IDAT", zlib.compress(bytes(9)))

    with pytest.raises(Invalid) as refusal:
        await rework(bomb + chunk(b"IEND", b""))

    assert refusal.value.code == "picture_too_many_pixels"
    assert "40 megapixels" in refusal.value.sentence


async def test_an_endless_animation_is_refused() -> None:
    frames = [Image.new("L", (4, 4), shade % 256) for shade in range(301)]
    target = io.BytesIO()
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:], duration=10)

    with pytest.raises(Invalid) as refusal:
        await rework(target.getvalue())

    assert refusal.value.code == "picture_too_many_frames"


async def test_hostile_files_end_in_a_picture_or_a_refusal(uploads: Path) -> None:
    found = sorted(path for folder in HOSTILE for path in (uploads / folder).rglob("*") if path.is_file())
    tried = [content for content in map(Path.read_bytes, found) if (known := sniff(content)) and known.kind == "image"]
    assert len(tried) > 60
    decoder, refused = Decoder(), 0

    for content in tried[:: max(1, len(tried) // 60)]:
        try:
            reworked = await rework(content, decoder)
        except Refusal as refusal:
            refused += 1
            assert (refusal.status, refusal.sentence[-1]) == (422, ".")  # noqa: PT017  (either outcome is right)
        else:
            assert sniff(reworked.view) is not None

    assert refused > 0


async def test_a_child_that_hangs_is_killed(uploads: Path) -> None:
    hanging = Decoder((sys.executable, "-c", "import signal; signal.pause()"), wall_s=0.5)

    with pytest.raises(Invalid, match="picture_unreadable"):
        await rework((uploads / "pillow/hopper.jpg").read_bytes(), hanging)


@pytest.mark.parametrize(
    "answer",
    [
        "import os; os.kill(os.getpid(), 9)",
        "print('nonsense' * 9)",
        "import os; os.write(1, b'\\xff' * 8)",
        "import os; os.write(1, b'\\0\\0\\0\\x02{}')",
    ],
)
async def test_a_child_that_dies_or_lies_is_a_refusal(uploads: Path, answer: str) -> None:
    with pytest.raises(Invalid, match="picture_unreadable"):
        await rework((uploads / "pillow/hopper.jpg").read_bytes(), Decoder((sys.executable, "-c", answer)))


@pytest.mark.parametrize(
    "deed",
    [
        "open('/etc/passwd')",
        "open('/tmp/left-behind', 'w')",
        "__import__('socket').socket()",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "bytearray(600 << 20)",
    ],
)
def test_the_confined_process_can_do_nothing_but_think(deed: str) -> None:
    program = f"""
import os, socket, sys
from media.confinement import confine
assert confine()
try:
    {deed}
except (OSError, MemoryError):
    sys.exit(7)
"""

    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)

    assert outcome.returncode == 7, outcome.stderr
