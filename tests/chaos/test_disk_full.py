"""The disk is full: new messages are refused, acknowledged ones stay, reading works, and it goes on by itself (T12)."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from support.replay.client import Client
from tests.chaos import scale
from tests.chaos.conftest import OpenSite
from tests.chaos.crowd import Crowd
from tests.chaos.disks import LimitedFiles, SmallDisk, may_mount, small_disk
from tests.chaos.pictures import picture, upload
from tests.chaos.rows import stored
from tests.site import Site

MESSAGES = 40 * scale.LENGTH
BIG = 400  # pixels on each side: half a megabyte
WAYS = ["limited files", *(["small disk"] if may_mount() else [])]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Where the server's data lies when its disk is small."""
    with small_disk(tmp_path / "var"):
        yield tmp_path


@pytest.mark.parametrize("way", WAYS)
async def test_a_full_disk_refuses_what_is_new_and_loses_nothing_that_was_acknowledged(
    request: pytest.FixtureRequest, open_site: OpenSite, sayings: Sequence[str], way: str
) -> None:
    if way == "small disk":
        request.getfixturevalue("disk")
    site = open_site()
    space = SmallDisk(site.data) if way == "small disk" else LimitedFiles(site)
    crowd = Crowd(site.url, (), sayings[:MESSAGES], scale.SEED)
    await crowd.gather(4)
    refused: list[int] = []
    read: list[int] = []

    async def fill_and_make_room() -> None:
        space.fill()
        await until_put_off(crowd, "full")
        shopper, conversation = crowd.guests[0]
        async with Client(site.url, shopper) as reader, asyncio.timeout(30):
            read.append(len(await reader.whole(conversation)))
        answer = await upload(site, shopper, conversation, str(uuid.uuid4()), picture(BIG))
        refused.append(answer.status_code)
        space.make_room()

    await crowd.talk(fill_and_make_room, [MESSAGES, 2 * MESSAGES])

    result = await crowd.judge(stored(str(site.data / "data.db")), f"T12 {way}")
    scale.keep(result)
    assert result.is_clean, crowd.violations
    assert result.acked == crowd.expected
    assert refused == [503, 503]
    assert min(read) > 0
    assert await uploads_again(site, crowd)


async def until_put_off(crowd: Crowd, code: str) -> None:
    """Until somebody has been told so; the crowd goes on writing meanwhile."""
    before = sum(client.outbox.put_off[code] for client in crowd.clients)
    async with asyncio.timeout(30):
        while sum(client.outbox.put_off[code] for client in crowd.clients) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def uploads_again(site: Site, crowd: Crowd) -> bool:
    shopper, conversation = crowd.guests[0]
    answer = await upload(site, shopper, conversation, str(uuid.uuid4()), picture())
    return answer.status_code == 201
