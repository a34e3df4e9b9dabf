"""A shop is put back while somebody stands beyond the end of the copy: no number of the old telling is taken for one of
the new (C1, C4 after a restore; M9).
"""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from support.replay import checker
from support.replay.client import Client
from support.replay.doors import Admission, enter_as_guest, take
from support.replay.result import summed_up
from tests.agents import signed_in
from tests.chaos import scale
from tests.chaos.conftest import Furnished, OpenSite
from tests.chaos.crowd import merged
from tests.chaos.rows import epochs, stored
from tests.site import Site

BEFORE, LOST, AFTER = 4, 3, 6


@pytest.mark.parametrize("mutation", [None, "M9"], ids=["as it is", "M9"])
async def test_who_stood_beyond_the_copy_begins_anew_and_a_build_that_keeps_old_epochs_is_caught(
    open_site: OpenSite, furnished: Furnished, sayings: Sequence[str], tmp_path: Path, mutation: str | None
) -> None:
    site, folder = open_site(), tmp_path / "backups" / "monday"
    agent = furnished.agents[0]
    _, conversation = await enter_as_guest(site.url)
    await take(site.url, agent, conversation)
    async with Client(site.url, agent) as ahead:
        await ahead.watch(conversation)
        await say(ahead, conversation, sayings[:BEFORE])
        await command(site, None, "backup", str(folder))
        await say(ahead, conversation, sayings[BEFORE : BEFORE + LOST])
        await ahead.echo()
    position = ahead.position(conversation)
    assert position is not None

    site.stop()
    await command(site, mutation, "restore", str(folder))
    site.start()
    agent = (await signed_in(site))[0]
    async with Client(site.url, agent) as other:
        await other.watch(conversation)
        last = await say(other, conversation, sayings[-AFTER:])
    again = Client(site.url, agent)
    again.journal.entries += ahead.journal.entries
    again.views.resume(conversation, *position)
    async with again:
        await again.until(lambda: again.views[conversation].cursor == last)
        await again.echo()

    found = await judged(site, agent, [again, other], conversation)
    assert ("C1" in found, "C4" in found) == ((True, True) if mutation else (False, False)), found


async def say(client: Client, conversation: str, texts: Sequence[str]) -> int:
    """One after the other; returns the number of the last one."""
    return [await client.send(conversation, text) for text in texts][-1]


async def command(site: Site, mutation: str | None, *words: str) -> None:
    """Run a command of the product, built wrongly if so named."""
    program = ["-m", "tests.chaos.patched", mutation] if mutation else ["-m", "support.cli"]
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        *words,
        env=site.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await running.communicate()
    assert running.returncode == 0, output.decode()


async def judged(site: Site, agent: Admission, clients: Sequence[Client], conversation: str) -> set[str]:
    """The rules that were broken in what follows the last epoch."""
    url = str(site.data / "data.db")
    async with Client(site.url, agent) as reader:
        staff = await reader.whole(conversation)
    logs = {conversation: merged(stored(url)[conversation], (), staff)}
    journals = [client.journal for client in clients]
    violations = checker.check(journals, logs, epochs(url))
    scale.keep(summed_up(journals, logs, violations, test="T14 put back", seed=scale.SEED))
    return {violation.rule for violation in violations}
