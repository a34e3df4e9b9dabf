"""Incidents: a clock from the moment it is known, no closing without a decision, and an alarm when nobody decides."""

import datetime
from collections.abc import AsyncIterator
from zoneinfo import ZoneInfo

import httpx
import pytest
import pytest_asyncio
from sqlmodel import select

from core import clock
from core.clock import HOUR
from core.identity import Caller, Role
from core.refusals import Conflict, Invalid, NotFound
from core.services import Core
from support.incidents import incidents, web
from support.incidents.incidents import Decision
from support.incidents.models import Incident
from tests.support.desk.house import app_of, browser, member
from tests.support.desk.test_console import entries

OFFICER = Caller("staff", "b" * 32, role=Role.PRIVACY_OFFICER)
ADMIN = Caller("staff", "a" * 32, role=Role.ADMIN)
WORDS = "A copy of the disk was taken from the rack."
REASON = "Everything on it was sealed and the keys were elsewhere."


async def opened(core: Core, *, by: Caller = ADMIN, known_ms: int | None = None) -> str:
    now = clock.now()
    return await core.database.write(incidents.open_, core, by, WORDS, known_ms or now, now=now)


async def shown(core: Core, *, now: int | None = None) -> incidents.Shown:
    (only,) = await core.database.read(incidents.every, core, OFFICER, now=now or clock.now())
    return only


@pytest.mark.clause("3(5)")
async def test_the_clock_runs_from_the_moment_it_was_known(core: Core) -> None:
    known = clock.now() - 10 * HOUR

    await opened(core, known_ms=known)

    found = await shown(core)
    assert (found.known_ms, found.due_ms) == (known, known + 72 * HOUR)
    assert found.summary == WORDS
    assert (await shown(core, now=known + 73 * HOUR)).is_late


@pytest.mark.clause("3(5)")
async def test_nothing_is_closed_before_it_was_decided_with_a_reason(core: Core) -> None:
    incident = await opened(core)

    with pytest.raises(Conflict, match="undecided"):
        await core.database.write(incidents.close, OFFICER, incident, now=clock.now())
    for decision, reason in (("nothing", " "), ("forget", REASON)):
        with pytest.raises(Invalid):
            Decision(decision, reason)
    published = Decision("publish", REASON)
    await core.database.write(incidents.decide, core, OFFICER, incident, published, now=clock.now())
    await core.database.write(incidents.close, OFFICER, incident, now=clock.now())

    found = await shown(core)
    assert found.closed_ms is not None
    assert found.reason == REASON
    acts = [action for _, action, _ in await entries(core)]
    assert acts == ["incident.open", "incident.decide", "incident.close"]


@pytest.mark.clause("3(5)")
async def test_only_the_officer_decides_and_an_agent_sees_none(core: Core) -> None:
    incident = await opened(core)
    agent = Caller("staff", "c" * 32, role=Role.AGENT)

    for other in (ADMIN, agent):
        with pytest.raises(NotFound):
            await core.database.write(
                incidents.decide, core, other, incident, Decision("nothing", REASON), now=clock.now()
            )
    with pytest.raises(NotFound):
        await core.database.read(incidents.every, core, agent, now=clock.now())

    assert (await shown(core)).decision is None


@pytest.mark.clause("3(5)")
async def test_what_is_late_raises_one_alarm_and_what_was_decided_none(core: Core) -> None:
    late, decided = await opened(core), await opened(core)
    await core.database.write(incidents.decide, core, OFFICER, decided, Decision("nothing", REASON), now=clock.now())
    early = await core.database.write(incidents.alarm, now=clock.now() + 71 * HOUR)

    first = await core.database.write(incidents.alarm, now=clock.now() + 73 * HOUR)
    second = await core.database.write(incidents.alarm, now=clock.now() + 74 * HOUR)

    assert (early, first, second) == (0, 1, 0)
    row = await core.database.read(lambda tx: tx.session.exec(select(Incident).where(Incident.id == late)).one())
    assert row.alarmed_ms is not None


@pytest.mark.clause("3(1)")
async def test_what_happened_is_sealed(core: Core) -> None:
    await opened(core)

    row = await core.database.read(lambda tx: tx.session.exec(select(Incident)).one())

    assert WORDS.encode() not in row.summary_sealed


@pytest_asyncio.fixture
async def pages(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app_of(core, web.routes)) as client:
        yield client


@pytest.mark.clause("3(5)")
async def test_a_supervisor_notes_it_and_the_officer_decides_and_closes_on_the_page(
    core: Core, pages: httpx.AsyncClient
) -> None:
    lee, noa = await member(core, "lee.lin", Role.SUPERVISOR), await member(core, "noa.lin", Role.PRIVACY_OFFICER)
    noting = {"csrf_token": lee.csrf, "summary": WORDS, "known": "2099-01-01T00:00"}
    future = await pages.post("/admin/incidents", data=noting, headers=lee.page)

    noted = await pages.post("/admin/incidents", data=noting | {"known": _yesterday(core)}, headers=lee.page)
    incident = (await shown(core)).id
    done = {"csrf_token": noa.csrf, "decision": "report", "reason": REASON}
    too_early = await pages.post(f"/admin/incidents/{incident}/close", data=done, headers=noa.page)
    decided = await pages.post(f"/admin/incidents/{incident}/decide", data=done, headers=noa.page)
    closed = await pages.post(f"/admin/incidents/{incident}/close", data=done, headers=noa.page)

    assert [each.status_code for each in (future, noted, too_early, decided, closed)] == [422, 303, 409, 303, 303]
    page = await pages.get("/admin/incidents", headers=lee.page)
    assert WORDS in page.text
    assert REASON in page.text


def _yesterday(core: Core) -> str:
    """As a browser's field sends it, in the shop's zone."""
    moment = datetime.datetime.fromtimestamp((clock.now() - 24 * HOUR) / 1000, ZoneInfo(core.settings.time_zone))
    return moment.strftime("%Y-%m-%dT%H:%M")
