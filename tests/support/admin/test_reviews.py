"""Reviews of access: the officer decides about everybody but herself, and what nobody uses is suspended."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from sqlmodel import select

from core import clock, ledger
from core.clock import DAY
from core.database import Transaction
from core.identity import Role, staff
from core.refusals import NotFound
from core.services import Core
from support.admin import reviews, web
from support.admin.models import AccessReview
from tests.support.desk.house import Member, app_of, browser, member
from tests.support.desk.test_console import entries


@pytest_asyncio.fixture
async def pages(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app_of(core, web.routes)) as client:
        yield client


@pytest_asyncio.fixture
async def noa(core: Core) -> Member:
    return await member(core, "noa.lin", Role.PRIVACY_OFFICER)


async def line_of(core: Core, reader: Member, other: Member, *, now: int | None = None) -> reviews.Line:
    lines = await core.database.read(reviews.read, core.policy, reader.caller, now=now or clock.now())
    return next(line for line in lines if line.id == other.caller.id)


async def decide(core: Core, by: Member, about: Member, decision: reviews.Decision = "confirmed") -> None:
    await core.database.write(reviews.decide, core, by.caller, about.caller.id, decision, now=clock.now())


async def is_active(core: Core, someone: Member) -> bool:
    found = await core.database.read(staff.by_id, someone.caller.id)
    assert found is not None
    return found.disabled_ms is None


@pytest.mark.clause("3(2)")
async def test_a_review_is_due_at_first_and_again_after_a_quarter(core: Core, noa: Member) -> None:
    mei = await member(core, "mei.lin")
    first = await line_of(core, noa, mei)

    await decide(core, noa, mei)

    days = core.policy.days("access_review")
    young = await line_of(core, noa, mei, now=clock.now() + (days - 1) * DAY)
    old = await line_of(core, noa, mei, now=clock.now() + (days + 1) * DAY)
    assert (days, first.is_due, young.is_due, old.is_due) == (90, True, False, True)
    assert (noa.caller.ref, "access.review", None) in await entries(core)


@pytest.mark.clause("3(2)")
async def test_whoever_was_given_another_role_is_reviewed_again(core: Core, noa: Member) -> None:
    mei = await member(core, "mei.lin")
    await decide(core, noa, mei)

    await core.database.write(staff.change_role, core, mei.caller.id, Role.SUPERVISOR, "care")

    assert (await line_of(core, noa, mei)).is_due


@pytest.mark.clause("3(2)")
async def test_access_that_is_revoked_is_gone_at_once(core: Core, noa: Member) -> None:
    mei = await member(core, "mei.lin")

    await decide(core, noa, mei, "revoked")

    assert not await is_active(core, mei)
    with pytest.raises(NotFound):
        await decide(core, noa, mei)
    assert not await is_active(core, mei)


@pytest.mark.clause("3(2)")
async def test_nobody_reviews_herself_and_nobody_but_the_officer_reviews(core: Core, noa: Member) -> None:
    mei, root = await member(core, "mei.lin", Role.SUPERVISOR), await member(core, "root.lin", Role.ADMIN)

    for by, about in ((noa, noa), (mei, noa), (root, noa), (root, mei)):
        with pytest.raises(NotFound):
            await decide(core, by, about, "revoked")

    assert await core.database.read(lambda tx: list(tx.session.exec(select(AccessReview)))) == []
    assert await is_active(core, noa)


@pytest.mark.clause("3(2)")
async def test_what_was_not_used_for_the_whole_period_is_suspended_and_the_rest_goes_on(
    core: Core, noa: Member
) -> None:
    idle, busy = await member(core, "idle.lin"), await member(core, "busy.lin")
    days = core.policy.days("unused_access")
    later = clock.now() + (days + 1) * DAY

    def work(tx: Transaction) -> None:
        for each in (busy, noa):
            ledger.append(tx, caller=each.caller, action="inbox.view", object=("inbox", "all"), now=later - DAY)

    early = await reviews.suspend_unused(core, now=clock.now() + (days - 1) * DAY)
    await core.database.write(work)
    suspended = await reviews.suspend_unused(core, now=later)

    assert (days, early, suspended) == (45, 0, 1)
    assert [await is_active(core, each) for each in (idle, busy, noa)] == [False, True, True]


@pytest.mark.clause("3(2)")
async def test_the_officer_lifts_a_suspension_by_confirming(core: Core, noa: Member) -> None:
    mei = await member(core, "mei.lin")
    await reviews.suspend_unused(core, now=clock.now() + 60 * DAY)
    line = await line_of(core, noa, mei)

    await decide(core, noa, mei)

    assert line.is_suspended
    assert await is_active(core, mei)


async def test_the_last_administrator_is_not_locked_out(core: Core) -> None:
    roots = [await member(core, f"root{at}.lin", Role.ADMIN) for at in range(2)]

    await reviews.suspend_unused(core, now=clock.now() + 60 * DAY)

    assert sorted([await is_active(core, root) for root in roots]) == [False, True]


@pytest.mark.clause("3(2)")
async def test_the_page_is_read_by_three_roles_and_decided_on_by_one(
    core: Core, pages: httpx.AsyncClient, noa: Member
) -> None:
    mei, root = await member(core, "mei.lin"), await member(core, "root.lin", Role.ADMIN)
    lee, ada = await member(core, "lee.lin", Role.SUPERVISOR), await member(core, "ada.lin", Role.AUDITOR)

    seen = [(await pages.get("/admin/access", headers=who.page)).status_code for who in (noa, root, ada, lee, mei)]
    path, fields = f"/admin/access/{mei.caller.id}", {"decision": "revoked"}
    by_admin = await pages.post(path, data={**fields, "csrf_token": root.csrf}, headers=root.page)
    still_there = await is_active(core, mei)
    by_officer = await pages.post(path, data={**fields, "csrf_token": noa.csrf}, headers=noa.page)

    assert seen == [200, 200, 200, 404, 404]
    assert (by_admin.status_code, still_there, by_officer.status_code) == (404, True, 303)
    assert not await is_active(core, mei)
