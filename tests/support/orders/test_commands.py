"""The command that imports orders."""

from pathlib import Path

import pytest

from core.refusals import Invalid
from core.report import Collected
from core.services import Core
from support.house import House
from support.orders.commands import import_orders

HEADER = "order_number,email,status,item,unit_price,currency\n"
GOOD = "A-1,ann@example.com,pending,Cup,10,USD\n"
BAD = "A-2,ann@example.com,flying,Cup,10,USD\n"


@pytest.fixture
def house(core: Core) -> House:
    """As much of a house as orders need: its services."""
    return House(core, None, None, ())  # type: ignore[arg-type]  # neither media nor chat has a part in it


@pytest.mark.parametrize(
    ("content", "code", "row"),
    [
        (HEADER + GOOD, 0, ["1", "0", "0", "0"]),
        (HEADER + GOOD + BAD, 1, ["1", "0", "0", "1"]),
        (HEADER + BAD, 2, ["0", "0", "0", "1"]),
        (HEADER, 2, ["0", "0", "0", "0"]),
        ("nothing that we know", 2, ["0", "0", "0", "1"]),
    ],
)
async def test_the_exit_code_says_whether_everything_went_in(
    house: House, tmp_path: Path, content: str, code: int, row: list[str]
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(content)
    report = Collected()

    ended = await import_orders(house, report, {"files": [str(file)]})

    assert ended == code
    assert report.tables == [(("new", "changed", "unchanged", "left out"), [row])]


async def test_an_unknown_kind_is_refused(house: House, tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        await import_orders(house, Collected(), {"files": [str(tmp_path / "a.csv")], "kind": "magento"})
