"""Commands of the rights desk: plain functions that say where requests stand and return an exit code.

They show ids, codes and dates; what somebody wrote is for the officer's page alone, where each look is recorded.
"""

import base64
import re
from collections.abc import Sequence

from sqlmodel import col, select

from core import clock
from core.database import Transaction
from core.refusals import NotFound
from core.report import Report
from core.services import Core
from core.web import i18n
from support.rights import deadlines, intake, ringing, steps
from support.rights.models import OPEN, RightsRequest, RightsStep

DONE, WRONG = 0, 3
HEADERS = ("Reference", "Id", "Kind", "Channel", "State", "Received", "Due", "Days left", "Marks")
_REFERENCE = re.compile(r"R-([0-9A-F]{4})-([0-9A-F]{4})")


async def list_(core: Core, report: Report, *, everything: bool = False) -> int:
    """Show requests, the first due first."""
    now = clock.now()
    found = await core.database.read(_all, everything=everything)
    report.table(HEADERS, [_line(core, row, now=now) for row in found])
    report.line(f"{len(found)} requests.")
    return DONE


async def show(core: Core, report: Report, *, which: str) -> int:
    """Show one request and its steps. Raises: NotFound."""
    row, done = await core.database.read(_one, which)
    formats = _formats(core)
    report.table(HEADERS, [_line(core, row, now=clock.now())])
    identity = f"{row.identity_level} ({row.identity_method or 'not shown'}); needed {row.identity_needed}"
    report.line(f"Identity: {identity}. Decision: {row.decision or 'none'}. Joined by {row.merged} more.")
    rows = [[str(s.number), formats.moment(s.at_ms), s.verb, s.state, s.role or "", s.reason or ""] for s in done]
    report.table(["Step", "When", "What", "State", "By", "Reason"], rows)
    return DONE


async def due(core: Core, report: Report) -> int:
    """Ring what is due; the exit code tells a monitor that a day was missed."""
    now = clock.now()
    rang = await ringing.ring(core, now=now)
    late = [row for row in await core.database.read(_all, everything=False) if now > row.due_ms]
    report.table(HEADERS, [_line(core, row, now=now) for row in late])
    report.line(f"{rang} rang or came back; {len(late)} are late.")
    return WRONG if late else DONE


async def mail(core: Core, report: Report, *, message: str) -> int:
    """Take in one message, given as base64. Raises: TooLarge."""
    received = await intake.take(core, base64.b64decode(message), now=clock.now())
    if received is None:
        report.line("A machine sent this by itself; it is no request.")
        return DONE
    joined = " (joined the open one)" if received.is_merged else ""
    report.line(f"{received.reference}{joined}, due {_formats(core).day(received.due_ms)}.")
    return DONE


def _all(tx: Transaction, *, everything: bool) -> list[RightsRequest]:
    wanted = select(RightsRequest).where(col(RightsRequest.hidden_ms).is_(None))
    wanted = wanted if everything else wanted.where(col(RightsRequest.state).in_(OPEN))
    found = list(tx.session.exec(wanted.order_by(col(RightsRequest.due_ms))))
    tx.session.expunge_all()
    return found


def _one(tx: Transaction, which: str) -> tuple[RightsRequest, Sequence[RightsStep]]:
    row = steps.find(tx, _id(tx, which))
    done = steps.all_of(tx, row.id)
    tx.session.expunge_all()
    return row, done


def _id(tx: Transaction, which: str) -> str:
    """The id behind a reference; two of one beginning are shown as none."""
    spelled = _REFERENCE.fullmatch(which.strip().upper())
    if spelled is None:
        return which
    alike = select(RightsRequest.id).where(col(RightsRequest.id).startswith("".join(spelled.groups()).lower()))
    found = list(tx.session.exec(alike.limit(2)))
    if len(found) != 1:
        raise NotFound
    return found[0]


def _line(core: Core, row: RightsRequest, *, now: int) -> list[str]:
    formats = _formats(core)
    marks = [
        name
        for name, is_set in (
            ("extended", row.extended_ms is not None),
            ("breach", row.is_policy_breach),
            ("counsel", row.needs_counsel),
        )
        if is_set
    ]
    left = deadlines.days_left(row.due_ms, core.settings.time_zone, now=now) if row.state in OPEN else ""
    dates = (formats.day(row.received_ms), formats.day(row.due_ms), str(left))
    return [steps.reference(row.id), row.id, row.kind, row.channel, row.state, *dates, ", ".join(marks)]


def _formats(core: Core) -> i18n.Formats:
    return i18n.Formats("en", core.settings.time_zone, core.settings.currency)
