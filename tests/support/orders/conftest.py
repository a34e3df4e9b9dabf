"""Whoever imports orders reports to somebody."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest


@dataclass
class HeardReport:
    """A report that remembers what it was told."""

    lines: list[str] = field(default_factory=list)
    steps: list[tuple[str, int, int]] = field(default_factory=list)
    tables: list[Sequence[Sequence[str]]] = field(default_factory=list)

    def line(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, label: str, done: int, total: int) -> None:
        self.steps.append((label, done, total))

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.tables.append([headers, *rows])


@pytest.fixture
def report() -> HeardReport:
    return HeardReport()
