"""The commands that replay recorded dialogues against a running server."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

from core import clock
from core.identity import Role
from core.refusals import Invalid, Refusal, Unavailable
from core.report import Collected, Report
from core.settings import Settings
from support import control, demo
from support.control import Arguments
from support.house import House, opened
from support.replay import scripts
from support.replay.checker import RULES
from support.replay.doors import Admission, Credentials, enter_as_staff
from support.replay.player import Performance, Stage, play
from support.replay.scripts import NotAScript, Script

CLEAN, BROKEN = 0, 3
LABEL = "messages"
TELL_STAFF = "demo.staff"
STAFF_HEADERS = ("login", "role", "password", "code")


async def replay(
    files: Sequence[Path],
    report: Report,
    *,
    url: str,
    shoppers: int,
    limit: int | None,
    staff: Sequence[Credentials] | None = None,
) -> int:
    """Play the files as guests and, with staff to sign in, as their agents; 3 when a promise was broken.

    Without `staff` the demo staff of the server on this machine play the agents, if that is where `url` points.
    """
    url = url.rstrip("/")
    found = _read(files)
    agents = await _admitted(url, await _staff_here(url) if staff is None else staff, report)
    chosen = _cut(found, limit, is_staffed=bool(agents))
    total = sum(len(script.spoken(is_staffed=bool(agents))) for script in chosen)
    done = count(1)
    report.progress(LABEL, 0, total)
    performance = await play(Stage(url, agents, shoppers), chosen, lambda: report.progress(LABEL, next(done), total))
    _tell(report, performance)
    return CLEAN if performance.result().is_clean and not performance.broken_off else BROKEN


async def tell_staff(house: House, report: Report, _arguments: Arguments) -> int:
    """How the demo staff sign in at this moment; refuses in production."""
    shown = demo.staff_credentials(house.core, now=clock.now())
    report.table(STAFF_HEADERS, [[each.login, each.role, each.password, each.code] for each in shown])
    return CLEAN


async def staff_of(settings: Settings) -> list[Credentials]:
    """The demo agents of the shop on this machine; nobody when there is none."""
    told = Collected()
    try:
        if settings.is_embedded:
            await control.ask(control.socket_path(settings.data), TELL_STAFF, {}, told)
        else:
            async with opened(settings) as house:
                await tell_staff(house, told, {})
    except (OSError, Refusal):
        return []
    rows = [row for _, rows in told.tables for row in rows]
    return [Credentials(login, password, code) for login, role, password, code in rows if role == Role.AGENT]


async def _staff_here(url: str) -> list[Credentials]:
    """Passwords go to the server that they are for and to no other."""
    settings = Settings()
    return await staff_of(settings) if url == settings.origin else []


async def _admitted(url: str, staff: Sequence[Credentials], report: Report) -> list[Admission]:
    """Whoever gets in; a code that somebody has just used is the usual reason why one does not."""
    agents: list[Admission] = []
    for each in staff:
        try:
            agents.append(await enter_as_staff(url, each))
        except Unavailable:
            report.line(f"{each.login} could not sign in; perhaps the code was just used.")
    if not agents:
        report.line("No agents: only the shoppers' part is played.")
    return agents


def _read(files: Sequence[Path]) -> list[Script]:
    try:
        return [script for file in files for script in scripts.read(file)]
    except (NotAScript, OSError) as error:
        raise Invalid("dialogues", f"Nothing to replay: {error}.") from error


def _cut(found: Sequence[Script], limit: int | None, *, is_staffed: bool) -> list[Script]:
    """As many scripts as fit, the last one shortened."""
    if limit is None:
        return list(found)
    chosen: list[Script] = []
    for script in found:
        turns = script.spoken(is_staffed=is_staffed)[:limit]
        if not turns:
            break
        chosen.append(Script(script.name, turns))
        limit -= len(turns)
    return chosen


def _tell(report: Report, performance: Performance) -> None:
    result = performance.result()
    report.table(
        ("measure", "value"),
        [
            ["messages", str(result.sent)],
            ["acknowledged", str(result.acked)],
            ["acknowledged again", str(result.duplicate_acks)],
            ["deliveries", str(result.deliveries)],
            ["reconnections", str(result.reconnects)],
            ["acknowledged after, median ms", str(result.ack_p50_ms)],
            ["acknowledged after, 99 % ms", str(result.ack_p99_ms)],
            ["broken promises", str(len(performance.violations))],
        ],
    )
    for name, code in performance.broken_off.items():
        report.line(f"{name} ended early: the server answered {code}.")
    if performance.violations:
        report.table(("rule", "broken"), [[rule, str(result.violations[rule])] for rule in RULES])
        for violation in performance.violations[:20]:
            report.line(f"{violation.rule} {violation.conversation}: {violation.what}")
    report.line(result.line())
