"""A furnished shop to break: made once, copied for every test, so that each starts in the time of a restart."""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chat import lines
from chat.lines import Opening
from support.replay import scripts
from support.replay.doors import Admission
from tests.agents import signed_in
from tests.nursery import Nursery
from tests.site import Site, Way

# Shoppers write as fast as they can, each from a network of her own.
QUICK: dict[str, str] = {"message_rate": "1000", "message_burst": "1000", "trusted_proxies": '["127.0.0.1"]'}


def told(test: str, way: Opening) -> str:
    """The name of a test that everybody took part in this way."""
    return test if way is lines.socket else f"T21 {test}, polls"


@dataclass(frozen=True)
class Furnished:
    """The data of a shop that is stopped, and the sign-ins of its agents, which are good in every copy."""

    data: Path
    agents: Sequence[Admission]


OpenSite = Callable[..., Site]
BOTH_WAYS = pytest.mark.parametrize("way", [lines.socket, lines.polling], ids=["sockets", "polls (T21)"])


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """Where the servers of this room come from."""
    opened = Nursery()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery) -> Furnished:
    folder = tmp_path_factory.mktemp("furnished")
    site = Site(folder, Way(nursery=nursery), demo=True, **QUICK)
    site.start()
    agents = [replace(each, origin=None) for each in asyncio.run(signed_in(site))]  # a copy has an address of its own
    site.stop()
    return Furnished(site.data, agents)


@pytest.fixture
def open_site(tmp_path: Path, furnished: Furnished, nursery: Nursery) -> Iterator[OpenSite]:
    """Start a server on a copy of the furnished shop, or on nothing yet; it is ended with the test."""
    sites: list[Site] = []

    def start(
        *patches: str,
        folder: Path = tmp_path,
        is_furnished: bool = True,
        through: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> Site:
        site = Site(
            folder,
            Way(patches, None if through or environment else nursery, through, environment or {}),
            demo=True,
            **QUICK,
        )
        sites.append(site)
        if is_furnished:
            shutil.copytree(furnished.data, site.data, dirs_exist_ok=True)
        site.start()
        return site

    yield start
    for site in sites:
        site.kill()


@pytest.fixture(scope="session")
def sayings(shared_data: Path) -> Sequence[str]:
    """What real customers wrote."""
    found = scripts.read(shared_data / "multidogo" / "media.tsv")
    return [turn.text for script in found for turn in script.turns]
