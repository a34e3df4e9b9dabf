"""Scenarios: a crowd and what befalls its server, alike for the product as it is and for one that is built wrongly."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from support.replay.client import Client
from support.replay.doors import enter_as_guest, take
from support.replay.result import Result
from tests.chaos import scale
from tests.chaos.crowd import Crowd, leave_alone
from tests.chaos.rows import stored
from tests.site import Site

MOST_DEATHS = 40
PAGES = 130  # more than one page of the log


@dataclass(frozen=True)
class Scenario:
    """Which faults are built in, and how the crowd is put to the test."""

    faults: Sequence[str]
    run: Callable[[Site, Crowd], Awaitable[None]]


async def talk(_: Site, crowd: Crowd) -> None:
    """Nothing but talk: the trouble comes out of the server."""
    await crowd.talk(leave_alone, ())


async def go_away_and_come_back(_: Site, crowd: Crowd) -> None:
    """One more shopper's second device is away while she writes more than a page of the log, then it comes back."""
    number = len(crowd.guests)
    admission, conversation = await enter_as_guest(crowd.url, number=number)
    await take(crowd.url, crowd.agents[number % len(crowd.agents)], conversation)
    async with Client(crowd.url, admission) as away, Client(crowd.url, admission) as busy:
        await away.watch(conversation)
        await busy.watch(conversation)
        await away.stay_away()
        said = [await busy.post(conversation, f"meanwhile {number}") for number in range(PAGES)]
        await asyncio.wait_for(asyncio.gather(*(each.done for each in said)), crowd.patience_s)
        await busy.echo(limit_s=crowd.patience_s)
        away.come_back()
        await crowd.talk(leave_alone, ())
        await away.echo(limit_s=crowd.patience_s)
    crowd.guests.append((admission, conversation))
    crowd.journals += [away.journal, busy.journal]


SCENARIOS: Mapping[str, Scenario] = {
    "crash before commit": Scenario(("crash-before-commit=6",), talk),
    "crash after commit": Scenario(("crash-after-commit=12",), talk),
    "crash after ack": Scenario(("crash-after-ack=12",), talk),
    "stumbling": Scenario(("stumble=4",), talk),
    "away for long": Scenario(("tell",), go_away_and_come_back),
    "unruly hub": Scenario(("deaf-rooms", "unruly-hub", "quick-beacon=0.4"), talk),
    "silent hub": Scenario(("deaf-rooms", "silent-hub", "quick-beacon=0.4"), talk),
}


async def held(scenario: Scenario, site: Site, crowd: Crowd, test: str, shoppers: int = 3) -> Result:
    """Hold it to its end and have it judged."""
    await crowd.gather(shoppers)
    async with revived(site):  # a last resend may be one commit too many
        await scenario.run(site, crowd)
        result = await crowd.judge(stored(str(site.data / "data.db")), test)
    scale.keep(result)
    return result


@contextlib.asynccontextmanager
async def revived(site: Site) -> AsyncIterator[None]:
    """While the block runs, start the server again whenever it has died."""
    is_over = asyncio.Event()
    tending = asyncio.create_task(_tend(site, is_over))
    try:
        yield
    finally:
        is_over.set()
        await tending


async def _tend(site: Site, is_over: asyncio.Event) -> None:
    deaths = 0
    while not is_over.is_set():
        if site.has_ended:
            deaths += 1
            assert deaths <= MOST_DEATHS * scale.LENGTH, "the server dies too often"
            with contextlib.suppress(AssertionError):  # it may die again while it starts
                await asyncio.to_thread(site.start)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(is_over.wait(), 0.05)
    if site.has_ended:
        await asyncio.to_thread(site.start)
