"""Access: cookies say who is asking, and nothing else does."""

from collections.abc import AsyncIterator

import httpx
import pyotp
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core import clock
from core.clock import HOUR
from core.identity import access, agreement, people, signins, staff
from core.identity.callers import Caller, Role
from core.identity.models import SignIn
from core.identity.signins import Fresh, Holder
from core.identity.staff import Credentials, NewMember
from core.refusals import Refusal
from core.services import Core

AGENT = NewMember(login="mei", name="Mei", role=Role.AGENT, password="tea in the green cup", language="zh-Hant")


async def who(request: Request) -> Response:
    caller = await access.shopper(request)
    return JSONResponse({"ref": caller.ref if caller else None, "sign_ins": await access.sign_ins(request)})


async def desk(request: Request) -> Response:
    try:
        caller = await access.staff(request)
    except Refusal as refusal:
        return JSONResponse({"error": refusal.code}, refusal.status)
    return JSONResponse({"ref": caller.ref, "role": caller.role, "language": request.state.language})


async def enter(request: Request) -> Response:
    response = Response()
    access.set_cookie(response, "person", "token")
    access.set_cookie(response, "challenge", "challenge")
    access.clear(response, "visitor")
    return response


async def place(request: Request) -> Response:
    return JSONResponse({"network": access.network(request), "device": access.device(request)})


