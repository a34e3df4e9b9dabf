"""Report: how long or large work tells an operator what it does, on a screen, as JSON or in a test."""

from collections.abc import Sequence
from typing import Protocol


class Report(Protocol):
    """Where commands write; never anything personal."""

    def line(self, text: str) -> None:
        """One sentence."""

    def progress(self, label: str, done: int, total: int) -> None:
        """How far a piece of work has come; called often, `done` reaches `total` at the end."""

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under headings."""


class Collected:
    """A report that is kept, for work whose result is read afterwards."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tables: list[tuple[Sequence[str], Sequence[Sequence[str]]]] = []

    def line(self, text: str) -> None:
        """Keep the sentence."""
        self.lines.append(text)

    def progress(self, label: str, done: int, total: int) -> None:
        """Progress is not kept."""

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Keep the table."""
        self.tables.append((headers, rows))
