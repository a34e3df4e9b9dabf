"""The whole product in this process: every door and everything that stands before them, and browsers that collect
each cookie that any answer sets."""

import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import httpx

from core import clock, mail
from core.settings import Settings
from support import app
from support.house import House, opened

ORIGIN = "https://help.shop.test"
PERSON = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html", "Accept-Language": "en"}


@dataclass
class Visitor:
    """A browser at the door: what it holds, and every cookie that it was ever given."""

    house: House
    client: httpx.AsyncClient
    csrf: str = ""
    set: list[Morsel[str]] = field(default_factory=list)

    async def page(self, path: str) -> httpx.Response:
        """A page for a person."""
        return await self.client.get(path, headers=PERSON)

    async def call(self, path: str, body: Any = None, method: str = "POST") -> httpx.Response:  # Any: JSON values
        """What a script of the page does."""
        headers = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json", "X-CSRF-Token": self.csrf}
        answer = await self.client.request(method, path, json={} if body is None else body, headers=headers)
        self.csrf = _csrf(answer) or self.csrf
        return answer

    async def post(self, path: str, **fields: str) -> httpx.Response:
        """What a form of the page sends, with the token that the page holds."""
        sent = {**({"csrf_token": self.csrf} if self.csrf else {}), **fields}
        return await self.client.post(path, data=sent, headers=PERSON)

    async def read_token(self, path: str) -> None:
        """Take the token out of a page's forms."""
        found = re.search(r'name="csrf_token" value="([^"]*)"', (await self.page(path)).text)
        self.csrf = found[1] if found else ""

    async def start(self) -> str:
        """Agree and start; the conversation's id."""
        answer = await self.call("/shopper/start", {"policy_version": self.house.core.policy.version, "agreed": True})
        return str(answer.json()["conversation"]["id"])

    async def code(self) -> str:
        """The code in the newest letter."""
        newest = (await self.house.core.database.read(mail.kept, self.house.core, now=clock.now()))[0]
        found = re.search(r"\b(\d{4}) ?(\d{4})\b", newest.text)
        assert found, "the letter holds a code"
        return "".join(found.groups())


@dataclass
class Whole:
    """The product, and a way for browsers to come in."""

    house: House
    transport: httpx.ASGITransport

    def visitor(self) -> Visitor:
        """A fresh browser."""
        visitor = Visitor(self.house, httpx.AsyncClient(transport=self.transport, base_url=ORIGIN))

        async def collect(answer: httpx.Response) -> None:
            for line in answer.headers.get_list("set-cookie"):
                visitor.set.extend(SimpleCookie(line).values())

        visitor.client.event_hooks["response"].append(collect)
        return visitor


@contextlib.asynccontextmanager
async def product(folder: Path) -> AsyncIterator[Whole]:
    """Everything open, on files of this test's own."""
    settings = Settings(data=folder / "var", keys=f"file:{folder / 'keys' / 'kek.d'}", public_url=ORIGIN)
    async with opened(settings) as house, house.chat.running():
        yield Whole(house, httpx.ASGITransport(app=app.create(house), raise_app_exceptions=True))


def _csrf(answer: httpx.Response) -> str:
    if answer.headers.get("content-type", "").startswith("application/json") and isinstance(answer.json(), dict):
        return str(answer.json().get("csrf", ""))
    return ""
