"""The board: all requests at a glance, the first due first; ids, codes and dates, and nothing that anybody wrote."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from sqlmodel import col, select

from core.database import Transaction
from core.services import Core
from support.rights import deadlines, steps
from support.rights.models import OPEN, RightsRequest, State

SOON_DAYS: Final = 5
MOST: Final = 500
OPEN_ONES, LATE, COUNSEL, ALL = "open", "late", "counsel", "all"
FILTERS: Final = MappingProxyType({OPEN_ONES: OPEN, LATE: OPEN} | {state: frozenset({state}) for state in State})


@dataclass(frozen=True)
class Line:
    """One request on the board; `left` is in calendar days, None when it is answered."""

    id: str
    reference: str
    kind: str
    channel: str
    state: str
    received_ms: int
    due_ms: int
    left: int | None
    tone: str
    is_extended: bool
    is_breach: bool
    needs_counsel: bool
    merged: int


@dataclass(frozen=True)
class Board:
    """The lines of a filter, and how many are open, due soon and late whatever the filter."""

    lines: Sequence[Line]
    open: int
    soon: int
    late: int


def read(tx: Transaction, core: Core, filter_: str, *, now: int) -> Board:
    """The board as it stands."""
    shown = select(RightsRequest).where(col(RightsRequest.hidden_ms).is_(None)).order_by(col(RightsRequest.due_ms))
    waiting = [_line(core, row, now=now) for row in tx.session.exec(shown.where(col(RightsRequest.state).in_(OPEN)))]
    chosen = shown
    if filter_ in FILTERS:
        chosen = shown.where(col(RightsRequest.state).in_(FILTERS[filter_]))
    elif filter_ == COUNSEL:
        chosen = shown.where(col(RightsRequest.needs_counsel))
    lines = [_line(core, row, now=now) for row in tx.session.exec(chosen.limit(MOST))]
    if filter_ == LATE:
        lines = [line for line in lines if _is_late(line, now)]
    soon = sum(not _is_late(line, now) and (line.left or 0) <= SOON_DAYS for line in waiting)
    return Board(lines, len(waiting), soon, sum(_is_late(line, now) for line in waiting))


def _is_late(line: Line, now: int) -> bool:
    return line.left is not None and now > line.due_ms


def _line(core: Core, row: RightsRequest, *, now: int) -> Line:
    left = deadlines.days_left(row.due_ms, core.settings.time_zone, now=now) if row.state in OPEN else None
    return Line(
        id=row.id,
        reference=steps.reference(row.id),
        kind=row.kind,
        channel=row.channel,
        state=row.state,
        received_ms=row.received_ms,
        due_ms=row.due_ms,
        left=left,
        tone=_tone(left, is_late=now > row.due_ms),
        is_extended=row.extended_ms is not None,
        is_breach=row.is_policy_breach,
        needs_counsel=row.needs_counsel,
        merged=row.merged,
    )


def _tone(left: int | None, *, is_late: bool) -> str:
    if left is None:
        return ""
    if is_late:
        return "bad"
    return "warn" if left <= SOON_DAYS else "good"
