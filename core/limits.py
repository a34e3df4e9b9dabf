"""Limits: how often something may be tried; each has a name, its rates, and what happens when counting fails.

Counters live in memory or, with several processes, in Redis, and hold no address and no name: keys are networks or
keyed hashes. A limit that guards a secret fails closed (no counter, no try); one that guards comfort fails open.
"""

import time
from dataclasses import dataclass

import structlog
from limits import RateLimitItem, parse_many
from limits.aio.storage import RedisStorage, Storage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from core.clock import SECOND
from core.counters import Counters
from core.refusals import TooMany, Unavailable
from core.settings import Settings

REDIS_SECONDS = 1.0

log = structlog.get_logger("limits")


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: "5/hour;10/day" and whether to refuse when nobody can count."""

    rates: str
    fails_closed: bool


LIMITS: dict[str, Limit] = {
    "codes.address": Limit("1/minute;5/hour;10/day", fails_closed=True),
    "codes.network": Limit("20/hour", fails_closed=True),
    "codes.service": Limit("300/minute", fails_closed=True),
    "codes.tries": Limit("30/minute;200/hour", fails_closed=True),
    "staff.sign_in": Limit("20/minute;200/hour", fails_closed=True),
    "staff.first": Limit("10/minute", fails_closed=True),
    "reveal.agent": Limit("20/hour", fails_closed=True),
    "reveal.supervisor": Limit("40/hour", fails_closed=True),
    "shopper.start": Limit("20/minute", fails_closed=False),
    "socket.open": Limit("60/minute", fails_closed=False),
    "rights.person": Limit("20/hour;60/day", fails_closed=False),
    "upload.person": Limit("20/hour", fails_closed=False),
}


class Limits:
    """Counts tries; `await limits.spend("codes.network", network)`."""

    def __init__(self, storage: Storage, table: dict[str, Limit] | None = None) -> None:
        self._storage = storage
        self._strategy = MovingWindowRateLimiter(storage)
        self._table = LIMITS if table is None else table
        self._rates: dict[str, list[RateLimitItem]] = {
            name: list(parse_many(limit.rates)) for name, limit in self._table.items()
        }

    @classmethod
    def open(cls, settings: Settings) -> "Limits":
        """Count in Redis when there is one, else in this process."""
        table = LIMITS | {"shopper.start": Limit(f"{settings.start_rate}/minute", fails_closed=False)}
        if settings.redis_url is None:
            return cls(Counters(), table)
        redis = RedisStorage(
            f"async+{settings.redis_url}",
            implementation="redispy",
            wrap_exceptions=True,
            key_prefix="aftercare:limits",
            socket_timeout=REDIS_SECONDS,
            socket_connect_timeout=REDIS_SECONDS,
        )
        return cls(redis, table)

    async def spend(self, name: str, key: str) -> None:
        """Count one try of the named limit under `key`.

        Raises:
            TooMany: over one of its rates, and then nothing is counted; `retry_ms` says when to come back.
            Unavailable: nobody can count, and the limit fails closed.
        """
        rates = self._rates[name]
        try:
            for rate in rates:
                if not await self._strategy.test(rate, name, key):
                    raise TooMany(await self._retry_ms(rate, name, key))
            for rate in rates:
                if not await self._strategy.hit(rate, name, key):  # somebody else took the last one just now
                    raise TooMany(await self._retry_ms(rate, name, key))
        except StorageError:
            log.warning("limits_uncounted", name=name)
            if self._table[name].fails_closed:
                raise Unavailable from None

    async def forget(self, name: str, key: str) -> None:
        """Start the count of `key` afresh."""
        for rate in self._rates[name]:
            await self._strategy.clear(rate, name, key)

    async def close(self) -> None:
        """Disconnect."""
        if isinstance(self._storage, RedisStorage):
            bridge = self._storage.bridge
            assert isinstance(bridge, RedispyBridge)
            await bridge.storage.aclose()

    async def _retry_ms(self, rate: RateLimitItem, name: str, key: str) -> int:
        window = await self._strategy.get_window_stats(rate, name, key)
        return max(SECOND, int((window.reset_time - time.time()) * SECOND))
