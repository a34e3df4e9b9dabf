"""The clock of the machine jumps while people talk, and only sign-ins notice (T13)."""

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx

from chat.outbox import Refusing
from core.clock import HOUR
from support.replay.client import Client
from support.replay.doors import Admission
from tests.chaos import scale
from tests.chaos.conftest import Furnished, OpenSite
from tests.chaos.crowd import Crowd
from tests.chaos.rows import stored
from tests.site import Site

MESSAGES = 12 * scale.LENGTH
JUMPS_S = (2 * 3600, -3 * 3600)
LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)


async def test_a_clock_that_jumps_breaks_no_promise(
    open_site: OpenSite, furnished: Furnished, sayings: Sequence[str], tmp_path: Path
) -> None:
    assert LIBRARY is not None, "apt-get install faketime"
    clock = tmp_path / "clock"
    clock.write_text("+0")
    site = open_site(environment=jumping(LIBRARY, clock))
    crowd = Crowd(site.url, (), sayings[:MESSAGES], scale.SEED)
    await crowd.gather(4)
    jumps = list(JUMPS_S)
    desk: list[str] = []

    async def jump() -> None:
        crowd.may_speak.clear()
        seconds = jumps.pop(0)
        clock.write_text(f"{seconds:+d}")
        await until_it_is(site, time.time() + seconds)
        if seconds > 0:
            desk.append(await refusal(site, furnished.agents[0]))
        crowd.may_speak.set()

    await crowd.talk(jump, [MESSAGES, 2 * MESSAGES])

    result = await crowd.judge(stored(str(site.data / "data.db")), "T13 clock")
    scale.keep(result)
    times = [written(site.data / "data.db", conversation) for _, conversation in crowd.guests]
    assert result.is_clean, crowd.violations
    assert result.acked == crowd.expected
    assert max(log[-1] - log[0] for log in times) >= 2 * HOUR - 60_000, "the clock did not jump"
    assert all(log == sorted(log) for log in times), "time ran backwards inside a log"
    assert desk == ["closed_4401"], "a desk that nobody touched for two hours is signed out"


async def until_it_is(site: Site, moment: float) -> None:
    """Wait until the server believes that it is about this time (seconds since 1970)."""
    async with asyncio.timeout(20), httpx.AsyncClient() as http:
        while True:
            told = (await http.get(f"{site.url}/healthz")).headers["date"]
            if abs(parsedate_to_datetime(told).timestamp() - moment) < 60:
                return
            await asyncio.sleep(0.1)


async def refusal(site: Site, agent: Admission) -> str:
    """With which code the desk is closed to this agent; nothing when it is not."""
    async with Client(site.url, agent) as client:
        try:
            await client.echo(limit_s=20)
        except Refusing as refused:
            return refused.code
    return ""


def jumping(library: Path, clock: Path) -> dict[str, str]:
    """What makes the wall clock, and it alone, follow a file; a loop's steady clock must not jump."""
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def written(file: Path, conversation: str) -> list[int]:
    """When the events of a conversation were written, in the order of their numbers."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        asked = "SELECT created_ms FROM event WHERE conversation_id = ? ORDER BY seq"
        return [row[0] for row in database.execute(asked, (conversation,))]
