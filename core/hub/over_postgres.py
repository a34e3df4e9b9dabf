"""A wire over PostgreSQL's LISTEN and NOTIFY, for several processes without a Redis.

Danger. NOTIFY inside a writing transaction takes a lock of the whole cluster at its commit (8,010 transactions a
second became 2,349 in a trial). A frozen server keeps its connections open, and a client that cancels waits for its
answer. A pooler in transaction mode loses the subscription.

Principle. Hints are sent after the commit, a batch in one statement of its own. Both connections are direct and of
their own. Nothing waits for an answer longer than two seconds: then the connection is dropped, not cancelled.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import psycopg
from psycopg import AsyncConnection

from core.hub.hints import Note, letter
from core.hub.shared import SharedHub, WireDown

CHANNEL: Final = "aftercare_hints"
LETTER_BYTES: Final = 7_500  # PostgreSQL takes less than 8,000
ANSWER_S: Final = 2.0
SILENCE_S: Final = 2.0
_FAILURES: Final = (psycopg.Error, OSError, TimeoutError)


def over_postgres(url: str) -> SharedHub:
    """The hub of processes that share a PostgreSQL database and nothing else."""
    return SharedHub(NotifyWire(url))


class NotifyWire:
    """One connection that listens and one that notifies."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._sending: AsyncConnection[Any] | None = None  # Any: the rows are never looked at

    async def listen(self, ready: Callable[[], None], hear: Callable[[bytes], None]) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                connection = await self._connect()
            try:
                await _answered(connection, f"LISTEN {CHANNEL}")
                ready()
                while True:
                    async for notice in connection.notifies(timeout=SILENCE_S):
                        hear(notice.payload.encode())
                    await _answered(connection, "SELECT 1")
            finally:
                await connection.close()
        except _FAILURES:
            raise WireDown from None

    async def send(self, origin: str, notes: Sequence[Note]) -> None:
        letters = [letter(origin, together).decode() for together in _batches(notes)]
        try:
            if self._sending is None or self._sending.closed:
                self._sending = await self._connect()
            await _answered(
                self._sending, "SELECT pg_notify(%s, each) FROM unnest(%s::text[]) AS each", (CHANNEL, letters)
            )
        except _FAILURES:
            await self.close()
            raise WireDown from None

    async def close(self) -> None:
        if self._sending is not None:
            await self._sending.close()
            self._sending = None

    async def _connect(self) -> AsyncConnection[Any]:  # Any: as above
        return await AsyncConnection.connect(self._url, autocommit=True, connect_timeout=2, tcp_user_timeout=5_000)


async def _answered(connection: AsyncConnection[Any], statement: str, values: Sequence[object] | None = None) -> None:
    """Run a statement; a connection that does not answer in time, or whose caller has gone, is dropped."""
    asking = asyncio.create_task(_ask(connection, statement, values))
    try:
        done, _ = await asyncio.wait({asking}, timeout=ANSWER_S)
        if not done:
            raise TimeoutError
        await asking
    finally:
        if not asking.done():
            connection.pgconn.finish()
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError, *_FAILURES):
                await asking


async def _ask(connection: AsyncConnection[Any], statement: str, values: Sequence[object] | None) -> None:
    await connection.execute(statement.encode(), values)


def _batches(notes: Sequence[Note]) -> Iterator[list[Note]]:
    batch: list[Note] = []
    size = 0
    for note in notes:
        size += len(note[0]) + len(note[1]) + 2
        if batch and size > LETTER_BYTES:
            yield batch
            batch, size = [], len(note[0]) + len(note[1]) + 2
        batch.append(note)
    if batch:
        yield batch
