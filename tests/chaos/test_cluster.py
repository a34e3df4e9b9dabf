"""Two servers, PostgreSQL and Redis: each is killed, frozen, cut off, and no promise is broken (T4, T5, T6)."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from chat.lines import Opening
from support.replay.doors import Admission
from support.replay.result import Result
from tests.chaos import scale
from tests.chaos.conftest import BOTH_WAYS, QUICK, told
from tests.chaos.crowd import Crowd, Trouble
from tests.chaos.rows import stored
from tests.cluster import Cluster
from tests.nursery import Nursery
from tests.services import RedisServer
from tests.site import Way

SHOPPERS = 4
MESSAGES = 16 * scale.LENGTH
STRIKES = 2 * scale.LENGTH
LONG = 3 if scale.IS_LONG else 1  # times a second


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery, redis: RedisServer) -> Iterator[Cluster]:
    settings = {name: value for name, value in QUICK.items() if name != "trusted_proxies"}
    made = Cluster(tmp_path_factory.mktemp("cluster"), Way(nursery=nursery), webs=2, redis=redis, **settings)
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def agents(cluster: Cluster) -> Sequence[Admission]:
    """What lets them into one process lets them into all."""
    return asyncio.run(cluster.agents())


@pytest.fixture
def crowd(cluster: Cluster, agents: Sequence[Admission], sayings: Sequence[str]) -> Crowd:
    """People who come by either process, the next time by the other."""
    first = cluster.webs[0]
    doors = [web.url for web in cluster.webs]
    return Crowd(first.url, agents, sayings[:MESSAGES], scale.SEED, doors=doors, origin=first.origin)


async def befallen(cluster: Cluster, crowd: Crowd, trouble: Trouble, test: str) -> Result:
    """Talk while the trouble strikes again and again; then everything must be there."""
    await crowd.gather(SHOPPERS)
    every = crowd.expected // (STRIKES + 1)
    await crowd.talk(trouble, [every * (strike + 1) - every // 2 for strike in range(STRIKES)])
    result = await crowd.judge(stored(cluster.webs[0].chosen.database_url), test)
    scale.keep(result)
    assert result.is_clean, crowd.violations
    assert result.acked == crowd.expected
    return result


@BOTH_WAYS
async def test_processes_that_are_killed_in_turn_break_no_promise(cluster: Cluster, crowd: Crowd, way: Opening) -> None:
    crowd.way = way
    turn = 0

    async def kill_one() -> None:
        nonlocal turn
        victim = cluster.webs[turn % len(cluster.webs)]
        turn += 1
        victim.kill()
        await asyncio.to_thread(victim.start)

    result = await befallen(cluster, crowd, kill_one, told("T4 two processes, kill -9", way))

    assert result.reconnects >= STRIKES


async def test_a_redis_that_dies_and_comes_back_empty_breaks_no_promise(
    cluster: Cluster, crowd: Crowd, redis: RedisServer
) -> None:
    async def die_and_come_back() -> None:
        redis.kill()
        await asyncio.sleep(3 * LONG)  # an outage takes its time
        await asyncio.to_thread(redis.start)

    await befallen(cluster, crowd, die_and_come_back, "T5 Redis dead")


async def test_a_redis_that_hangs_breaks_no_promise(cluster: Cluster, crowd: Crowd, redis: RedisServer) -> None:
    async def hang() -> None:
        redis.freeze()
        await asyncio.sleep(2.5 * LONG)
        redis.thaw()

    await befallen(cluster, crowd, hang, "T5 Redis frozen")


async def test_listeners_that_are_cut_off_break_no_promise(cluster: Cluster, crowd: Crowd, redis: RedisServer) -> None:
    async def cut() -> None:
        redis.cut_listeners()

    await befallen(cluster, crowd, cut, "T5 listeners cut")


async def test_a_postgresql_that_crashes_breaks_no_promise(cluster: Cluster, crowd: Crowd) -> None:
    async def crash() -> None:
        await asyncio.to_thread(cluster.postgres.kill)
        await asyncio.sleep(1 * LONG)
        await asyncio.to_thread(cluster.postgres.start)

    await befallen(cluster, crowd, crash, "T6 PostgreSQL crashed")


async def test_a_postgresql_that_hangs_breaks_no_promise(cluster: Cluster, crowd: Crowd) -> None:
    async def hang() -> None:
        cluster.postgres.freeze()
        await asyncio.sleep(2 * LONG)
        cluster.postgres.thaw()

    await befallen(cluster, crowd, hang, "T6 PostgreSQL frozen")
