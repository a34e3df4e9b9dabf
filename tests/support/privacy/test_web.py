"""Everybody may read the policy, in both languages, with every clause and every period."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from core import clauses
from support import app
from support.house import House


@pytest_asyncio.fixture
async def browser(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without cookies at the door of the whole product."""
    transport = httpx.ASGITransport(app=app.create(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client


@pytest.mark.clause("preface")
@pytest.mark.parametrize(
    ("lang", "title"), [("en", "Privacy and personal information"), ("zh-Hant", "隱私權與個人資料保護政策")]
)
async def test_the_policy_is_there_for_everybody_with_every_clause_and_period(
    browser: httpx.AsyncClient, house: House, lang: str, title: str
) -> None:
    page = await browser.get("/policy", params={"lang": lang})

    assert page.status_code == 200
    assert title in page.text
    assert house.core.settings.controller_name in page.text
    for number in clauses.NUMBERS:
        assert f'id="clause-{number}"' in page.text
    for kind in house.core.policy.classes.values():
        assert kind.title.in_(lang) in page.text


@pytest.mark.clause("2(5)")
async def test_reading_the_policy_sets_no_cookie_and_names_those_there_are(browser: httpx.AsyncClient) -> None:
    page = await browser.get("/policy")

    assert "set-cookie" not in page.headers
    for name in ("__Host-cs", "__Host-cv", "__Host-cx", "__Host-cd"):
        assert name in page.text
