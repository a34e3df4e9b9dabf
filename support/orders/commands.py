"""The commands about orders."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core import clock
from core.refusals import Invalid
from core.report import Report
from support.house import House
from support.orders.documents import Kind
from support.orders.importing import Tally, import_files

DONE, SOME_LEFT_OUT, NOTHING_READ = 0, 1, 2


async def import_orders(house: House, report: Report, arguments: Mapping[str, Any]) -> int:  # Any: JSON values
    """`files`: paths; optional `kind` and `currency`. The exit code says whether everything went in."""
    paths = [Path(name) for name in arguments["files"]]
    tally = await import_files(
        house.core,
        paths,
        report,
        kind=_kind(arguments.get("kind")),
        currency=arguments.get("currency"),
        now=clock.now(),
    )
    if not tally.total:
        report.line("There are no orders in these files.")
    headers = ("new", "changed", "unchanged", "left out")
    report.table(headers, [[str(count) for count in (tally.added, tally.changed, tally.unchanged, tally.rejected)]])
    return _exit_code(tally)


def _kind(name: str | None) -> Kind | None:
    if name is None:
        return None
    try:
        return Kind(name)
    except ValueError as error:
        raise Invalid("kind", "The kind is one of retail, shopify and table.") from error


def _exit_code(tally: Tally) -> int:
    if tally.total == tally.rejected:
        return NOTHING_READ
    return SOME_LEFT_OUT if tally.rejected else DONE
