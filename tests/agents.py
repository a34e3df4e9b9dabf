"""The demo agents of a site, signed in at its desk as people are."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from core.refusals import Unavailable
from support.replay.commands import staff_of
from support.replay.doors import Admission, enter_as_staff
from tests.site import Site

PATIENCE_S = 70


async def signed_in(site: Site) -> Sequence[Admission]:
    """Both of them."""
    agents = [await _signed_in(site, place) for place in range(2)]
    return [replace(each, origin=site.origin) for each in agents]


async def _signed_in(site: Site, place: int) -> Admission:
    """A code works once: whoever used hers just now waits for the next one, which comes within half a minute."""
    used = None
    async with asyncio.timeout(PATIENCE_S):
        while True:
            mine = (await staff_of(site.chosen))[place]
            if mine.code != used:
                try:
                    return await enter_as_staff(site.url, mine)
                except Unavailable:
                    used = mine.code
            await asyncio.sleep(1)
