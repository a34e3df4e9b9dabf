"""No table about people escapes the list of holdings."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Column, Integer, MetaData, Table

import support.tables
from core import holdings_of_core, policy
from core.holdings import Holding, Undeclared, check
from core.settings import ROOT

POLICY = policy.load(ROOT / "policy" / "2023-10-11.toml")
KEPT = Holding("letters", "Letters", "4(1)6", ("letter",), classes=("letter",), kinds=("letter",))


def tables(*names: str) -> MetaData:
    metadata = MetaData()
    for name in names:
        Table(name, metadata, Column("id", Integer, primary_key=True))
    return metadata


def test_a_declared_table_passes() -> None:
    check([KEPT], tables("letter", "meta"), {"meta": "One row with the version."}, POLICY)


@pytest.mark.parametrize(
    ("holdings", "metadata", "impersonal", "named"),
    [
        ([KEPT], tables("letter", "diary"), {}, "table diary is in no holding"),
        ([KEPT], tables(), {}, "table letter does not exist"),
        ([KEPT, KEPT], tables("letter"), {}, "table letter is declared twice"),
        ([KEPT, KEPT], tables("letter"), {}, "kinds letter belongs to two holdings"),
        ([KEPT], tables("letter"), {"letter": "Really not."}, "table letter is declared twice"),
        ([], tables("meta"), {"meta": " "}, "impersonal without a reason"),
        ([Holding("a", "A", "9(9)", ())], tables(), {}, "no clause 9(9)"),
        ([Holding("a", "A", "2(4)", (), classes=("forever",))], tables(), {}, "no class forever"),
    ],
)
@pytest.mark.clause("5(1)3")
def test_what_would_slip_through_is_named(
    holdings: Sequence[Holding], metadata: MetaData, impersonal: dict[str, str], named: str
) -> None:
    with pytest.raises(Undeclared) as caught:
        check(holdings, metadata, impersonal, POLICY)

    assert any(named in fault for fault in caught.value.faults)


@pytest.mark.clause("5(1)3")
def test_every_table_of_core_is_declared() -> None:
    ours = {table for module in support.tables.ALL if module.__name__.startswith("core.") for table in _made_by(module)}

    declared = {table for holding in holdings_of_core.holdings() for table in holding.tables}

    assert ours == declared | set(holdings_of_core.IMPERSONAL)


def _made_by(module: object) -> list[str]:
    return [
        str(value.__tablename__)
        for value in vars(module).values()
        if hasattr(value, "__table__") and value.__module__ == getattr(module, "__name__", "")
    ]
