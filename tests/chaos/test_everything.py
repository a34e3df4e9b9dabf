"""Everything at once, in the long form alone: crash points, a bad network, Redis and PostgreSQL come and go (T8)."""

import asyncio
import random
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from tests.chaos import scale
from tests.chaos.conftest import QUICK
from tests.chaos.crowd import Crowd
from tests.chaos.proxy import Proxy
from tests.chaos.rows import stored
from tests.chaos.scenarios import revived
from tests.cluster import Cluster
from tests.nursery import Nursery
from tests.services import RedisServer
from tests.site import Way

SHOPPERS = 4
MESSAGES = 20 * scale.LENGTH
STRIKES = 3 * scale.LENGTH

pytestmark = pytest.mark.skipif(not scale.IS_LONG, reason="belongs to the long form: make chaos")


async def test_everything_at_once_breaks_no_promise(tmp_path: Path, nursery: Nursery, sayings: Sequence[str]) -> None:
    settings = {name: value for name, value in QUICK.items() if name != "trusted_proxies"}
    with closing(RedisServer()) as redis:
        redis.start()
        way = Way(("crash-after-commit=50",), nursery)
        with closing(Cluster(tmp_path, way, webs=2, redis=redis, **settings)) as cluster:
            cluster.start()
            await _befall(cluster, redis, sayings)


async def _befall(cluster: Cluster, redis: RedisServer, sayings: Sequence[str]) -> None:
    chance = random.Random(scale.SEED)
    first = cluster.webs[0]

    async def strike() -> None:
        match chance.choice(["web", "redis", "listeners", "postgres"]):
            case "web":
                chance.choice(cluster.webs).send(signal.SIGKILL)  # whoever tends it starts it again
            case "redis":
                redis.kill()
                await asyncio.sleep(2)  # an outage takes its time
                redis.start()
            case "listeners":
                redis.cut_listeners()
            case "postgres":
                await asyncio.to_thread(cluster.postgres.kill)
                await asyncio.to_thread(cluster.postgres.start)

    async with AsyncExitStack() as stack:
        proxies = [
            await stack.enter_async_context(Proxy(web.port, scale.SEED + at).running())
            for at, web in enumerate(cluster.webs)
        ]
        doors = [each.url for each in proxies]
        crowd = Crowd(
            first.url, await cluster.agents(), sayings[:MESSAGES], scale.SEED, doors=doors, origin=first.origin
        )
        await crowd.gather(SHOPPERS)
        every = crowd.expected // (STRIKES + 1)
        for web in cluster.webs:
            await stack.enter_async_context(revived(web))
        await crowd.talk(strike, [every * (at + 1) - every // 2 for at in range(STRIKES)])
        result = await crowd.judge(stored(first.chosen.database_url), "T8 everything at once")
    scale.keep(result)
    assert result.is_clean, crowd.violations
    assert result.acked == crowd.expected
