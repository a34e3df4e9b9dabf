"""The register of clauses: clause, rules, the tests that prove it, and how they went when they last ran (3(2)).

Data in, rows out: the record is written where the tests run, and a shop that has none is told so instead of being
shown a green that nobody saw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from core.clauses import NUMBERS, Clause
from core.policy import Policy

Outcome = Literal["not_run", "passed", "skipped", "failed"]
Light = Literal["green", "red", "not_run", "no_test"]


class Ran(msgspec.Struct, frozen=True):
    """How one test went: the worst of its parameters, when it ended, and which version it tried."""

    clauses: tuple[str, ...]
    outcome: Outcome = "not_run"
    at_ms: int | None = None
    seconds: float = 0.0
    version: str = ""


class Record(msgspec.Struct, frozen=True):
    """Every test that carries a clause, by name."""

    tests: dict[str, Ran]


@dataclass(frozen=True, slots=True)
class Row:
    """One clause and what proves it."""

    clause: Clause
    light: Light
    tests: Sequence[tuple[str, Ran]]
    last_ms: int | None
    versions: Sequence[str]


@dataclass(frozen=True, slots=True)
class Register:
    """Every clause, the sums of their lights, and whether a run is on record at all."""

    rows: Sequence[Row]
    has_record: bool
    tests: int

    def count(self, light: Light) -> int:
        """How many clauses show this light."""
        return sum(row.light == light for row in self.rows)


def read(policy: Policy, record: Path) -> Register:
    """The register of this policy; a record that is not there or cannot be read counts as none."""
    found = _record(record)
    tests = found.tests if found else {}
    carriers = {number: carrying(number, tests) for number in policy.clauses}
    rows = [_row(clause, carriers[number], has_record=found is not None) for number, clause in policy.clauses.items()]
    return Register(rows, found is not None, len(tests))


def carrying(number: str, tests: Mapping[str, Ran]) -> list[tuple[str, Ran]]:
    """The tests that name this clause or a part of it; a mark on a whole section proves none of its clauses."""
    return [(name, ran) for name, ran in sorted(tests.items()) if any(home(mark) == number for mark in ran.clauses)]


def home(mark: str) -> str | None:
    """The clause that a mark belongs to: `2(3)3` is a part of `2(3)`; a section such as `1` is none."""
    return max((known for known in NUMBERS if mark.startswith(known)), key=len, default=None)


def light(tests: Sequence[tuple[str, Ran]]) -> Light:
    """Green only when every test of the clause has passed; one that was left out keeps it from being green."""
    outcomes = {ran.outcome for _, ran in tests}
    if not outcomes:
        return "no_test"
    if "failed" in outcomes:
        return "red"
    return "green" if outcomes == {"passed"} else "not_run"


def _row(clause: Clause, tests: Sequence[tuple[str, Ran]], *, has_record: bool) -> Row:
    shown = light(tests) if has_record else "not_run"
    ran = [each for _, each in tests if each.at_ms is not None]
    last = max((each.at_ms for each in ran if each.at_ms is not None), default=None)
    return Row(clause, shown, tests, last, sorted({each.version for each in ran}))


def _record(path: Path) -> Record | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
