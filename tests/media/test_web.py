"""A file goes out whole or in part, to whoever may see it, and never half as if it were whole."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request

from core import clock
from core.identity.callers import Caller
from core.refusals import NotFound
from core.vault.keys import DataKey
from core.web.edge import Edge
from media import web
from media.models import Attachment
from tests.conftest import free_port
from tests.media.conftest import SHOPPER, Room

AGENT = "staff:" + "e" * 32


@pytest.fixture
async def client(room: Room) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at a real server; the header `Who` says who asks, and a stranger has no right to this scope."""

    async def guard(request: Request, scope: str) -> tuple[Caller, DataKey]:
        kind, _, id_ = request.headers.get("who", SHOPPER).partition(":")
        if scope != room.scope or kind == "visitor":
            raise NotFound
        return Caller(kind=kind, id=id_), room.key  # type: ignore[arg-type]  # a test's freedom

    app = Starlette(routes=web.routes(guard), middleware=[Middleware(Edge)])
    app.state.media = room.media
    app.state.core = room.media.core
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", lifespan="off", ws="none"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  (uvicorn offers no event)
        await asyncio.sleep(0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as browser:
        yield browser
    server.should_exit = True
    await task


@pytest.fixture
def photo(uploads: Path) -> bytes:
    """A photo of three chunks."""
    return (uploads / "exif/jpg/gps/DSCN0012.jpg").read_bytes()


@pytest.fixture
async def row(room: Room, photo: bytes) -> Attachment:
    """The photo, sent."""
    row = await room.send(photo, declared_name="生日 photo.jpg", now=clock.now())
    await room.media.core.database.write(room.media.claim, row.id, scope=room.scope, uploader=SHOPPER, now=clock.now())
    return row


async def test_the_view_is_shown_in_place_and_kept_by_no_cache(client: httpx.AsyncClient, row: Attachment) -> None:
    answer = await client.get(f"/media/{row.id}/view")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.headers["content-disposition"].startswith("inline")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_original_is_a_download_under_its_own_name(
    client: httpx.AsyncClient, row: Attachment, photo: bytes
) -> None:
    answer = await client.get(f"/media/{row.id}/original")

    assert answer.content == photo
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"__ photo.jpg\"; filename*=UTF-8''%E7%94%9F%E6%97%A5%20photo.jpg"
    )


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=65535-65536", 65535, 65537),
        ("bytes=65536-131071", 65536, 131072),
        ("bytes=100000-", 100000, None),
        ("bytes=-10", -10, None),
        ("bytes=-999999999", 0, None),
        ("bytes=5-99999999999", 5, None),
    ],
)
async def test_a_part_is_exactly_that_part(
    client: httpx.AsyncClient, row: Attachment, photo: bytes, asked: str, start: int, stop: int | None
) -> None:
    answer = await client.get(f"/media/{row.id}/original", headers={"Range": asked})

    first = start % len(photo)
    wanted = photo[start:stop]
    assert answer.status_code == 206
    assert answer.content == wanted
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(wanted) - 1}/{len(photo)}"
    assert answer.headers["content-length"] == str(len(wanted))


@pytest.mark.parametrize("asked", ["bytes=9-1", "bytes=-0", "bytes=99999999-"])
async def test_a_part_that_is_not_there_is_refused(client: httpx.AsyncClient, row: Attachment, asked: str) -> None:
    answer = await client.get(f"/media/{row.id}/original", headers={"Range": asked})

    assert answer.status_code == 416
    assert answer.headers["content-range"].startswith("bytes */")


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-6", "bytes=" + "0-," * 2_000, "bytes=-", "lines=1-2", "bytes=" + "9" * 99]
)
async def test_several_parts_or_nonsense_mean_the_whole(
    client: httpx.AsyncClient, row: Attachment, photo: bytes, asked: str
) -> None:
    answer = await client.get(f"/media/{row.id}/original", headers={"Range": asked})

    assert (answer.status_code, answer.content) == (200, photo)


async def test_not_yours_and_not_there_are_the_same(client: httpx.AsyncClient, row: Attachment) -> None:
    theirs = await client.get(f"/media/{row.id}/view", headers={"Who": "visitor:" + "f" * 32})
    missing = [await client.get(path) for path in (f"/media/{'0' * 32}/view", f"/media/{row.id}/raw", "/media/x/view")]
    mine = await client.get(f"/media/{row.id}/view")

    assert {(answer.status_code, answer.text) for answer in missing} == {(404, theirs.text)}
    assert (theirs.status_code, mine.status_code) == (404, 200)


async def test_before_it_is_sent_only_its_uploader_sees_it(client: httpx.AsyncClient, room: Room, photo: bytes) -> None:
    unsent = await room.send(photo, now=clock.now())

    others = await client.get(f"/media/{unsent.id}/view", headers={"Who": AGENT})
    hers = await client.get(f"/media/{unsent.id}/view")

    assert (others.status_code, hers.status_code) == (404, 200)


async def test_a_broken_file_breaks_off_instead_of_ending(
    client: httpx.AsyncClient, room: Room, row: Attachment, uploads: Path
) -> None:
    large = (uploads / "exif/heic/IMG_5195.HEIC").read_bytes()
    sent = await room.send(large, now=clock.now())
    path = next(room.media.core.settings.data.rglob(sent.original_blob))
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)

    with pytest.raises(httpx.RemoteProtocolError):
        await client.get(f"/media/{sent.id}/original")
    again = await client.get(f"/media/{row.id}/view")

    assert again.status_code == 200
