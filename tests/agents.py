"""The demo agents of a site, signed in at its desk as people are."""

from collections.abc import Sequence
from dataclasses import replace

from support.replay.commands import staff_of
from support.replay.doors import Admission, enter_as_staff
from tests.site import Site


async def signed_in(site: Site) -> Sequence[Admission]:
    """Both of them."""
    agents = [await enter_as_staff(site.url, each) for each in await staff_of(site.chosen)]
    assert len(agents) == 2
    return [replace(each, origin=site.origin) for each in agents]
