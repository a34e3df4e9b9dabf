"""A wire over Redis publish and subscribe.

Danger. The client library reconnects and subscribes again without an exception; the only trace is a second
confirmation, and what was published in between went to nobody. A frozen server keeps its connections open.

Principle. Every confirmation after the first round ends the session, so that whoever listens learns of the gap. A
silent server is asked for a sign of life, and is given up when none comes.
"""

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.hub.hints import OF_CONVERSATIONS, Note, letter
from core.hub.shared import SharedHub, WireDown

SHARDS: Final = 64
PREFIX: Final = "aftercare:hints"
CHANNELS: Final = (*(f"{PREFIX}:{shard}" for shard in range(SHARDS)), f"{PREFIX}:all")
CONNECT_S: Final = 2.0
SILENCE_S: Final = 2.0
_FAILURES: Final = (RedisError, OSError, TimeoutError)


def over_redis(url: str) -> SharedHub:
    """The hub of processes that share a Redis."""
    return SharedHub(RedisWire(url))


def channel_of(note: Note) -> str:
    """Hints of one conversation always go the same way; those of none have a channel of their own."""
    kind, packed = note
    if kind not in OF_CONVERSATIONS:
        return CHANNELS[-1]
    return CHANNELS[zlib.crc32(packed.partition(b"|")[0]) % SHARDS]


class RedisWire:
    """One subscribed connection, and one to publish on."""

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url, socket_timeout=SILENCE_S, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 1)
        )

    async def listen(self, ready: Callable[[], None], hear: Callable[[bytes], None]) -> None:
        pubsub = self._redis.pubsub()
        try:
            async with asyncio.timeout(CONNECT_S):
                await pubsub.subscribe(*CHANNELS)
                for _ in CHANNELS:
                    await pubsub.get_message(timeout=CONNECT_S)
            ready()
            await _hear_on(pubsub, hear)
        except _FAILURES:
            raise WireDown from None
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]

    async def send(self, origin: str, notes: Sequence[Note]) -> None:
        ways: dict[str, list[Note]] = defaultdict(list)
        for note in notes:
            ways[channel_of(note)].append(note)
        try:
            async with self._redis.pipeline(transaction=False) as pipeline:
                for channel, together in ways.items():
                    pipeline.publish(channel, letter(origin, together))
                await pipeline.execute()
        except _FAILURES:
            raise WireDown from None

    async def close(self) -> None:
        await self._redis.aclose()


async def _hear_on(pubsub: PubSub, hear: Callable[[bytes], None]) -> None:
    """Hear until a confirmation or a silence shows that the connection was, or is, away."""
    was_asked = False
    while True:
        message = await pubsub.get_message(timeout=SILENCE_S)
        if message is None:
            if was_asked:
                raise WireDown
            await pubsub.ping()
            was_asked = True
            continue
        was_asked = False
        if message["type"] == "message":
            hear(message["data"])
        elif message["type"] == "subscribe":
            raise WireDown
