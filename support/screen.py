"""Screens: how a command's report looks to a person, and to a program."""

from collections.abc import Sequence

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table


class ScreenReport:
    """Lines, bars and tables on a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def line(self, text: str) -> None:
        """Say something."""
        self._console.print(text, markup=False, soft_wrap=True)

    def progress(self, label: str, done: int, total: int) -> None:
        """Move the bar of `label`; the last step closes it."""
        if self._bars is None:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bars = Progress(*columns, console=self._console)
            self._bars.start()
        if label not in self._tasks:
            self._tasks[label] = self._bars.add_task(label, total=total)
        self._bars.update(self._tasks[label], completed=done, total=total)
        if all(task.finished for task in self._bars.tasks):
            self._bars.stop()
            self._bars, self._tasks = None, {}

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows under headers."""
        table = Table(*headers)
        for row in rows:
            table.add_row(*row)
        self._console.print(table)


class JsonReport:
    """One JSON object a line; progress is left out."""

    def line(self, text: str) -> None:
        """Say something."""
        self._write({"line": text})

    def progress(self, label: str, done: int, total: int) -> None:
        """Programs do not watch bars."""

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Each row as an object keyed by the headers."""
        for row in rows:
            self._write(dict(zip(headers, row, strict=True)))

    def _write(self, value: object) -> None:
        typer.echo(msgspec.json.encode(value).decode())
