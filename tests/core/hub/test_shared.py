"""A hub over a real wire that is killed, frozen, cut and restarted; on Redis and on PostgreSQL alone."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from core import hub
from core.hub import SharedHub
from core.hub.outbox import Outbox
from core.hub.over_postgres import NotifyWire
from core.hub.over_redis import RedisWire
from core.hub.shared import UNWELL_S, Wire
from tests.services import PostgresServer, RedisServer

PATIENCE_S = 20


@dataclass
class World:
    """The server under the wire, and the steady clock of the hubs."""

    server: RedisServer | PostgresServer
    wire: Callable[[], Wire]
    now_s: float = 1_000.0

    def hub(self, outbox: Outbox | None = None) -> SharedHub:
        return SharedHub(self.wire(), outbox=outbox, monotonic=lambda: self.now_s)


@dataclass
class Ear:
    """What one process has heard."""

    heard: list[tuple[str, bytes]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, channel: str, packed: bytes) -> None:
        self.heard.append((channel, packed))
        self.changed.set()

    def gaps(self) -> int:
        return sum(channel == hub.GAP for channel, _ in self.heard)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.close()


@pytest.fixture(params=["redis", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "redis":
        redis: RedisServer = request.getfixturevalue("redis_server")
        return World(redis, lambda: RedisWire(redis.url))
    postgres: PostgresServer = request.getfixturevalue("own_postgres")
    url = postgres.create()
    return World(postgres, lambda: NotifyWire(url))


@pytest_asyncio.fixture
async def pair(world: World) -> AsyncIterator[tuple[SharedHub, SharedHub]]:
    """Two processes, as far as hints are concerned."""
    one, other = world.hub(), world.hub()
    async with one.running(), other.running():
        yield one, other


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # health has no event: it is asked for


async def test_a_hint_reaches_the_other_process_and_its_own_only_once(pair: tuple[SharedHub, SharedHub]) -> None:
    one, other = pair
    here, there = Ear(), Ear()
    one.subscribe(here.hear)
    other.subscribe(there.hear)

    one.publish(hub.SIGN_OUT, b"s1")
    at_once = list(here.heard)
    await there.until(lambda: bool(there.heard))
    other.publish(hub.SIGN_OUT, b"s2")  # whatever came back of the first hint came before this
    await here.until(lambda: (hub.SIGN_OUT, b"s2") in here.heard)

    assert at_once == [(hub.SIGN_OUT, b"s1")]
    assert here.heard == there.heard == [(hub.SIGN_OUT, b"s1"), (hub.SIGN_OUT, b"s2")]
    assert one.healthy
    assert other.healthy


async def test_any_thread_may_publish(pair: tuple[SharedHub, SharedHub]) -> None:
    one, other = pair
    there = Ear()
    other.subscribe(there.hear)
    threads = [threading.Thread(target=one.publish, args=(hub.SIGN_OUT, hub.hint(f"s{n}"))) for n in range(20)]

    for thread in threads:
        thread.start()
    await there.until(lambda: len(there.heard) == 20)

    assert {packed for _, packed in there.heard} == {hub.hint(f"s{n}") for n in range(20)}


async def test_a_great_many_hints_all_arrive(pair: tuple[SharedHub, SharedHub]) -> None:
    one, other = pair
    there = Ear()
    other.subscribe(there.hear)

    for number in range(3_000):
        one.publish(hub.LOG, hub.hint(f"c{number}", number))
    await there.until(lambda: len(there.heard) == 3_000)

    assert dict.fromkeys(there.heard) == dict.fromkeys((hub.LOG, hub.hint(f"c{n}", n)) for n in range(3_000))


async def test_after_a_restart_there_is_a_gap_and_then_every_hint_again(
    world: World, pair: tuple[SharedHub, SharedHub]
) -> None:
    one, other = pair
    here, there = Ear(), Ear()
    one.subscribe(here.hear)
    other.subscribe(there.hear)

    await asyncio.to_thread(world.server.kill)
    await until(lambda: not one.healthy and not other.healthy)
    await asyncio.to_thread(world.server.start)
    await here.until(lambda: here.gaps() == 1)
    await there.until(lambda: there.gaps() == 1)
    one.publish(hub.SIGN_OUT, b"s1")
    await there.until(lambda: (hub.SIGN_OUT, b"s1") in there.heard)

    assert not one.healthy
    assert not other.healthy
    world.now_s += UNWELL_S
    assert one.healthy
    assert other.healthy


async def test_a_frozen_server_is_noticed_and_nobody_waits_for_it(
    world: World, pair: tuple[SharedHub, SharedHub]
) -> None:
    one, other = pair
    there = Ear()
    other.subscribe(there.hear)

    await asyncio.to_thread(world.server.freeze)
    try:
        one.publish(hub.SIGN_OUT, b"s1")
        await until(lambda: not one.healthy and not other.healthy)
    finally:
        await asyncio.to_thread(world.server.thaw)
    await there.until(lambda: there.gaps() > 0)
    one.publish(hub.SIGN_OUT, b"s2")
    await there.until(lambda: (hub.SIGN_OUT, b"s2") in there.heard)


async def test_a_connection_that_was_cut_is_a_gap(world: World, pair: tuple[SharedHub, SharedHub]) -> None:
    one, other = pair
    here, there = Ear(), Ear()
    one.subscribe(here.hear)
    other.subscribe(there.hear)

    await asyncio.to_thread(world.server.cut_listeners)
    await here.until(lambda: here.gaps() == 1)
    await there.until(lambda: there.gaps() == 1)
    one.publish(hub.SIGN_OUT, b"s1")
    await there.until(lambda: (hub.SIGN_OUT, b"s1") in there.heard)

    assert not other.healthy


async def test_a_process_starts_without_its_hub_and_is_told_of_the_gap_when_it_comes(world: World) -> None:
    await asyncio.to_thread(world.server.kill)
    one, ear = world.hub(), Ear()

    async with one.running():
        one.subscribe(ear.hear)
        unwell = not one.healthy
        await asyncio.to_thread(world.server.start)
        await ear.until(lambda: ear.gaps() == 1)

    assert unwell


async def test_what_nobody_can_send_does_not_grow_and_makes_the_hub_unwell(
    world: World, pair: tuple[SharedHub, SharedHub]
) -> None:
    outbox = Outbox(limit=10)
    one, other = world.hub(outbox), pair[1]
    there = Ear()
    other.subscribe(there.hear)

    async with one.running():
        was_well = one.healthy
        for number in range(50):
            one.publish(hub.SIGN_OUT, hub.hint(f"s{number}"))
        is_well = one.healthy
        await there.until(lambda: len(there.heard) == 10)

    assert was_well
    assert not is_well
    assert outbox.dropped == 40


async def test_what_waits_is_sent_before_a_process_leaves_and_no_task_stays(
    world: World, pair: tuple[SharedHub, SharedHub]
) -> None:
    before = asyncio.all_tasks()
    there = Ear()
    pair[1].subscribe(there.hear)

    leaving = world.hub()
    async with leaving.running():
        leaving.publish(hub.SIGN_OUT, b"s1")
    await there.until(lambda: (hub.SIGN_OUT, b"s1") in there.heard)

    assert asyncio.all_tasks() == before


async def test_a_process_can_leave_while_the_server_is_frozen(world: World) -> None:
    leaving = world.hub()
    async with asyncio.timeout(PATIENCE_S):
        async with leaving.running():
            await asyncio.to_thread(world.server.freeze)
            leaving.publish(hub.SIGN_OUT, b"s1")
            await until(lambda: not leaving.healthy)
        await asyncio.to_thread(world.server.thaw)


async def test_hints_of_one_moment_are_published_together(redis_server: RedisServer) -> None:
    one, other = SharedHub(RedisWire(redis_server.url)), SharedHub(RedisWire(redis_server.url))
    there = Ear()
    async with one.running(), other.running():
        other.subscribe(there.hear)

        for seq in range(1, 1_001):
            one.publish(hub.LOG, hub.hint("c1", seq))
            one.publish(hub.DESK, hub.hint("c1", seq))
        await there.until(lambda: len(there.heard) == 2)

    assert there.heard == [(hub.LOG, b"c1|1000"), (hub.DESK, b"c1|1000")]
    assert "cmdstat_publish:calls=1," in redis_server.command("INFO", "commandstats")


async def test_a_listener_that_fails_does_not_make_its_process_deaf(pair: tuple[SharedHub, SharedHub]) -> None:
    one, other = pair
    there = Ear()
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))

    def fail(_channel: str, packed: bytes) -> None:
        if packed == b"s1":
            raise LookupError

    end = other.subscribe(fail)
    other.subscribe(there.hear)
    one.publish(hub.SIGN_OUT, b"s1")
    await until(lambda: bool(failures))
    end()
    one.publish(hub.SIGN_OUT, b"s2")
    await there.until(lambda: (hub.SIGN_OUT, b"s2") in there.heard)

    assert [type(failure) for failure in failures] == [LookupError]
