"""Incidents: opened by whoever learns of one, decided by the privacy officer within the policy's hours, then closed.

Danger. An incident that is talked about and never reported; one that is closed without anybody having decided; a clock
that starts when somebody found the time.

Principle. The clock runs from the moment it was known, which may lie before the entry and never after it. Closing needs
a decision, whether to report and to tell those concerned, with its reason, and only the privacy officer decides. What
is late without a decision raises an alarm in the ledger by itself, once.

Boundary. Each act is one transaction with its entry in the ledger; words are sealed, and never in it.
"""

from dataclasses import dataclass

import structlog
from sqlmodel import col, select

from core import clock, ids, jobs, ledger
from core.database import Transaction
from core.identity import Caller, Role
from core.identity.callers import SYSTEM
from core.refusals import Conflict, Invalid, NotFound
from core.services import Core
from support.desk.words import _
from support.incidents.models import Incident

log = structlog.get_logger("incidents")

JOB = "incidents.alarm"
EVERY_MS = clock.HOUR
TABLE = "incident"
OPENING = frozenset({Role.SUPERVISOR, Role.PRIVACY_OFFICER, Role.ADMIN})
DECISIONS = {
    "report_and_tell": _("Report it, and tell those concerned"),
    "report": _("Report it; nobody needs to be told"),
    "publish": _("Report it, and publish it instead of telling each: the data were sealed and cannot be read"),
    "nothing": _("Neither: nobody's data were touched"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """An incident in the clear."""

    id: str
    known_ms: int
    due_ms: int
    summary: str
    decision: str | None
    reason: str | None
    decided_ms: int | None
    closed_ms: int | None
    is_late: bool


def open_(tx: Transaction, core: Core, caller: Caller, summary: str, known_ms: int, *, now: int) -> str:
    """Note an incident that became known at `known_ms`; its clock runs from then. Raises: Invalid, NotFound."""
    if caller.role not in OPENING:
        raise NotFound
    if not 10 <= len(summary.strip()) <= 4_000:
        raise Invalid("summary", "Say what happened: 10 to 4,000 letters.")
    if not now - 366 * clock.DAY <= known_ms <= now:
        raise Invalid("known", "It cannot have become known later than now, or more than a year ago.")
    incident = ids.new()
    tx.session.add(
        Incident(
            id=incident,
            known_ms=known_ms,
            due_ms=known_ms + core.policy.span_ms("incident_report"),
            opened_by=caller.ref,
            opened_ms=now,
            summary_sealed=_seal(core, incident, "summary", summary.strip()),
        )
    )
    _keep(tx, caller, incident, "incident.open", now=now)
    return incident


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done about an incident, and why. Raises: Invalid."""

    done: str
    reason: str

    def __post_init__(self) -> None:
        if self.done not in DECISIONS or not 10 <= len(self.reason.strip()) <= 4_000:
            raise Invalid("decision", "Choose what is done, and say why: 10 to 4,000 letters.")


def decide(tx: Transaction, core: Core, caller: Caller, incident: str, decision: Decision, *, now: int) -> None:
    """Decide whether it is reported and who is told, and why. Raises: NotFound."""
    row = _find(tx, caller, incident)
    row.decision, row.reason_sealed = decision.done, _seal(core, incident, "reason", decision.reason.strip())
    row.decided_by, row.decided_ms = caller.ref, now
    tx.session.add(row)
    _keep(tx, caller, incident, "incident.decide", result=decision.done, now=now)


def close(tx: Transaction, caller: Caller, incident: str, *, now: int) -> None:
    """Close it. Raises: Conflict, code `undecided`, before it was decided whether to report and to tell."""
    row = _find(tx, caller, incident)
    if row.decision is None:
        raise Conflict("undecided", "Decide first whether it is reported and who is told, and say why.")
    row.closed_ms = now
    tx.session.add(row)
    _keep(tx, caller, incident, "incident.close", now=now)


def every(tx: Transaction, core: Core, caller: Caller, *, now: int) -> list[Shown]:
    """Every incident, the open ones first, then the newest; for those who may open one."""
    if caller.role not in OPENING:
        raise NotFound
    order = (col(Incident.closed_ms).is_not(None), col(Incident.known_ms).desc())
    return [_shown(core, row, now=now) for row in tx.session.exec(select(Incident).order_by(*order))]


def alarm(tx: Transaction, *, now: int) -> int:
    """Put every incident that is late and undecided into the ledger, once each; returns how many."""
    late = select(Incident).where(
        col(Incident.decision).is_(None), col(Incident.due_ms) <= now, col(Incident.alarmed_ms).is_(None)
    )
    rows = tx.session.exec(late).all()
    for row in rows:
        row.alarmed_ms = now
        tx.session.add(row)
        _keep(tx, SYSTEM, row.id, "incident.late", result="late", now=now)
    return len(rows)


def handlers(core: Core) -> dict[str, jobs.Handler]:
    """What the runner of jobs calls; let `JOB` come again every `EVERY_MS`."""

    async def run(_job: jobs.Job) -> None:
        if late := await core.database.write(alarm, now=clock.now()):
            log.warning("incidents_late", count=late)

    return {JOB: run}


def _find(tx: Transaction, caller: Caller, incident: str) -> Incident:
    """An open incident, for the privacy officer."""
    row = tx.session.get(Incident, incident)
    if caller.role is not Role.PRIVACY_OFFICER or row is None or row.closed_ms is not None:
        raise NotFound
    return row


def _shown(core: Core, row: Incident, *, now: int) -> Shown:
    return Shown(
        id=row.id,
        known_ms=row.known_ms,
        due_ms=row.due_ms,
        summary=core.vault.open_field(core.vault.system_key, TABLE, row.id, "summary", row.summary_sealed),
        decision=DECISIONS[row.decision] if row.decision else None,
        reason=core.vault.open_field(core.vault.system_key, TABLE, row.id, "reason", row.reason_sealed)
        if row.reason_sealed
        else None,
        decided_ms=row.decided_ms,
        closed_ms=row.closed_ms,
        is_late=row.decision is None and row.due_ms <= now,
    )


def _seal(core: Core, incident: str, column: str, words: str) -> bytes:
    return core.vault.seal_field(core.vault.system_key, TABLE, incident, column, words)


def _keep(tx: Transaction, caller: Caller, incident: str, action: str, *, result: str = "ok", now: int) -> None:
    tx.session.flush()
    ledger.append(
        tx, caller=caller, action=action, object=("incident", incident), reason="R-3.5", result=result, now=now
    )
