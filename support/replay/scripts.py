"""Scripts: recorded dialogues in three public shapes, read into turns of shoppers and agents."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from chat.bodies import TEXT_POINTS

Side = Literal["shopper", "agent"]
_HEADINGS = ["conversationId", "turnNumber", "sentenceNumber", "utteranceId", "utterance"]
_OPENING = re.compile(r"^[^\t\n]+\t\d+\t\d+\t<CONV>", re.MULTILINE)
_SPEAKERS: dict[str, Side] = {"user": "shopper", "customer": "shopper", "assistant": "agent", "agent": "agent"}


@dataclass(frozen=True)
class Turn:
    """One message of one side."""

    side: Side
    text: str


@dataclass(frozen=True)
class Script:
    """One dialogue, in the order in which it was held."""

    name: str
    turns: Sequence[Turn]

    def spoken(self, *, is_staffed: bool) -> Sequence[Turn]:
        """What can be said: without staff there, only the shopper's part."""
        return [turn for turn in self.turns if is_staffed or turn.side == "shopper"]


class NotAScript(ValueError):
    """The file is none of the shapes; the sentence says what was expected."""


class _Display(Struct):
    messages_display: str


@dataclass(frozen=True)
class _Utterance:
    conversation: str
    turn: int
    sentence: int
    text: str


class _Recorded(Struct):
    convo_id: int
    original: list[tuple[str, str]]


def read(path: Path) -> Iterator[Script]:
    """Every dialogue of a file that says something. Raises: NotAScript, OSError."""
    reader = {".jsonl": read_display, ".tsv": read_turns, ".json": read_recorded}.get(path.suffix.lower())
    if reader is None:
        raise NotAScript("expected a .jsonl, .tsv or .json file of dialogues")
    try:
        text = path.read_text("utf-8")
        yield from (script for script in reader(text) if script.turns)
    except (UnicodeDecodeError, msgspec.DecodeError, ValueError) as error:
        raise NotAScript(f"{path.name} is not a file of dialogues: {error}") from error


def read_display(text: str) -> Iterator[Script]:
    """One object a line; the lines of its `messages_display` open with `user:`, `assistant:` or `tool:`."""
    for number, line in enumerate(filter(str.strip, text.split("\n")), start=1):
        display = msgspec.json.decode(line, type=_Display).messages_display
        yield Script(f"dialogue {number}", _turns(_speeches(display)))


def read_turns(text: str) -> Iterator[Script]:
    """Tab-separated customer utterances under one line of headings.

    Quotes are only quotes, and some utterances hold line ends and tabs: a record goes on until the next line that opens
    one, and what is left of the fixed cells on both sides is the utterance.
    """
    utterances = sorted(map(_utterance, _records(text)), key=lambda said: (said.conversation, said.turn, said.sentence))
    for name, said in groupby(utterances, key=lambda each: each.conversation):
        yield Script(name, _turns(("customer", each.text) for each in said))


def read_recorded(text: str) -> Iterator[Script]:
    """A list of conversations with `[speaker, text]` pairs; actions of the system are left out."""
    for recorded in msgspec.json.decode(text, type=list[_Recorded]):
        yield Script(str(recorded.convo_id), _turns(recorded.original))


def _speeches(display: str) -> Iterator[tuple[str, str]]:
    """A line without a speaker goes on with what the last one said."""
    speaker, said = "", list[str]()
    for line in display.split("\n"):
        name, colon, rest = line.partition(": ")
        if colon and name in {"user", "assistant", "tool"}:
            yield speaker, "\n".join(said)
            speaker, said = name, [rest]
        else:
            said.append(line)
    yield speaker, "\n".join(said)


def _records(text: str) -> Iterator[str]:
    headings, _, body = text.partition("\n")
    if headings.split("\t")[:5] != _HEADINGS:
        raise NotAScript(f"expected the headings {', '.join(_HEADINGS)}")
    starts = [match.start() for match in _OPENING.finditer(body)]
    return (body[start:end].rstrip("\r\n") for start, end in zip(starts, [*starts[1:], len(body)], strict=True))


def _utterance(record: str) -> _Utterance:
    conversation, turn, sentence, _, rest = record.split("\t", 4)
    return _Utterance(conversation, int(turn), int(sentence), rest.rsplit("\t", 2)[0])


def _turns(speeches: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> list[Turn]:
    """What was really said: "None" is how the recordings write an agent who only used a tool."""
    said = ((_SPEAKERS[speaker], text.strip()) for speaker, text in speeches if speaker in _SPEAKERS)
    return [Turn(side, text[:TEXT_POINTS]) for side, text in said if text and (side, text) != ("agent", "None")]
