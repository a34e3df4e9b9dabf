"""Every cookie that any answer of the product sets is in the policy's register, as the register says; and none is set
before the first tap (2(5))."""

from collections.abc import AsyncIterator
from http.cookies import Morsel
from pathlib import Path

import pytest
import pytest_asyncio
from starlette.routing import Route

from core import clock
from core.identity import Role, first_administrator
from core.identity.access import COOKIES
from support import app
from tests.support.desk.house import PASSWORD, code_of, hired
from tests.whole import Visitor, Whole, product

PARENT, EMAIL = "parent@example.com", "anna@example.com"


@pytest_asyncio.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    async with product(tmp_path) as opened:
        yield opened


async def as_a_shopper(shopper: Visitor) -> None:
    """Agree, prove an address, come back, leave."""
    conversation = await shopper.start()
    await shopper.call("/shopper/code", {"email": EMAIL})
    await shopper.call("/shopper/verify", {"code": await shopper.code(), "conversation": conversation})
    await shopper.page("/chat")
    await shopper.call("/shopper/signout")


async def as_a_minor(minor: Visitor) -> None:
    """Name a guardian, who agrees."""
    await minor.post("/chat/minor", email=PARENT)
    await minor.read_token("/chat/minor?step=code")
    given = {"code": await minor.code(), "agreed": "yes", "version": minor.house.core.policy.version}
    assert (await minor.post("/chat/minor/agree", **given)).status_code == 303


async def as_staff(agent: Visitor) -> None:
    """Sign in, accept the agreement, choose a language, sign out."""
    enrolled = await hired(agent.house.core, "kai.wu", Role.AGENT)
    typed = {"login": "kai.wu", "password": PASSWORD, "totp": code_of(enrolled)}
    assert (await agent.post("/desk/sign-in", **typed)).status_code == 303
    await agent.read_token("/desk/agreement")
    await agent.post("/desk/agreement", agreed="yes", version="2026-01")
    await agent.post("/desk/language", lang="zh-Hant", back="desk")
    await agent.page("/desk")
    await agent.post("/desk/sign-out")


async def as_the_first_administrator(root: Visitor) -> None:
    """Use the printed link."""
    token = await root.house.core.database.write(first_administrator.offer, now=clock.now())
    fields = {"token": token or "", "name": "Root Lin", "login": "root.lin", "password": PASSWORD}
    await root.post("/admin/start", **fields)


def registered(whole: Whole) -> dict[str, object]:
    return {cookie.name: cookie for cookie in whole.house.core.policy.cookies}


@pytest.mark.clause("2(5)")
async def test_every_cookie_that_is_set_is_in_the_register(whole: Whole) -> None:
    visitors = {flow: whole.visitor() for flow in (as_a_shopper, as_a_minor, as_staff, as_the_first_administrator)}

    for flow, visitor in visitors.items():
        await flow(visitor)

    given = {morsel.key for visitor in visitors.values() for morsel in visitor.set}
    assert given == set(registered(whole))
    assert given == {cookie.name for cookie in COOKIES.values()}


@pytest.mark.clause("2(5)")
async def test_every_cookie_has_the_attributes_and_the_lifetime_of_the_register(whole: Whole) -> None:
    policy, visitors = whole.house.core.policy, [whole.visitor() for _ in range(3)]
    for flow, visitor in zip((as_a_shopper, as_a_minor, as_staff), visitors, strict=True):
        await flow(visitor)
    given = [morsel for visitor in visitors for morsel in visitor.set if morsel.value]
    lifetimes = {"__Host-cx": str(policy.number("code_valid_minutes") * 60)}

    assert {morsel.key for morsel in given} == set(registered(whole))
    for morsel in given:
        assert attributes(morsel) == ("/", True, True, "lax", "", lifetimes.get(morsel.key, "")), morsel.key


def attributes(morsel: Morsel[str]) -> tuple[str, bool, bool, str, str, str]:
    return (
        morsel["path"],
        bool(morsel["secure"]),
        bool(morsel["httponly"]),
        morsel["samesite"].lower(),
        morsel["domain"],
        morsel["max-age"],
    )


@pytest.mark.clause("2(5)")
async def test_a_cookie_that_is_taken_back_is_gone_at_once(whole: Whole) -> None:
    shopper = whole.visitor()

    await as_a_shopper(shopper)

    assert [cookie.name for cookie in shopper.client.cookies.jar] == []


@pytest.mark.clause("2(4)")
@pytest.mark.clause("2(5)")
async def test_no_page_sets_a_cookie_before_the_first_tap(whole: Whole) -> None:
    visitor, settings = whole.visitor(), whole.house.core.settings
    doors = [door for door in app.routes(settings) if isinstance(door, Route) and "GET" in (door.methods or {"GET"})]
    paths = [door.path for door in doors if "{" not in door.path]

    for path in paths:
        await visitor.page(path)

    assert {"/chat", "/chat/frame", "/chat/minor", "/policy", "/desk/sign-in", "/demo/shop"} <= set(paths)
    assert visitor.set == []


@pytest.mark.clause("2(5)")
async def test_the_register_on_the_page_tells_purpose_and_lifetime(whole: Whole) -> None:
    page = (await whole.visitor().page("/policy")).text

    for cookie in whole.house.core.policy.cookies:
        assert cookie.name in page
        assert cookie.about.en in page
        assert cookie.lifetime.en in page
