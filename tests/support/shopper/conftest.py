"""A shop with its shopper's doors open, and browsers that keep cookies as real ones do."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from core import clock, ids, mail
from core.database import Transaction
from core.identity import people
from core.services import Core
from core.settings import Settings
from core.web import assets, csrf, edge, headers
from media.blobs import LocalBlobs
from media.uploads import Media
from support import demo_shop, tables
from support.orders import orders
from support.orders.detail import Detail, Line, Recipient, Status
from support.orders.models import OrderRecord
from support.shopper import web

assert tables, "every table is made below"

BUILT = ("shopper.js", "shopper.css", "page.css", "demo.js", "demo.css", "icons.svg", "widget.js")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A development machine whose shop frames the chat."""
    return Settings(data=tmp_path / "var", public_url="https://help.shop.test", allowed_frames=["https://shop.test"])


@dataclass
class Browser:
    """One browser: its cookie jar, and the token that its page holds."""

    client: httpx.AsyncClient
    csrf: str = ""
    said: dict[str, Any] = field(default_factory=dict)

    async def page(self, path: str) -> httpx.Response:
        """A page for a person."""
        return await self.client.get(path, headers={"Accept": "text/html", "Accept-Language": "en"})

    async def get(self, path: str) -> httpx.Response:
        """What a script of the page reads."""
        return await self.client.get(path, headers={"Accept": "application/json"})

    async def post(self, path: str, **body: object) -> httpx.Response:
        """What a button of the page sends."""
        sent = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json", "X-CSRF-Token": self.csrf}
        answer = await self.client.post(path, json=body, headers=sent)
        self.said = answer.json()
        self.csrf = self.said.get("csrf", self.csrf)
        return answer

    async def start(self, core: Core) -> str:
        """Agree and start; the conversation's id."""
        await self.post("/shopper/start", policy_version=core.policy.version, agreed=True)
        return str(self.said["conversation"]["id"])

    async def prove(self, core: Core, email: str, conversation: str | None = None) -> httpx.Response:
        """Ask for a code, read the letter, type it in."""
        await self.post("/shopper/code", email=email)
        return await self.post("/shopper/verify", code=await letter_code(core), conversation=conversation)

    @property
    def cookies(self) -> set[str]:
        """The names of the cookies that the browser holds."""
        return {cookie.name for cookie in self.client.cookies.jar}


@pytest.fixture
def visit(core: Core, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Browser]:
    """Open a fresh browser on the shop."""
    monkeypatch.setattr(assets, "manifest", lambda: {name: name for name in BUILT})
    app = Starlette(
        routes=[*web.routes, *demo_shop.routes],
        middleware=[
            Middleware(headers.SecurityHeaders, settings=core.settings),
            Middleware(edge.Edge),
            Middleware(csrf.CsrfGuard),
        ],
        exception_handlers={404: edge.not_found},
    )
    app.state.core = core
    app.state.media = Media(core, LocalBlobs.open(core.settings))

    def browser() -> Browser:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
        return Browser(httpx.AsyncClient(transport=transport, base_url="https://help.shop.test"))

    return browser


async def letter_code(core: Core) -> str:
    """The code in the newest letter."""
    newest = (await core.database.read(mail.kept, core, now=clock.now()))[0]
    found = re.search(r"\b(\d{4}) ?(\d{4})\b", newest.text)
    assert found, "the letter holds a code"
    return "".join(found.groups())


async def bought(core: Core, email: str, number: str) -> str:
    """An order of whoever has this address; the parcel goes to somebody else."""
    person = await people.enrol(core, email, name="Hana Lin", now=clock.now())
    order_id = ids.new()
    recipient = Recipient("王小明", "台北市大安區和平東路一段1號", "0912345678")
    detail = Detail(number, Decimal(1280), "TWD", [Line("Ceramic teacup set", Decimal(1280))], recipient)

    def place(tx: Transaction, *, now: int) -> None:
        key = people.key_of(core.vault, person)
        record = OrderRecord(
            id=order_id,
            number_mac=orders.number_mac(core.vault, number),
            person_id=person.id,
            dek_id=person.dek_id,
            status=Status.DELIVERED,
            placed_ms=now,
            detail_sealed=orders.seal(core.vault, key, order_id, detail),
            source="test",
            source_mac=core.vault.lookup("source", order_id),
            content_mac=b"",
            imported_ms=now,
            updated_ms=now,
        )
        tx.session.add(record)

    await core.database.write(place, now=clock.now())
    return order_id
