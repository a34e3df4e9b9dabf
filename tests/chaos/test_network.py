"""The network between clients and server does the worst that networks do, and no promise is broken (T7)."""

from collections.abc import Sequence

from chat import lines
from chat.lines import Opening
from tests.chaos import scale
from tests.chaos.conftest import BOTH_WAYS, Furnished, OpenSite, told
from tests.chaos.crowd import Crowd, leave_alone
from tests.chaos.proxy import Proxy, Weather
from tests.chaos.rows import stored

MESSAGES = 40 * scale.LENGTH
SHORT = Weather(between_s=(0.05, 0.4), stall_s=(0.05, 0.2), hole_s=(0.1, 0.4), latency_s=(0.0, 0.01))


@BOTH_WAYS
async def test_a_network_that_fails_in_every_way_breaks_no_promise(
    open_site: OpenSite, furnished: Furnished, sayings: Sequence[str], way: Opening
) -> None:
    site = open_site()
    weather = Weather() if scale.IS_LONG and way is lines.socket else SHORT  # a poll's connection does not live long
    async with Proxy(site.port, scale.SEED, weather).running() as proxy:
        crowd = Crowd(site.url, furnished.agents, sayings[:MESSAGES], scale.SEED, doors=[proxy.url], way=way)
        await crowd.gather(4)

        await crowd.talk(leave_alone, ())

    result = await crowd.judge(stored(str(site.data / "data.db")), told("T7 network", way))
    scale.keep(result)
    assert result.is_clean, (crowd.violations, proxy.struck)
    assert result.acked == crowd.expected
    assert sum(proxy.struck.values()) >= 5, proxy.struck
    assert result.reconnects >= 2
