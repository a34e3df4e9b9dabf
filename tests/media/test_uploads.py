"""What comes in is sealed as it comes, once, and leaves nothing behind when it fails."""

import asyncio
import io
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sqlalchemy import func, select

from core.clock import DAY
from core.refusals import Conflict, Invalid, NotFound, TooLarge, TooMany, Unsupported
from core.vault.refusals import ContentUnavailable
from media import holdings, sweeping
from media.intake import TooSlow
from media.types import sniff
from media.uploads import TABLE
from support.privacy import uploads as uploads_never_sent
from tests.media.conftest import NOW, SHOPPER, Make, Room, pieces

STRANGER = "person:" + "b" * 32


def files(room: Room) -> list[Path]:
    return [path for path in (room.media.core.settings.data / "media").rglob("*") if path.is_file()]


def rows(room: Room) -> int:
    count = select(func.count()).select_from(TABLE)
    return room.media.core.database.read_now(lambda tx: int(tx.execute(count).scalar_one()))


async def test_a_photo_comes_back_as_it_went_in(room: Room, uploads: Path) -> None:
    photo = (uploads / "exif/jpg/gps/DSCN0012.jpg").read_bytes()

    row = await room.send(photo, declared_name="DSCN0012.jpg")

    assert await room.plain(row, "original") == photo
    record = room.media.record(row, room.key)
    assert (record.type, record.size, record.name) == ("image/jpeg", len(photo), "DSCN0012.jpg")
    assert (record.width, record.height) == (640, 480)
    assert record.taken == "2008-10-22T16:29:49"
    assert record.taken not in str(room.media.facts(row, room.key))


@pytest.mark.clause("2(4)")
async def test_nothing_of_a_picture_lies_readable_on_the_disk(room: Room, tmp_path: Path) -> None:
    canary = b"canary-5f1e77-in-a-comment"
    comment = PngInfo()
    comment.add_text("Comment", canary.decode())
    target = io.BytesIO()
    Image.effect_noise((200, 200), 90).save(target, "PNG", pnginfo=comment)
    picture = target.getvalue()

    row = await room.send(picture, declared_name="birthday-canary.png")

    shown = await room.plain(row, "view")
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert len(files(room)) == 3
    for secret in (canary, picture[1000:1032], shown[1000:1032], b"birthday-canary"):
        assert secret not in everything
    assert canary not in shown


async def test_files_can_be_read_by_nobody_else(room: Room, uploads: Path) -> None:
    await room.send((uploads / "pillow/hopper.jpg").read_bytes())

    assert {path.stat().st_mode & 0o777 for path in files(room)} == {0o600}
    assert {path.parent.stat().st_mode & 0o777 for path in files(room)} == {0o700}


async def test_the_same_upload_twice_is_one_attachment(room: Room, uploads: Path) -> None:
    photo = (uploads / "pillow/hopper.jpg").read_bytes()
    first = await room.send(photo, upload_id="upload-0001")

    second = await room.send(photo, upload_id="upload-0001")

    assert second.id == first.id
    assert rows(room) == 1
    assert len(files(room)) == 3


async def test_the_same_upload_twice_at_once_is_one_attachment(room: Room, uploads: Path) -> None:
    photo = (uploads / "pillow/hopper.jpg").read_bytes()

    first, second = await asyncio.gather(*(room.send(photo, upload_id="upload-0001") for _ in range(2)))

    assert first.id == second.id
    assert rows(room) == 1
    assert len(files(room)) == 3


async def test_another_file_under_the_same_upload_is_a_conflict(room: Room, uploads: Path) -> None:
    await room.send((uploads / "pillow/hopper.jpg").read_bytes(), upload_id="upload-0001")

    with pytest.raises(Conflict):
        await room.send((uploads / "pillow/flower.jpg").read_bytes(), upload_id="upload-0001")

    assert len(files(room)) == 3


