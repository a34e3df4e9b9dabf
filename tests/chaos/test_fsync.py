"""What is acknowledged has been given to the disk before, call by call (T16); a build that does not is caught (M6).

No power was cut here: this is the order of the system calls, and what the disk makes of a flush is the disk's.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import text

from core.database import Database
from support.replay.client import Client
from support.replay.doors import enter_as_guest
from tests.chaos import scale
from tests.chaos.conftest import OpenSite
from tests.chaos.tracing import order, strace

MESSAGES = 20 * min(scale.LENGTH, 5)


@pytest.mark.parametrize(("mutations", "all_synced"), [((), True), (("M6",), False)], ids=["as it is", "M6"])
async def test_every_acknowledgement_follows_a_sync_of_what_was_written(
    open_site: OpenSite, sayings: Sequence[str], tmp_path: Path, mutations: Sequence[str], all_synced: bool
) -> None:
    trace = tmp_path / "trace"
    site = open_site(*mutations, through=strace(trace))
    shopper, conversation = await enter_as_guest(site.url)

    async with Client(site.url, shopper) as client:
        await client.watch(conversation)
        for said in sayings[:MESSAGES]:
            await client.send(conversation, said)
    site.stop()

    found = order(trace, "data.db-wal")
    print(found)  # noqa: T201
    assert found.acks == MESSAGES
    assert (found.synced == found.acks) is all_synced


def test_postgresql_returns_from_a_commit_when_it_is_on_disk(postgres_url: str) -> None:
    database = Database(postgres_url)
    database.open()

    level = database.write_now(lambda tx: tx.execute(text("SHOW synchronous_commit")).scalar_one())

    database.close()
    assert level == "on"
