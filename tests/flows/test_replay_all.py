"""Real dialogues through the whole product: everything is seen by both sides and nothing is readable on disk."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol import Ev
from support.replay import scripts
from support.replay.player import Performance, Stage, play
from support.replay.scripts import Script
from tests.agents import signed_in
from tests.site import Site

TURNS = 1_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server whose shoppers may write as fast as they can, each from a network of her own."""
    started = Site(tmp_path, message_rate="1000", message_burst="1000", trusted_proxies='["127.0.0.1"]')
    started.start()
    yield started
    started.stop()


async def replayed(site: Site, chosen: list[Script], *, is_staffed: bool) -> Performance:
    agents = await signed_in(site) if is_staffed else ()
    return await play(Stage(site.url, agents, at_once=20), chosen)


def said(events: list[Ev] | tuple[Ev, ...]) -> list[tuple[str, str]]:
    return [(event.from_.kind, event.b["text"]) for event in events if event.k == "message"]


@pytest.mark.clause("3(1)")
async def test_forty_dialogues_reach_both_sides_whole_and_in_order(site: Site, shared_data: Path) -> None:
    dialogues = list(scripts.read(shared_data / "retail" / "dialogues.jsonl"))

    performance = await replayed(site, dialogues, is_staffed=True)

    assert performance.broken_off == {}
    assert performance.violations == []
    assert len(performance.seen) == len(dialogues) == 40
    for conversation, (public, staff) in performance.seen.items():
        expected = [(turn.side, turn.text) for turn in performance.played[conversation].turns]
        assert said(list(public)) == expected
        assert said(list(staff or ())) == expected
    assert readable(site, dialogues) == []


@pytest.mark.clause("3(1)")
async def test_a_thousand_turns_of_customers_are_stored_once_and_in_order(site: Site, shared_data: Path) -> None:
    files = sorted((shared_data / "multidogo").glob("*.tsv"))
    dialogues = first_turns([script for file in files for script in scripts.read(file)], TURNS)

    performance = await replayed(site, dialogues, is_staffed=False)

    result = performance.result()
    assert performance.broken_off == {}
    assert performance.violations == []
    assert (result.sent, result.acked) == (TURNS, TURNS)
    for conversation, (public, _) in performance.seen.items():
        expected = [("shopper", turn.text) for turn in performance.played[conversation].turns]
        assert said(list(public)) == expected
    assert readable(site, dialogues) == []


def first_turns(found: list[Script], count: int) -> list[Script]:
    chosen: list[Script] = []
    for script in found:
        turns = script.turns[: count - sum(len(each.turns) for each in chosen)]
        if turns:
            chosen.append(Script(script.name, turns))
    return chosen


DATABASE = ("data.db", "data.db-wal")  # what is written stays in the second until a checkpoint


def readable(site: Site, dialogues: list[Script]) -> list[tuple[str, str]]:
    """Which of ten sentences lie in plain bytes in the server's folder or in its log."""
    long = sorted({turn.text for script in dialogues for turn in script.turns if len(turn.text) > 40})
    sample = random.Random(7).sample(long, 10)
    contents = {file.name: file.read_bytes() for file in site.files()}
    assert sum(len(content) for name, content in contents.items() if name in DATABASE) > 100_000
    return [(name, text) for name, content in contents.items() for text in sample if text.encode() in content]