async def test_a_dropped_connection_leaves_nothing_and_the_retry_stands(room: Room, uploads: Path) -> None:
    photo = (uploads / "exif/jpg/gps/DSCN0012.jpg").read_bytes()

    async def dropped() -> AsyncGenerator[bytes, None]:
        async for piece in pieces(photo[: len(photo) * 99 // 100]):
            yield piece
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await room.media.receive(
            dropped(), upload_id="upload-0001", scope=room.scope, key=room.key, uploader=SHOPPER,
            declared_name="a.jpg", declared_size=len(photo), now=NOW,
        )  # fmt: skip
    assert (files(room), rows(room)) == ([], 0)

    row = await room.send(photo, upload_id="upload-0001")

    assert await room.plain(row, "original") == photo


async def test_a_cancelled_upload_leaves_nothing(room: Room, uploads: Path) -> None:
    photo = (uploads / "exif/jpg/gps/DSCN0012.jpg").read_bytes()
    is_under_way, never = asyncio.Event(), asyncio.Event()

    async def stalling() -> AsyncGenerator[bytes, None]:
        yield photo[:100_000]
        is_under_way.set()
        await never.wait()

    task = asyncio.create_task(
        room.media.receive(
            stalling(),
            upload_id="upload-0001",
            scope=room.scope,
            key=room.key,
            uploader=SHOPPER,
            declared_name="a.jpg",
            declared_size=None,
            now=NOW,
        )
    )
    await is_under_way.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert (files(room), rows(room)) == ([], 0)


@pytest.mark.parametrize("difference", [-1, 1])
async def test_a_length_that_lies_is_refused(room: Room, uploads: Path, difference: int) -> None:
    photo = (uploads / "pillow/flower.jpg").read_bytes()

    with pytest.raises(Invalid, match="file_size"):
        await room.send(photo, declared_size=len(photo) + difference)

    assert (files(room), rows(room)) == ([], 0)


@pytest.mark.parametrize("declared", [None, 20_001])
async def test_a_body_over_the_limit_is_refused(room: Room, make: Make, declared: int | None) -> None:
    room.media = make(image_bytes=20_000)

    with pytest.raises(TooLarge):
        await room.send(b"\xff\xd8\xff" + bytes(19_998), declared_size=declared)

    assert files(room) == []


async def test_a_trickling_sender_is_cut_off_and_the_place_is_free_again(room: Room, make: Make, uploads: Path) -> None:
    room.media = make(grace_s=0.05, bytes_per_s=1_000_000, at_once=1)
    never = asyncio.Event()

    async def trickling() -> AsyncGenerator[bytes, None]:
        yield b"\xff\xd8\xff"
        await never.wait()

    with pytest.raises(TooSlow):
        await room.media.receive(
            trickling(), upload_id="upload-0001", scope=room.scope, key=room.key, uploader=SHOPPER,
            declared_name="a.jpg", declared_size=None, now=NOW,
        )  # fmt: skip

    assert (await room.send((uploads / "pillow/hopper.jpg").read_bytes())).uploader == SHOPPER


async def test_only_three_files_at_once(room: Room, uploads: Path) -> None:
    photo = (uploads / "pillow/hopper.jpg").read_bytes()

    outcomes = await asyncio.gather(*(room.send(photo) for _ in range(4)), return_exceptions=True)

    assert [isinstance(outcome, TooMany) for outcome in outcomes] == [False, False, False, True]


async def test_the_quota_counts_what_is_kept(room: Room, make: Make, uploads: Path) -> None:
    room.media = make(image_bytes=30_000, stored_bytes=40_000)
    photo = (uploads / "pillow/hopper.jpg").read_bytes()
    await room.send(photo)

    with pytest.raises(TooMany, match="quota"):
        await room.send(photo)
    other = await room.send(photo, uploader=STRANGER, owner=SHOPPER)

    assert other.uploader == STRANGER


@pytest.mark.parametrize(
    "path",
    [
        "payloads/Picture_ImageMagick/convert_local_etc_passwd_html.svg",
        "payloads/Picture_ImageMagick/imagetragik1_payload_url_touch.jpg",
        "pillow/crash-0da013a13571cc8eb457a39fee8db18f8a3c7127.tif",
        "pillow/oom-8ed3316a4109213ca96fb8a256a0bfefdece1461.icns",
        "zip-slip/archives/zip-slip.zip",
    ],
)
async def test_what_only_calls_itself_a_picture_is_refused(room: Room, uploads: Path, path: str) -> None:
    with pytest.raises(Unsupported) as refusal:
        await room.send((uploads / path).read_bytes(), declared_name="cat.png", declared_type="image/png")

    assert refusal.value.status == 415
    assert files(room) == []


@pytest.mark.parametrize("content", [b"", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<!doctype html><script>alert(1)</script>"])
async def test_pages_programs_and_nothing_are_refused(room: Room, content: bytes) -> None:
    with pytest.raises(Unsupported):
        await room.send(content, declared_name="cat.png", declared_type="image/png")


async def test_a_video_is_told_apart_and_declined_for_now(room: Room, uploads: Path) -> None:
    for path in (
        "mp4parse/mp4parse_capi/tests/short-cenc.mp4",
        "libwebm/testing/testdata/tracks.webm",
        "payloads/CVE_FFmpeg_HLS/read_passwd_bypass.mp4",
        "payloads/CVE_FFmpeg_HLS/read_shadow.avi",
    ):
        content = (uploads / path).read_bytes()
        known = sniff(content)

        assert known is None or known.kind == "video"
        with pytest.raises(Unsupported):
            await room.send(content)


async def test_a_picture_that_cannot_be_read_leaves_nothing(room: Room, uploads: Path) -> None:
    with pytest.raises(Invalid, match="picture_unreadable"):
        await room.send((uploads / "pillow/truncated_jpeg.jpg").read_bytes())

    assert (files(room), rows(room)) == ([], 0)


async def test_an_upload_is_claimed_once_by_its_uploader_in_its_conversation(room: Room, uploads: Path) -> None:
    row = await room.send((uploads / "pillow/hopper.jpg").read_bytes())
    write = room.media.core.database.write

    for scope, uploader in ((room.scope, STRANGER), ("c" * 32, SHOPPER)):
        with pytest.raises(NotFound):
            await write(room.media.claim, row.id, scope=scope, uploader=uploader, now=NOW)
    facts = await write(room.media.claim, row.id, scope=room.scope, uploader=SHOPPER, now=NOW)
    with pytest.raises(Conflict):
        await write(room.media.claim, row.id, scope=room.scope, uploader=SHOPPER, now=NOW)

    assert facts["id"] == row.id
    assert (facts["width"], facts["height"], facts["type"]) == (128, 128, "image/jpeg")


@pytest.mark.clause("5(1)3")
async def test_an_upload_that_was_never_sent_goes_after_a_day(room: Room, uploads: Path) -> None:
    photo = (uploads / "pillow/hopper.jpg").read_bytes()
    sent, unsent = await room.send(photo), await room.send(photo)
    await room.media.core.database.write(room.media.claim, sent.id, scope=room.scope, uploader=SHOPPER, now=NOW)

    with pytest.raises(NotFound):
        await room.media.core.database.write(
            room.media.claim, unsent.id, scope=room.scope, uploader=SHOPPER, now=NOW + DAY
        )
    swept = await uploads_never_sent.sweep(room.media.core, [holdings.holding(room.media)], now=NOW + DAY)

    assert swept == 1
    assert (await sweeping.sweep(room.media, now=NOW + DAY)).missing == ()
    assert rows(room) == 1
    assert await room.plain(sent, "original") == photo


async def test_a_file_without_a_row_is_swept_and_a_row_without_a_file_is_reported(room: Room, uploads: Path) -> None:
    row = await room.send((uploads / "pillow/hopper.jpg").read_bytes())
    await room.media.blobs.create("d" * 32, pieces(b"left by a crash"))
    await room.media.blobs.delete(row.thumb_blob)
    later = max(path.stat().st_mtime_ns for path in files(room)) // 1_000_000 + sweeping.ORPHAN_AGE_MS + 1

    orphans = await sweeping._sweep_orphans(room.media, [sweeping._with_row], now=later)
    swept = orphans, await sweeping._missing(room.media)

    assert swept == (1, (row.id,))
    assert len(files(room)) == 2


@pytest.mark.parametrize("change", ["flip", "cut", "swap"])
async def test_a_changed_file_is_never_given_out(room: Room, uploads: Path, change: str) -> None:
    row = await room.send((uploads / "exif/jpg/gps/DSCN0012.jpg").read_bytes())
    path = next(path for path in files(room) if path.name == row.original_blob)
    content = bytearray(path.read_bytes())
    if change == "flip":
        content[100_000] ^= 1
    elif change == "cut":
        del content[-1:]
    else:
        size = 65_552
        content[80 : 80 + 2 * size] = content[80 + size : 80 + 2 * size] + content[80 : 80 + size]
    path.write_bytes(content)

    with pytest.raises(ContentUnavailable):
        await room.plain(row, "original")
