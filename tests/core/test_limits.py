"""Limits: how often, for whom, and what happens when nobody can count."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import time_machine
from limits.aio.storage import MemoryStorage

from core.limits import LIMITS, Limit, Limits
from core.refusals import TooMany, Unavailable
from core.settings import Settings
from tests.services import RedisServer

START = "2026-11-20T10:00:00Z"
TABLE = {
    "strict": Limit("1/minute;2/hour", fails_closed=True),
    "kind": Limit("1/minute;2/hour", fails_closed=False),
}


@pytest_asyncio.fixture
async def limits() -> AsyncIterator[Limits]:
    counting = Limits(MemoryStorage(), TABLE)
    yield counting
    await counting.close()


async def test_one_try_too_many_is_told_when_to_come_back(limits: Limits) -> None:
    with time_machine.travel(START, tick=False):
        await limits.spend("strict", "anna")

        with pytest.raises(TooMany) as refusal:
            await limits.spend("strict", "anna")

    assert 59_000 <= refusal.value.retry_ms <= 61_000


async def test_every_rate_of_a_limit_counts(limits: Limits) -> None:
    with time_machine.travel(START, tick=False) as clock:
        await limits.spend("strict", "anna")
        clock.shift(61)
        await limits.spend("strict", "anna")
        clock.shift(61)

        with pytest.raises(TooMany) as refusal:
            await limits.spend("strict", "anna")

    assert refusal.value.retry_ms > 3_000_000


async def test_a_refused_try_costs_nothing(limits: Limits) -> None:
    with time_machine.travel(START, tick=False) as clock:
        await limits.spend("strict", "anna")
        for _ in range(5):
            with pytest.raises(TooMany):
                await limits.spend("strict", "anna")
        clock.shift(61)

        await limits.spend("strict", "anna")


async def test_one_persons_tries_are_not_anothers(limits: Limits) -> None:
    await limits.spend("strict", "anna")

    await limits.spend("strict", "boris")


async def test_forgetting_starts_afresh(limits: Limits) -> None:
    await limits.spend("strict", "anna")

    await limits.forget("strict", "anna")

    await limits.spend("strict", "anna")


async def test_redis_counts_for_every_process(redis_server: RedisServer, tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, redis_url=redis_server.url)
    one, other = Limits.open(settings), Limits.open(settings)
    for _ in range(20):
        await one.spend("codes.network", "203.0.113.0/24")

    with pytest.raises(TooMany):
        await other.spend("codes.network", "203.0.113.0/24")

    await one.close()
    await other.close()


async def test_without_redis_a_strict_limit_refuses_and_a_kind_one_lets_pass(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    limits = Limits.open(Settings(data=tmp_path, redis_url=redis_server.url))
    redis_server.kill()

    await limits.spend("socket.open", "203.0.113.0/24")
    with pytest.raises(Unavailable):
        await limits.spend("codes.network", "203.0.113.0/24")

    await limits.close()


def test_every_limit_that_guards_a_secret_fails_closed() -> None:
    guards = [name for name in LIMITS if name.startswith(("codes.", "staff.", "reveal."))]

    assert guards
    assert all(LIMITS[name].fails_closed for name in guards)


async def test_an_operator_may_let_one_network_open_more_chats(tmp_path: Path) -> None:
    limits = Limits.open(Settings(data=tmp_path, start_rate=2))
    for _ in range(2):
        await limits.spend("shopper.start", "203.0.113.0/24")

    with pytest.raises(TooMany):
        await limits.spend("shopper.start", "203.0.113.0/24")

    await limits.close()
