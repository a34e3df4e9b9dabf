"""The disk of PostgreSQL is full, in the long form alone: nothing that was acknowledged is lost (T12)."""

import asyncio
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.chaos import scale
from tests.chaos.conftest import QUICK
from tests.chaos.crowd import Crowd
from tests.chaos.disks import SmallDisk, may_mount, small_disk
from tests.chaos.rows import stored
from tests.cluster import Cluster
from tests.nursery import Nursery
from tests.services import PostgresServer
from tests.site import Way

DISK_MB = 200
SMALLEST_LOG = "-c max_wal_size=32MB -c min_wal_size=32MB -c wal_recycle=off"
MESSAGES = 40 * scale.LENGTH

pytestmark = [
    pytest.mark.skipif(not scale.IS_LONG, reason="belongs to the long form: make chaos"),
    pytest.mark.skipif(not may_mount(), reason="this account may make no file systems"),
]


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small disk for PostgreSQL alone, where its own account may go."""
    folder = Path(tempfile.mkdtemp(prefix="aftercare-disk-"))
    with small_disk(folder, DISK_MB):
        yield folder
    folder.rmdir()


async def test_a_database_whose_disk_is_full_breaks_no_promise(
    tmp_path: Path, disk: Path, nursery: Nursery, sayings: Sequence[str]
) -> None:
    postgres, space = PostgresServer(SMALLEST_LOG, disk), SmallDisk(disk)
    settings = {name: value for name, value in QUICK.items() if name != "trusted_proxies"}
    cluster = Cluster(tmp_path, Way(nursery=nursery), postgres, webs=2, redis=None, **settings)
    try:
        cluster.start()
        first = cluster.webs[0]
        doors = [web.url for web in cluster.webs]
        agents = await cluster.agents()
        crowd = Crowd(first.url, agents, sayings[:MESSAGES], scale.SEED, doors=doors, origin=first.origin)
        await crowd.gather(4)

        async def fill_and_make_room() -> None:
            space.fill()
            await until_put_off(crowd)
            space.make_room()
            await asyncio.to_thread(postgres.mend)

        await crowd.talk(fill_and_make_room, [crowd.expected // 3, 2 * crowd.expected // 3])
        result = await crowd.judge(stored(first.chosen.database_url), "T12 PostgreSQL")
    finally:
        cluster.close()
    scale.keep(result)
    assert result.is_clean, crowd.violations
    assert result.acked == crowd.expected


async def until_put_off(crowd: Crowd) -> None:
    """Until somebody has been told to try again, in whatever words."""
    before = sum(client.outbox.put_off.total() for client in crowd.clients)
    async with asyncio.timeout(crowd.patience_s):
        while sum(client.outbox.put_off.total() for client in crowd.clients) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
