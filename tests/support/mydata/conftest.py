"""The whole house of the privacy tests, its worker, and its doors for browsers that keep cookies."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest
from sqlmodel import update

from core import clock
from core.database import Transaction
from core.identity.models import SignIn
from core.jobs import Runner
from core.web import assets
from support import app, schedule
from support.house import House
from tests.support.privacy.conftest import house
from tests.support.shopper.conftest import letter_code

__all__ = ["house", "work"]

TOKEN = re.compile(r'name="csrf_token" value="([0-9a-f]*)"')


@dataclass
class Visit:
    """Somebody at her own page, in a browser that keeps cookies."""

    house: House
    client: httpx.AsyncClient
    token: str = ""

    async def see(self, path: str = "/my-data") -> str:
        """A page, to be read."""
        return self._kept(await self.client.get(path, headers={"Accept": "text/html"})).text

    async def press(self, path: str, **fields: str) -> httpx.Response:
        """A button of the page that was seen last; where it leads is followed."""
        sent = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
        answer = await self.client.post(f"/my-data{path}", data={"csrf_token": self.token, **fields}, headers=sent)
        return self._kept(answer)

    async def enter(self, email: str) -> str:
        """Sign in with the code from the letter; the page that she sees."""
        await self.see()
        await self.press("/enter", email=email)
        return (await self.press("/enter", code=await letter_code(self.house.core))).text

    async def grow_stale(self) -> None:
        """An hour has passed since she proved her address."""
        stale = clock.now() - clock.HOUR
        await self.house.core.database.write(_prove_at, stale)

    def _kept(self, answer: httpx.Response) -> httpx.Response:
        found = TOKEN.search(answer.text) if answer.headers.get("content-type", "").startswith("text/html") else None
        self.token = found[1] if found else self.token
        return answer


@pytest.fixture
def visit(house: House, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Visit]:
    """Open a fresh browser on the shop."""
    monkeypatch.setattr(assets, "url", lambda name: f"/assets/{name}")
    served = app.create(house)

    def browser() -> Visit:
        transport = httpx.ASGITransport(app=served, raise_app_exceptions=True)
        client = httpx.AsyncClient(transport=transport, base_url="https://help.shop.test", follow_redirects=True)
        return Visit(house, client)

    return browser


async def work(house: House, *, now: int | None = None) -> None:
    """What the worker does with all that is due."""
    await Runner(house.core, schedule.handlers(house)).run_due(now)


def _prove_at(tx: Transaction, at_ms: int) -> None:
    tx.execute(update(SignIn).values(proven_ms=at_ms))
