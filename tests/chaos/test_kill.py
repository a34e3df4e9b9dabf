"""The server is killed in the middle of everything, again and again, and no promise is broken (T1)."""

import asyncio
import signal
from collections.abc import Sequence

import msgspec
import psutil

from chat.lines import Opening
from support.replay.remains import Footprint, left_over
from tests.chaos import scale
from tests.chaos.conftest import BOTH_WAYS, Furnished, OpenSite, told
from tests.chaos.crowd import Crowd, leave_alone
from tests.chaos.rows import stored
from tests.site import Site

SHOPPERS = 6
KILLS = 4 * scale.LENGTH
MESSAGES = 24 * scale.LENGTH


@BOTH_WAYS
async def test_a_server_that_is_killed_again_and_again_breaks_no_promise(
    open_site: OpenSite, furnished: Furnished, sayings: Sequence[str], way: Opening
) -> None:
    site = open_site()
    crowd = Crowd(site.url, furnished.agents, sayings[:MESSAGES], scale.SEED, way=way)
    await crowd.gather(SHOPPERS)
    every = crowd.expected // (KILLS + 1)

    async def kill_and_start_again() -> None:
        site.kill()
        await asyncio.to_thread(site.start)

    await crowd.talk(kill_and_start_again, [every * (kill + 1) - every // 2 for kill in range(KILLS)])

    result = await crowd.judge(stored(str(site.data / "data.db")), told("T1 kill -9", way))
    scale.keep(result)
    assert result.is_clean, crowd.violations
    assert result.acked == crowd.expected
    assert result.reconnects >= KILLS * (SHOPPERS + 2)


async def test_when_everybody_has_left_the_server_holds_on_to_nothing(
    open_site: OpenSite, furnished: Furnished, sayings: Sequence[str]
) -> None:
    site = open_site("tell")
    before = await footprint(site)
    crowd = Crowd(site.url, furnished.agents, sayings[:8], scale.SEED)
    await crowd.gather(SHOPPERS)

    await crowd.talk(leave_alone, ())
    result = await crowd.judge(stored(str(site.data / "data.db")), "C12 everybody leaves")

    assert result.is_clean, crowd.violations
    assert list(left_over(before, await settled_footprint(site))) == []


async def settled_footprint(site: Site) -> Footprint:
    """What is left once the server has noticed that everybody went; it has thirty seconds for that."""
    async with asyncio.timeout(30):
        while (after := await footprint(site)).connections or after.inside["people"]:  # noqa: ASYNC110
            await asyncio.sleep(0.5)  # nothing in this process tells when the other one has noticed
    return after


async def footprint(site: Site) -> Footprint:
    server = psutil.Process(site.pid)
    told = site.output().count("inside {")
    server.send_signal(signal.SIGUSR1)
    async with asyncio.timeout(10):
        while site.output().count("inside {") == told:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    last = site.output().rpartition("inside ")[2].partition("\n")[0]
    established = [each for each in server.net_connections("tcp") if each.status == psutil.CONN_ESTABLISHED]
    inside = msgspec.json.decode(last, type=dict[str, int])
    return Footprint(len(established), server.num_fds(), server.num_threads(), inside)