@pytest_asyncio.fixture
async def client(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    routes = [Route("/who", who), Route("/desk", desk), Route("/enter", enter), Route("/place", place)]
    app = Starlette(routes=routes, middleware=[Middleware(access.Renewal)])
    app.state.core = core
    transport = httpx.ASGITransport(app, client=("203.0.113.77", 5_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as browser:
        yield browser


async def start(core: Core, holder: Holder, *, now: int | None = None) -> Fresh:
    return await core.database.write(signins.start, core.hub, holder, now=now or clock.now())


def cookie(kind: str, fresh: Fresh) -> dict[str, str]:
    return {"Cookie": f"{access.COOKIES[kind].name}={fresh.token}"}


async def test_a_guest_and_a_person_are_known_by_their_cookies(core: Core, client: httpx.AsyncClient) -> None:
    visitor = await core.database.write(people.welcome_visitor, now=clock.now())
    guest = await start(core, Holder("visitor", visitor, "guest"))
    anna = await people.enrol(core, "anna@example.com", now=clock.now())
    person = await start(core, Holder("person", anna.id, "email_code"))

    both = {"Cookie": f"__Host-cv={guest.token}; __Host-cs={person.token}"}

    assert (await client.get("/who", headers=cookie("visitor", guest))).json()["ref"] == f"visitor:{visitor}"
    assert (await client.get("/who", headers=both)).json() == {
        "ref": anna_ref(anna.id),
        "sign_ins": [person.id, guest.id],
    }


def anna_ref(person: str) -> str:
    return f"person:{person}"


@pytest.mark.parametrize(
    "headers",
    [{}, {"Cookie": "__Host-cs=wrong"}, {"Cookie": "__Host-cs="}, {"Authorization": "Bearer x"}, {"Cookie": "cs=x"}],
)
async def test_nobody_is_known_by_anything_else(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.get("/who", headers=headers)

    assert answer.json() == {"ref": None, "sign_ins": []}


async def test_a_token_in_the_cookie_of_another_kind_is_nothing(core: Core, client: httpx.AsyncClient) -> None:
    anna = await people.enrol(core, "anna@example.com", now=clock.now())
    person = await start(core, Holder("person", anna.id, "email_code"))

    answer = await client.get("/desk", headers=cookie("staff", person))

    assert answer.json() == {"error": "not_signed_in"}


@pytest.mark.clause("5(1)3")
async def test_a_person_whose_key_is_destroyed_is_signed_in_no_more(core: Core, client: httpx.AsyncClient) -> None:
    anna = await people.enrol(core, "anna@example.com", now=clock.now())
    person = await start(core, Holder("person", anna.id, "email_code"))
    assert (await client.get("/who", headers=cookie("person", person))).json()["ref"]

    await core.vault.destroy([anna.dek_id], reason="erased")

    assert (await client.get("/who", headers=cookie("person", person))).json()["ref"] is None


@pytest.mark.clause("3(2)")
async def test_staff_enter_the_desk_with_their_agreement_and_not_without(core: Core, client: httpx.AsyncClient) -> None:
    enrolled = await staff.create(core, AGENT, now=clock.now())
    code = pyotp.TOTP(enrolled.totp_secret).at(clock.now() // 1000)
    typed = Credentials("mei", AGENT.password, code, "203.0.113.0/24")
    fresh = await staff.sign_in(core, typed, now=clock.now())

    before = await client.get("/desk", headers=cookie("staff", fresh))
    signer = Caller("staff", enrolled.id)
    await core.database.write(staff.sign_agreement, signer, agreement.VERSION, now=clock.now())
    after = await client.get("/desk", headers=cookie("staff", fresh))

    assert (before.status_code, before.json()) == (403, {"error": "agreement_missing"})
    assert after.json() == {"ref": f"staff:{enrolled.id}", "role": "agent", "language": "zh-Hant"}


@pytest.mark.clause("2(5)")
async def test_every_cookie_is_host_bound_secure_and_out_of_reach_of_scripts(client: httpx.AsyncClient) -> None:
    answer = await client.get("/enter")

    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 3
    for line in cookies:
        assert line.startswith("__Host-")
        assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= {part.strip() for part in line.split(";")}
        assert "domain" not in line.lower()
    assert "Max-Age" not in cookies[0]
    assert "Max-Age=600" in cookies[1]


@pytest.mark.clause("2(5)")
def test_the_cookie_register_knows_no_other_purpose_than_the_policys() -> None:
    assert {entry.purpose for entry in access.COOKIES.values()} <= {"login", "quality", "ux"}
    assert {entry.name for entry in access.COOKIES.values()} == {"__Host-cs", "__Host-cv", "__Host-cd", "__Host-cx"}


async def test_an_old_token_is_replaced_by_the_answer(core: Core, client: httpx.AsyncClient) -> None:
    anna = await people.enrol(core, "anna@example.com", now=clock.now())
    old = await start(core, Holder("person", anna.id, "email_code"), now=clock.now() - 9 * HOUR)
    await core.database.write(signins.touch, old.id, now=clock.now())

    answer = await client.get("/who", headers=cookie("person", old))
    again = await client.get("/who", headers=cookie("person", old))

    new = answer.cookies["__Host-cs"]
    assert new != old.token
    assert again.json()["sign_ins"] == [old.id]
    assert again.headers.get("set-cookie") is None
    assert (await client.get("/who", headers={"Cookie": f"__Host-cs={new}"})).json()["sign_ins"] == [old.id]


async def test_a_young_token_stays(core: Core, client: httpx.AsyncClient) -> None:
    anna = await people.enrol(core, "anna@example.com", now=clock.now())
    person = await start(core, Holder("person", anna.id, "email_code"))

    answer = await client.get("/who", headers=cookie("person", person))

    assert answer.headers.get("set-cookie") is None


async def test_use_is_noted_to_the_minute(core: Core, client: httpx.AsyncClient) -> None:
    anna = await people.enrol(core, "anna@example.com", now=clock.now())
    person = await start(core, Holder("person", anna.id, "email_code"), now=clock.now() - HOUR)

    await client.get("/who", headers=cookie("person", person))

    seen = await core.database.read(lambda tx: tx.session.get_one(SignIn, person.id).seen_ms)
    assert clock.now() - seen < HOUR // 2


@pytest.mark.parametrize(
    ("client_host", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "unknown"),
    ],
)
async def test_a_network_is_a_24_or_a_64_and_no_header_changes_it(client_host: str, network: str) -> None:
    scope = {"type": "http", "client": (client_host, 1), "headers": [(b"x-forwarded-for", b"192.0.2.1")]}

    assert access.network(Request(scope)) == network


async def test_a_device_is_two_words_at_most(client: httpx.AsyncClient) -> None:
    agent = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"

    answers = [
        (await client.get("/place", headers={"User-Agent": value})).json()["device"] for value in (agent, "x" * 5_000)
    ]

    assert answers == ["Chrome, Android", ""]
