"""Reading recorded dialogues."""

import re
from pathlib import Path

import pytest

from support.replay import scripts
from support.replay.scripts import NotAScript, Turn

HEADINGS = "conversationId\tturnNumber\tsentenceNumber\tutteranceId\tutterance\tslot-labels\tintent\n"


def test_the_forty_retail_dialogues_are_read_without_their_tools(shared_data: Path) -> None:
    found = list(scripts.read(shared_data / "retail" / "dialogues.jsonl"))

    turns = [turn for script in found for turn in script.turns]
    assert len(found) == 40
    assert (len(turns), sum(turn.side == "agent" for turn in turns)) == (564, 268)
    assert not any(turn.text.startswith("{") or turn.text == "None" for turn in turns)
    assert found[0].turns[0] == Turn("shopper", "Hi, I was wondering how I can check the balance on my gift card?")


def test_an_answer_of_several_paragraphs_stays_one_message(shared_data: Path) -> None:
    found = next(scripts.read(shared_data / "retail" / "dialogues.jsonl"))

    assert any("\n\n" in turn.text for turn in found.turns)


@pytest.mark.parametrize("name", ["airline", "fastfood", "finance", "insurance", "media", "software"])
def test_every_utterance_of_the_six_services_is_read_whatever_quotes_and_line_ends_it_holds(
    shared_data: Path, name: str
) -> None:
    path = shared_data / "multidogo" / f"{name}.tsv"

    turns = [turn for script in scripts.read(path) for turn in script.turns]

    not_empty = re.findall(r"\t<CONV>[^\t]*\t(?!\t)", path.read_text())
    assert len(turns) == len(not_empty)
    assert {turn.side for turn in turns} == {"shopper"}
    assert not any("<CONV>" in turn.text for turn in turns)


def test_quotes_line_ends_and_tabs_inside_an_utterance_are_kept() -> None:
    records = 'c1\t2\t0\t<CONV>c1\t"15068 \n new \t kensington"\tO O\tcontentonly\nc1\t0\t0\t<CONV>c1\tsay "hi\tO\tx\n'

    [script] = scripts.read_turns(HEADINGS + records)

    assert [turn.text for turn in script.turns] == ['say "hi', '"15068 \n new \t kensington"']


def test_the_three_dialogues_of_both_sides_are_read_without_actions(shared_data: Path) -> None:
    found = list(scripts.read(shared_data / "abcd" / "sample.json"))

    turns = [turn for script in found for turn in script.turns]
    assert (len(found), len(turns)) == (3, 63)
    assert {turn.side for turn in turns} == {"shopper", "agent"}


def test_without_staff_only_the_shoppers_part_is_spoken(shared_data: Path) -> None:
    script = next(scripts.read(shared_data / "abcd" / "sample.json"))

    assert {turn.side for turn in script.spoken(is_staffed=False)} == {"shopper"}
    assert script.spoken(is_staffed=True) == script.turns


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", "not json\n"),
        ("a.jsonl", '{"other": 1}\n'),
        ("a.json", '{"convo_id": 1}'),
        ("a.json", ""),
        ("a.tsv", "a\tb\n"),
        ("a.tsv", ""),
        ("a.txt", "hello"),
    ],
)
def test_a_file_of_something_else_is_refused_with_a_reason(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)

    with pytest.raises(NotAScript):
        list(scripts.read(path))
