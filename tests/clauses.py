"""The record of the clauses: which test carries which clause of the policy, and how each went when it last ran.

Danger. A clause shown green by a test that no longer exists, that was renamed, or that was never run.

Principle. Which tests there are is read from their sources, not from what happened to run: a test that was not run
stands there as not run. Every run merges its outcomes into the record, whichever part of the suite it ran, and an
outcome is only as good as the worst of a test's parameters. `make test` begins with a record in which nothing ran.

Boundary. One process writes: under xdist the one that collects the reports; a new record replaces the old whole.
"""

import ast
import os
import subprocess
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import msgspec
import pytest

from core import clock
from core.settings import ROOT, Settings
from support.policy.register import Ran, Record

RECORD: Path = Settings.model_fields["clause_record"].default
MARK = "pytest.mark.clause"
WORST_LAST = ("not_run", "passed", "skipped", "failed")


def marked(folder: Path = ROOT / "tests") -> dict[str, tuple[str, ...]]:
    """Every test that carries a clause, as `tests/a.py::test_b`, with its clauses; nothing is imported."""
    found: dict[str, tuple[str, ...]] = {}
    for file in sorted(folder.rglob("test_*.py")):
        for name, clauses in _in_module(ast.parse(file.read_text())):
            found[f"{file.relative_to(folder.parent).as_posix()}::{name}"] = clauses
    return found


def _in_module(tree: ast.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            clauses = [number for decorator in node.decorator_list for number in _numbers(decorator)]
            if clauses:
                yield node.name, tuple(dict.fromkeys(clauses))


def _numbers(decorator: ast.expr) -> list[str]:
    if not isinstance(decorator, ast.Call) or ast.unparse(decorator.func) != MARK:
        return []
    return [str(argument.value) for argument in decorator.args if isinstance(argument, ast.Constant)]


def begin(record: Path = RECORD) -> None:
    """A record in which every test stands and none has run."""
    _write(record, {})


def merge(outcomes: dict[str, Ran], record: Path = RECORD) -> None:
    """Add what ran just now to what ran before."""
    before = msgspec.json.decode(record.read_bytes(), type=Record).tests if record.exists() else {}
    _write(record, before | outcomes)


def _write(record: Path, known: dict[str, Ran]) -> None:
    tests = {}
    for name, clauses in marked().items():
        ran = known.get(name, Ran(clauses))
        tests[name] = msgspec.structs.replace(ran, clauses=clauses)
    record.parent.mkdir(exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=record.parent, delete=False) as file:
        file.write(msgspec.json.format(msgspec.json.encode(Record(tests))))
    os.replace(file.name, record)


def running_version() -> str:
    """What is being tested: the release, and the commit where there is one."""
    asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    said = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=30)
    return f"{version('aftercare')} {said.stdout.strip()}".strip()


class Recorder:
    """A plugin of pytest that notes how every test with a clause went."""

    def __init__(self) -> None:
        self._carriers = marked()
        self._version = running_version()
        self.outcomes: dict[str, Ran] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Refuse a mark that the record would not see, and so would not show."""
        for item in items:
            clauses = {number for mark in item.iter_markers("clause") for number in mark.args}
            if unseen := clauses - set(self._carriers.get(item.nodeid.partition("[")[0], ())):
                raise pytest.UsageError(f"{item.nodeid}: put @{MARK} on the function itself: {sorted(unseen)}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst outcome of a test's steps and parameters."""
        name = report.nodeid.partition("[")[0]
        if name not in self._carriers:
            return
        outcome = report.outcome if report.when == "call" or report.outcome != "passed" else "not_run"
        before = self.outcomes.get(name, Ran(self._carriers[name]))
        worst = max(before.outcome, outcome, key=WORST_LAST.index)
        seconds = round(before.seconds + report.duration, 3)
        self.outcomes[name] = Ran(self._carriers[name], worst, clock.now(), seconds, self._version)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write it down, in the process that heard of every test."""
        if not hasattr(session.config, "workerinput") and self.outcomes:
            merge(self.outcomes)


if __name__ == "__main__":
    begin()
