"""The server is killed in the middle of everything, again and again, and no promise is broken (reliability T1)."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.replay import scripts
from support.replay.checker import Footprint, left_over
from tests.agents import signed_in
from tests.chaos.crowd import Crowd
from tests.site import Site

SHOPPERS = 6
MESSAGES = 40
STRIKES = (30, 90, 150, 210, 270)
SEED = 20_261_124


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server whose shoppers may write as fast as they can, each from a network of her own."""
    started = Site(tmp_path, message_rate="1000", message_burst="1000", trusted_proxies='["127.0.0.1"]')
    started.start()
    yield started
    started.stop()


@pytest.fixture
def texts(shared_data: Path) -> list[str]:
    """What real customers wrote."""
    found = scripts.read(shared_data / "multidogo" / "media.tsv")
    return [turn.text for script in found for turn in script.turns][:MESSAGES]


async def test_a_server_that_is_killed_again_and_again_breaks_no_promise(site: Site, texts: list[str]) -> None:
    crowd = Crowd(site.url, await signed_in(site), texts, SEED)
    await crowd.gather(SHOPPERS)

    async def kill_and_start_again() -> None:
        site.kill()
        await asyncio.to_thread(site.start)

    await crowd.talk(kill_and_start_again, STRIKES)

    result = await crowd.judge()
    print(result.line())  # noqa: T201  (kept with each release)
    assert result.is_clean, crowd.violations
    assert result.acked == SHOPPERS * MESSAGES * 3 // 2
    assert result.reconnects >= len(STRIKES) * (SHOPPERS + 2)


async def test_when_everybody_has_left_the_server_holds_on_to_nothing(site: Site, texts: list[str]) -> None:
    before = footprint(site)
    crowd = Crowd(site.url, await signed_in(site), texts[:8], SEED)
    await crowd.gather(SHOPPERS)

    await crowd.talk(leave_alone, ())
    result = await crowd.judge()

    assert result.is_clean, crowd.violations
    assert list(left_over(before, await settled_footprint(site))) == []


async def leave_alone() -> None:
    """No trouble."""


async def settled_footprint(site: Site) -> Footprint:
    """What is left once the server has noticed that everybody went; it has ten seconds for that."""
    async with asyncio.timeout(10):
        while (after := footprint(site)).connections:  # noqa: ASYNC110
            await asyncio.sleep(0.2)  # nothing in this process tells when the other one has noticed
    return after


def footprint(site: Site) -> Footprint:
    server = process_of(site)
    established = [each for each in server.net_connections("tcp") if each.status == psutil.CONN_ESTABLISHED]
    return Footprint(len(established), server.num_fds())


def process_of(site: Site) -> psutil.Process:
    """The one child of ours that listens on the site's port."""
    for child in psutil.Process().children(recursive=True):
        if any(each.laddr.port == site.port and not each.raddr for each in child.net_connections("tcp")):
            return child
    raise AssertionError("the server is not running")
