"""The demo agents of a site, signed in at its desk as people are."""

import asyncio
from collections.abc import Sequence

from support.replay.commands import staff_of
from support.replay.doors import Admission, enter_as_staff
from tests.site import Site

GREETED = "Stop with Ctrl+C."
PATIENCE_S = 30


async def signed_in(site: Site) -> Sequence[Admission]:
    """Both of them, once the demo shop is loaded: a site is ready a moment before that."""
    async with asyncio.timeout(PATIENCE_S):
        while GREETED not in site.output():  # noqa: ASYNC110  (nothing in this process tells)
            await asyncio.sleep(0.1)
    agents = [await enter_as_staff(site.url, each) for each in await staff_of(site.data)]
    assert len(agents) == 2
    return agents
