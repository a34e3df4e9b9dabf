"""Each of ten wrong ways to build the product is caught by the rule that is there for it, and the right way by none.

A checker that has never found anything proves nothing. What each mutation is stands in `tests/chaos/mutations.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.agents import signed_in
from tests.chaos import scale
from tests.chaos.conftest import Furnished, OpenSite
from tests.chaos.crowd import Crowd
from tests.chaos.scenarios import SCENARIOS, held

MESSAGES = 20
CALM_S, WRONG_S = 60.0, 5.0


@dataclass(frozen=True)
class Case:
    """A mutation, the scenario that brings it to light, and the rule that it breaks.

    Some runs cannot come to an end: they are broken off after `patience_s`.
    """

    mutation: str
    scenario: str
    rule: str
    patience_s: float = CALM_S


CASES = [
    Case("M1", "crash before commit", "C1", 10.0),
    Case("M2", "crash after commit", "C2"),
    Case("M3", "stumbling", "C6"),
    Case("M4", "away for long", "C4"),
    Case("M7", "unruly hub", "C5", WRONG_S),
    Case("M8", "stumbling", "C10", WRONG_S),
    Case("M10", "silent hub", "C4", WRONG_S),
]
ELSEWHERE = {"crash before commit", "crash after commit"}  # in test_crash_points.py, larger


@pytest.mark.parametrize("case", CASES, ids=[case.mutation for case in CASES])
async def test_a_product_that_is_built_wrongly_is_caught(
    open_site: OpenSite, furnished: Furnished, sayings: Sequence[str], case: Case
) -> None:
    scenario = SCENARIOS[case.scenario]
    needs_new_tables = case.mutation == "M2"
    site = open_site(*scenario.faults, case.mutation, is_furnished=not needs_new_tables)
    agents = await signed_in(site) if needs_new_tables else furnished.agents
    crowd = Crowd(site.url, agents, sayings[:MESSAGES], scale.SEED, patience_s=case.patience_s)

    result = await held(scenario, site, crowd, f"{case.mutation} {case.scenario}")

    assert result.violations[case.rule], crowd.violations


@pytest.mark.parametrize("name", sorted({case.scenario for case in CASES} - ELSEWHERE))
async def test_a_product_that_is_built_rightly_passes_the_same_run(
    open_site: OpenSite, furnished: Furnished, sayings: Sequence[str], name: str
) -> None:
    scenario = SCENARIOS[name]
    site = open_site(*scenario.faults)
    crowd = Crowd(site.url, furnished.agents, sayings[:MESSAGES], scale.SEED, patience_s=CALM_S)

    result = await held(scenario, site, crowd, f"no mutation, {name}")

    assert result.is_clean, crowd.violations
