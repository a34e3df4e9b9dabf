"""Administration: the first administrator, colleagues, and nobody's letters."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import update

from chat.statements import CONVERSATION
from core import clock
from core.database import Transaction
from core.identity import Role, first_administrator, staff
from core.services import Core
from support.admin import web
from support.admin.roster import temporary_password
from tests.support.desk.house import PASSWORD, SAME_ORIGIN, Member, app_of, browser, conversation, member, shopper
from tests.support.desk.test_console import entries


@pytest_asyncio.fixture
async def admin(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app_of(core, web.routes)) as client:
        yield client


@pytest_asyncio.fixture
async def root(core: Core) -> Member:
    return await member(core, "root.lin", Role.ADMIN)


async def begun(admin: httpx.AsyncClient, token: str | None, password: str = PASSWORD) -> httpx.Response:
    fields = {"token": token or "", "name": "Root Lin", "login": "root.lin", "password": password}
    return await admin.post("/admin/start", data=fields, headers=SAME_ORIGIN)


async def test_the_printed_token_makes_the_first_administrator(core: Core, admin: httpx.AsyncClient) -> None:
    token = await core.database.write(first_administrator.offer, now=clock.now())

    answer = await begun(admin, token)

    made = await core.database.read(staff.by_login, "root.lin")
    assert made is not None
    assert made.role == Role.ADMIN
    assert "otpauth://totp/" in answer.text


async def test_a_token_works_once(core: Core, admin: httpx.AsyncClient) -> None:
    token = await core.database.write(first_administrator.offer, now=clock.now())
    await begun(admin, token)

    answer = await begun(admin, token)

    assert answer.status_code == 404
    assert "This token does not work any more." in answer.text


async def test_a_guessed_token_makes_nobody(core: Core, admin: httpx.AsyncClient) -> None:
    await core.database.write(first_administrator.offer, now=clock.now())

    answer = await begun(admin, "guessed")

    assert answer.status_code == 404
    assert await core.database.read(staff.everyone) == []


async def test_a_weak_password_is_refused_and_the_token_stays_good(core: Core, admin: httpx.AsyncClient) -> None:
    token = await core.database.write(first_administrator.offer, now=clock.now())

    weak = await begun(admin, token, password="aaaaaaaaaaaa")
    good = await begun(admin, token)

    assert (weak.status_code, good.status_code) == (422, 200)
    assert "aaaaaaaaaaaa" not in weak.text


async def test_the_overview_lists_staff_and_their_agreements(
    core: Core, admin: httpx.AsyncClient, root: Member
) -> None:
    await member(core, "mei.lin")

    answer = await admin.get("/admin", headers=root.page)

    for words in ("Root.Lin", "Mei.Lin", "Supervisor", "Whole"):
        assert words in answer.text


@pytest.mark.clause("4(2)1")
async def test_what_is_due_is_counted_and_not_shown(core: Core, admin: httpx.AsyncClient, root: Member) -> None:
    made = await conversation(core, await shopper(core), "A sentence of hers")

    def end(tx: Transaction) -> None:
        tx.execute(update(CONVERSATION).where(CONVERSATION.c.id == made.id).values(expires_ms=1))

    before = await admin.get("/admin", headers=root.page)
    await core.database.write(end)
    after = await admin.get("/admin", headers=root.page)

    due = '<span class="tag warn">1</span>'
    assert due not in before.text
    assert due in after.text
    assert "A sentence of hers" not in after.text


async def test_a_colleague_is_added_with_a_password_shown_once(
    core: Core, admin: httpx.AsyncClient, root: Member
) -> None:
    fields = {"csrf_token": root.csrf, "name": "Ben Wu", "login": "ben.wu", "role": "agent", "team": "care"}

    answer = await admin.post("/admin/staff", data=fields, headers=root.page)

    made = await core.database.read(staff.by_login, "ben.wu")
    assert made is not None
    assert (made.role, made.team) == ("agent", "care")
    assert "Temporary password" in answer.text
    assert "Temporary password" not in (await admin.get("/admin", headers=root.page)).text
    assert (root.caller.ref, "staff.add", None) in await entries(core)


async def test_a_login_that_is_taken_is_said_and_the_form_keeps_its_words(
    core: Core, admin: httpx.AsyncClient, root: Member
) -> None:
    await member(core, "ben.wu")
    fields = {"csrf_token": root.csrf, "name": "Ben Wu", "login": "ben.wu", "role": "agent", "team": ""}

    answer = await admin.post("/admin/staff", data=fields, headers=root.page)

    assert answer.status_code == 409
    assert "Somebody already has this login." in answer.text
    assert 'value="Ben Wu"' in answer.text


async def test_a_disabled_colleague_is_out_at_once(core: Core, admin: httpx.AsyncClient, root: Member) -> None:
    ben = await member(core, "ben.wu", Role.ADMIN)

    path = f"/admin/staff/{ben.caller.id}/disable"
    answer = await admin.post(path, data={"csrf_token": root.csrf}, headers=root.page)

    assert answer.status_code == 303
    assert (await admin.get("/admin", headers=ben.page)).headers["location"] == "/desk/sign-in"
    assert (root.caller.ref, "staff.disable", None) in await entries(core)


async def test_nobody_disables_themselves(core: Core, admin: httpx.AsyncClient, root: Member) -> None:
    path = f"/admin/staff/{root.caller.id}/disable"

    answer = await admin.post(path, data={"csrf_token": root.csrf}, headers=root.page)

    assert answer.status_code == 404
    assert (await admin.get("/admin", headers=root.page)).status_code == 200


@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR, Role.AUDITOR, Role.PRIVACY_OFFICER])
async def test_only_administrators_administer(core: Core, admin: httpx.AsyncClient, role: Role) -> None:
    someone = await member(core, "someone", role)
    fields = {"csrf_token": someone.csrf, "name": "Ben Wu", "login": "ben.wu", "role": "admin", "team": ""}

    look = await admin.get("/admin", headers=someone.page)
    add = await admin.post("/admin/staff", data=fields, headers=someone.page)

    assert (look.status_code, add.status_code) == (404, 404)
    assert await core.database.read(staff.by_login, "ben.wu") is None


def test_temporary_passwords_are_long_and_differ() -> None:
    made = {temporary_password() for _ in range(200)}

    assert len(made) == 200
    assert min(map(len, made)) >= 20
