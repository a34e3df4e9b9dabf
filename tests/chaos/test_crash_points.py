"""The server dies exactly where it hurts most, and no promise is broken (T2)."""

import uuid
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from support.replay.client import Client
from support.replay.doors import enter_as_guest
from tests.chaos import scale
from tests.chaos.conftest import QUICK, Furnished, OpenSite
from tests.chaos.crowd import Crowd
from tests.chaos.pictures import picture, upload
from tests.chaos.rows import stored
from tests.chaos.scenarios import SCENARIOS, held, talk
from tests.nursery import Nursery
from tests.site import Site, Way

MESSAGES = 20 * scale.LENGTH
POINTS = ["before commit", "after commit", "after ack"]


@pytest.mark.parametrize("point", POINTS)
async def test_dying_at_this_point_of_a_message_breaks_no_promise(
    open_site: OpenSite, furnished: Furnished, sayings: Sequence[str], point: str
) -> None:
    scenario = SCENARIOS[f"crash {point}"]
    site = open_site(*scenario.faults)
    crowd = Crowd(site.url, furnished.agents, sayings[:MESSAGES], scale.SEED)

    result = await held(scenario, site, crowd, f"T2 crash {point}")

    assert result.is_clean, crowd.violations
    assert result.acked == crowd.expected
    assert site.output().count(f"crashed {point}") >= 1
    assert result.duplicate_acks >= (point == "after commit"), "the point between commit and answer was not hit"


async def test_a_migration_that_is_cut_off_is_made_again_from_the_start(
    tmp_path: Path, nursery: Nursery, open_site: OpenSite, sayings: Sequence[str]
) -> None:
    with pytest.raises(AssertionError, match="crashed in migration"):
        Site(tmp_path, Way(("crash-in-migration=9",), nursery), demo=True, **QUICK).start()

    site = open_site(is_furnished=False)

    crowd = Crowd(site.url, (), sayings[:8], scale.SEED)
    await crowd.gather(2)
    await talk(site, crowd)
    result = await crowd.judge(stored(str(site.data / "data.db")), "T2 crash in migration")
    scale.keep(result)
    assert result.is_clean, crowd.violations


@pytest.mark.parametrize("files", [1, 3])
async def test_an_upload_that_is_cut_off_is_made_again_and_there_once(open_site: OpenSite, files: int) -> None:
    site = open_site(f"crash-in-upload={files}")
    shopper, conversation = await enter_as_guest(site.url)
    name, content = str(uuid.uuid4()), picture()

    with pytest.raises(httpx.TransportError):
        await upload(site, shopper, conversation, name, content)
    site.kill()
    whole = open_site(folder=site.data.parent, is_furnished=False)
    first = await upload(whole, shopper, conversation, name, content)
    again = await upload(whole, shopper, conversation, name, content)

    async with Client(whole.url, shopper) as client:
        await client.watch(conversation)
        await client.show(conversation, first.json()["id"])
        await client.echo()
        shown = [event for event in client.views[conversation].events if event.k == "media"]
    assert "crashed in upload" in site.output()
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["id"] == again.json()["id"]
    assert [event.b["attachment"]["id"] for event in shown] == [first.json()["id"]]
