"""The register of clauses: no clause without a test, and no green that nobody saw."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
import pytest_asyncio

from core.clauses import NUMBERS
from core.identity import Role
from core.policy import Policy
from core.services import Core
from support.policy import register, web
from support.policy.register import Ran, Record
from tests import clauses
from tests.support.desk.house import app_of, browser, member

SEEN = 1_795_400_000_000


def recorded(folder: Path, **tests: Ran) -> Path:
    path = folder / "clauses.json"
    path.write_bytes(msgspec.json.encode(Record({f"tests/a.py::{name}": ran for name, ran in tests.items()})))
    return path


def row(found: register.Register, number: str) -> register.Row:
    return next(each for each in found.rows if each.clause.number == number)


@pytest.mark.clause("3(2)")
def test_every_clause_is_carried_by_a_test() -> None:
    marks = {number for carried in clauses.marked().values() for number in carried}

    bare = [number for number in NUMBERS if number not in {register.home(mark) for mark in marks}]

    assert bare == []


def test_a_mark_belongs_to_the_closest_clause_and_a_section_to_none() -> None:
    homes = {mark: register.home(mark) for mark in ("2(3)3", "5(1)1", "5(1)1(2)", "5(2)4(6)", "1")}

    assert homes == {"2(3)3": "2(3)", "5(1)1": "5(1)1", "5(1)1(2)": "5(1)1(2)", "5(2)4(6)": "5(2)4(6)", "1": None}


@pytest.mark.clause("3(2)")
@pytest.mark.parametrize(
    ("outcomes", "light"),
    [
        (["passed", "passed"], "green"),
        (["passed", "failed"], "red"),
        (["passed", "not_run"], "not_run"),
        (["passed", "skipped"], "not_run"),
        ([], "no_test"),
    ],
)
def test_a_clause_is_green_only_when_all_its_tests_have_passed(
    tmp_path: Path, rules: Policy, outcomes: list[register.Outcome], light: str
) -> None:
    ran = {f"test_{at}": Ran(("5(2)2",), outcome, SEEN, 0.1, "0.1.0 abc") for at, outcome in enumerate(outcomes)}

    found = register.read(rules, recorded(tmp_path, **ran))

    assert row(found, "5(2)2").light == light
    assert sum(found.count(each) for each in ("green", "red", "not_run", "no_test")) == len(NUMBERS)


@pytest.mark.parametrize("content", [None, b"", b"{}", b'{"tests": {"a": {"clauses": 1}}}'])
def test_without_a_readable_record_nothing_is_green(tmp_path: Path, rules: Policy, content: bytes | None) -> None:
    path = tmp_path / "clauses.json"
    if content is not None:
        path.write_bytes(content)

    found = register.read(rules, path)

    assert not found.has_record
    assert found.count("not_run") == len(NUMBERS)


def test_a_run_is_merged_and_a_test_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "build" / "clauses.json"
    here = f"tests/support/policy/test_register.py::{test_every_clause_is_carried_by_a_test.__name__}"
    clauses.begin(path)
    before = msgspec.json.decode(path.read_bytes(), type=Record).tests

    clauses.merge({here: Ran(("3(2)",), "failed", SEEN), "tests/gone.py::test_gone": Ran(("1(1)",), "passed")}, path)
    clauses.merge({}, path)

    after = msgspec.json.decode(path.read_bytes(), type=Record).tests
    assert before[here].outcome == "not_run"
    assert after[here].outcome == "failed"
    assert set(after) == set(before)


@pytest_asyncio.fixture
async def pages(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app_of(core, web.routes)) as client:
        yield client


@pytest.mark.clause("3(2)")
@pytest.mark.parametrize("role", [Role.PRIVACY_OFFICER, Role.AUDITOR, Role.SUPERVISOR, Role.ADMIN])
async def test_those_who_oversee_read_the_register(core: Core, pages: httpx.AsyncClient, role: Role) -> None:
    reader = await member(core, "noa.lin", role)

    answer = await pages.get("/policy/register", headers=reader.page)

    assert answer.status_code == 200
    for number in NUMBERS:
        assert f'id="clause-{number}"' in answer.text


@pytest.mark.clause("3(2)")
async def test_an_agent_and_a_stranger_do_not_read_the_register(core: Core, pages: httpx.AsyncClient) -> None:
    agent = await member(core, "kai.wu", Role.AGENT)

    refused = await pages.get("/policy/register", headers=agent.page)
    unknown = await pages.get("/policy/register", headers={"Accept": "application/json"})

    assert (refused.status_code, unknown.status_code) == (404, 401)
