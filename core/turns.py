"""Turns: what only one process may do at a time, such as moving the schema or loading the demo shop.

On PostgreSQL a lock of a connection of its own, gone with the process that held it; it needs a direct connection, not
a pooler in transaction mode. SQLite has one process, so it is always its turn.
"""

import asyncio
import contextlib
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import Final

from sqlalchemy import text

from core.database import Database
from core.refusals import Unavailable

PATIENCE_S: Final = 60.0
ASK_AGAIN_S: Final = 0.1


@contextlib.contextmanager
def taken(database: Database, name: str) -> Iterator[None]:
    """Wait until no other process is in a block of this name. Raises: Unavailable, after a minute."""
    if not database.is_postgres:
        yield
        return
    number = zlib.crc32(name.encode())
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        deadline = time.monotonic() + PATIENCE_S
        while not connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": number}).scalar_one():
            if time.monotonic() > deadline:
                raise Unavailable("not_our_turn", "Another process has been at the same for a minute. Try again later.")
            time.sleep(ASK_AGAIN_S)
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:number)"), {"number": number})


@contextlib.asynccontextmanager
async def taken_in_turn(database: Database, name: str) -> AsyncIterator[None]:
    """As `taken`, without holding up the loop."""
    turn = taken(database, name)
    await asyncio.to_thread(turn.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(turn.__exit__, None, None, None)
