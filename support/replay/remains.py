"""Remains: what must not be left when people have gone (C12) or have been erased (C11).

Pure: what was found goes in, broken promises come out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from support.replay.checker import Log, Violation, of
from support.replay.journal import Journal, Received


@dataclass(frozen=True)
class Footprint:
    """What a server process holds on to; `inside` is what it counts itself, by name: tasks, rooms, people present."""

    connections: int
    files: int
    threads: int = 0
    inside: Mapping[str, int] = field(default_factory=dict)


def left_over(
    before: Footprint, after: Footprint, *, slack_files: int = 8, slack_threads: int = 24
) -> Iterator[Violation]:
    """C12: with everybody gone the server holds no connection, no task, and few more files and threads than it did."""
    if after.connections > before.connections:
        yield Violation("C12", "", f"{after.connections - before.connections} connections are left")
    if after.files > before.files + slack_files:
        yield Violation("C12", "", f"{after.files - before.files} files are left open")
    if after.threads > before.threads + slack_threads:
        yield Violation("C12", "", f"{after.threads - before.threads} threads are left")
    for name, count in after.inside.items():
        if count > before.inside.get(name, 0):
            yield Violation("C12", "", f"{count - before.inside.get(name, 0)} {name} are left")


def erased(conversation: str, log: Log, journals: Sequence[Journal], *, at: float) -> Iterator[Violation]:
    """C11: of a conversation that was erased nothing is stored, and nothing was delivered afterwards."""
    if log:
        yield Violation("C11", conversation, f"{len(log)} events are still there")
    for journal in journals:
        late = [got for got in of(journal, Received) if got.conversation == conversation and got.at > at]
        if late:
            yield Violation("C11", conversation, f"{late[0].number} was delivered after the erasure")


def nowhere(secrets: Iterable[str], places: Mapping[str, bytes]) -> Iterator[Violation]:
    """C11: these words stand in none of the places; a finding names the place and not the word."""
    words = [secret.encode() for secret in secrets]
    for name, content in places.items():
        if any(word in content for word in words):
            yield Violation("C11", "", f"erased words are still in {name}")
