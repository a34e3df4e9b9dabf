"""The entrance: two factors, one refusal, the agreement first, and a way out that closes everything."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from core import clock
from core.database import Transaction
from core.hub import SIGN_OUT
from core.identity import Caller, Role, signins, staff
from core.services import Core
from support.desk import web
from tests.support.desk.house import (
    PASSWORD,
    SAME_ORIGIN,
    Member,
    app_of,
    browser,
    code_of,
    field,
    hired,
    member,
    signed_in,
)


@pytest_asyncio.fixture
async def door(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app_of(core, web.routes)) as client:
        yield client


async def typed(door: httpx.AsyncClient, **fields: str) -> httpx.Response:
    return await door.post("/desk/sign-in", data=fields, headers=SAME_ORIGIN)


async def test_password_and_code_open_the_desk_with_a_host_cookie(core: Core, door: httpx.AsyncClient) -> None:
    enrolled = await hired(core, "mei.lin")

    answer = await typed(door, login="mei.lin", password=PASSWORD, totp=code_of(enrolled))

    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-cd=")
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in cookie.split(";")}


@pytest.mark.parametrize(
    ("login", "password", "is_code_right"),
    [("nobody", PASSWORD, True), ("mei.lin", "not the right one", True), ("mei.lin", PASSWORD, False)],
)
async def test_whatever_is_wrong_the_page_says_the_same(
    core: Core, door: httpx.AsyncClient, login: str, password: str, is_code_right: bool
) -> None:
    enrolled = await hired(core, "mei.lin")
    code = code_of(enrolled) if is_code_right else "000000"

    answer = await typed(door, login=login, password=password, totp=code)

    assert answer.status_code == 422
    assert "That did not work. Check the name, the password and the code." in answer.text
    assert password not in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.clause("3(2)")
async def test_without_the_agreement_every_page_is_the_agreement(core: Core, door: httpx.AsyncClient) -> None:
    enrolled = await hired(core, "mei.lin")
    newcomer = await signed_in(core, "mei.lin", enrolled, Caller("staff", enrolled.id))

    answer = await door.get("/desk", headers=newcomer.page)

    assert (answer.status_code, answer.headers["location"]) == (303, "/desk/agreement")


@pytest.mark.clause("3(2)")
async def test_without_the_agreement_the_inbox_is_refused(core: Core, door: httpx.AsyncClient) -> None:
    enrolled = await hired(core, "mei.lin")
    newcomer = await signed_in(core, "mei.lin", enrolled, Caller("staff", enrolled.id))

    answer = await door.get("/desk/inbox", headers=newcomer.headers)

    assert (answer.status_code, answer.json()["error"]) == (403, "agreement_missing")


@pytest.mark.clause("3(2)")
async def test_accepting_the_agreement_is_recorded_and_opens_the_desk(core: Core, door: httpx.AsyncClient) -> None:
    enrolled = await hired(core, "mei.lin")
    newcomer = await signed_in(core, "mei.lin", enrolled, Caller("staff", enrolled.id))
    shown = await door.get("/desk/agreement", headers=newcomer.page)

    answer = await door.post(
        "/desk/agreement",
        data={"csrf_token": field(shown.text, "csrf_token"), "version": field(shown.text, "version"), "agreed": "yes"},
        headers=newcomer.page,
    )

    assert answer.status_code == 303
    signed = await core.database.read(staff.by_id, enrolled.id)
    assert signed is not None
    assert staff.has_agreed(signed, now=clock.now())


async def test_an_agreement_that_is_not_ticked_is_not_accepted(core: Core, door: httpx.AsyncClient) -> None:
    enrolled = await hired(core, "mei.lin")
    newcomer = await signed_in(core, "mei.lin", enrolled, Caller("staff", enrolled.id))
    shown = await door.get("/desk/agreement", headers=newcomer.page)

    fields = {"csrf_token": field(shown.text, "csrf_token"), "version": field(shown.text, "version")}
    answer = await door.post("/desk/agreement", data=fields, headers=newcomer.page)

    assert answer.status_code == 422
    signed = await core.database.read(staff.by_id, enrolled.id)
    assert signed is not None
    assert signed.agreement_ms is None


async def test_signing_out_ends_the_sign_in_and_its_sockets(core: Core, door: httpx.AsyncClient) -> None:
    mei = await member(core, "mei.lin")
    hints: list[str] = []
    end = core.hub.subscribe(lambda channel, _hint: hints.append(channel))

    answer = await door.post("/desk/sign-out", data={"csrf_token": mei.csrf}, headers=mei.page)

    end()
    assert answer.headers["clear-site-data"] == '"cache", "storage"'
    assert SIGN_OUT in hints
    assert (await door.get("/desk", headers=mei.page)).headers["location"] == "/desk/sign-in"


async def test_a_form_without_its_token_signs_nobody_out(core: Core, door: httpx.AsyncClient) -> None:
    mei = await member(core, "mei.lin")

    answer = await door.post("/desk/sign-out", data={}, headers=mei.page)

    assert answer.status_code == 403
    assert (await door.get("/desk/inbox", headers=mei.headers)).status_code == 200


async def test_half_an_hour_without_use_ends_the_sign_in(core: Core, door: httpx.AsyncClient) -> None:
    mei = await member(core, "mei.lin")

    await unused_for(core, mei, 30 * clock.MINUTE)
    answer = await door.get("/desk", headers=mei.page)

    assert answer.headers["location"] == "/desk/sign-in"


@pytest.mark.clause("3(3)")
async def test_a_person_at_the_console_keeps_the_sign_in_alive(core: Core, door: httpx.AsyncClient) -> None:
    mei = await member(core, "mei.lin")
    await unused_for(core, mei, 29 * clock.MINUTE)

    await door.post("/desk/here", json={}, headers=mei.headers)
    await unused_for(core, mei, 29 * clock.MINUTE)
    answer = await door.get("/desk/inbox", headers=mei.headers)

    assert answer.status_code == 200


async def test_the_chosen_language_stays(core: Core, door: httpx.AsyncClient) -> None:
    mei = await member(core, "mei.lin")
    fields = {"csrf_token": mei.csrf, "lang": "zh-Hant", "back": "review"}

    answer = await door.post("/desk/language", data=fields, headers=mei.page)

    assert answer.headers["location"] == "/review"
    assert '<html lang="zh-Hant"' in (await door.get("/desk", headers=mei.page)).text


@pytest.mark.parametrize(
    ("role", "home"), [(Role.AGENT, "/desk"), (Role.ADMIN, "/admin"), (Role.AUDITOR, "/policy/register")]
)
async def test_each_role_has_its_first_page(core: Core, door: httpx.AsyncClient, role: Role, home: str) -> None:
    someone = await member(core, "someone", role)

    answer = await door.get("/desk/welcome", headers=someone.page)

    assert answer.headers["location"] == home


async def unused_for(core: Core, someone: Member, milliseconds: int) -> None:
    """Let time pass for a sign-in."""

    def forget(tx: Transaction) -> None:
        for known in signins.all_of(tx, "staff", someone.caller.id, now=clock.now()):
            known.seen_ms -= milliseconds
            tx.session.add(known)

    await core.database.write(forget)
