"""A house with its staff doors open: real databases, real handlers, and people with cookies in their hands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pyotp
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

import chat.holdings
from chat import conversations, log
from chat.log import Ack, Draft
from chat.models import Conversation
from core import clock, ids
from core.database import Transaction
from core.holdings import Holding
from core.identity import Caller, Role, agreement, people, signins, staff
from core.identity.models import Person
from core.identity.signins import Fresh, Holder
from core.identity.staff import Enrolled, NewMember
from core.services import Core
from core.web import csrf, edge, headers
from support.orders import orders
from support.orders.detail import Detail, Line, Recipient, Status
from support.orders.models import OrderRecord

PASSWORD = "tea in the green cup"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}


@dataclass(frozen=True)
class Member:
    """A member of staff who is signed in; `cookie` and `csrf` are what the browser holds."""

    caller: Caller
    enrolled: Enrolled
    login: str
    cookie: str
    csrf: str

    @property
    def headers(self) -> dict[str, str]:
        """What the browser sends with a JSON call."""
        return {**SAME_ORIGIN, "Cookie": self.cookie, "X-CSRF-Token": self.csrf, "Accept": "application/json"}

    @property
    def page(self) -> dict[str, str]:
        """What the browser sends with a page or a form."""
        return {**SAME_ORIGIN, "Cookie": self.cookie}


@dataclass(frozen=True)
class Kept:
    """What the house keeps about people, as far as these tests need it."""

    holdings: list[Holding]


def app_of(core: Core, routes: Sequence[BaseRoute]) -> Starlette:
    """An application of these doors, with what stands before them in the product."""
    made = Starlette(
        routes=list(routes),
        middleware=[
            Middleware(headers.SecurityHeaders, settings=core.settings),
            Middleware(edge.Edge),
            Middleware(csrf.CsrfGuard),
        ],
        exception_handlers={404: edge.not_found},
    )
    made.state.core = core
    made.state.house = Kept([chat.holdings.holding(core)])
    return made


def browser(app: Starlette) -> httpx.AsyncClient:
    """A browser that keeps no cookies: they are Secure, so each request brings its own."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")


async def hired(core: Core, login: str, role: Role = Role.AGENT, team: str | None = None) -> Enrolled:
    """An account, without the agreement."""
    member = NewMember(login=login, name=login.title(), role=role, password=PASSWORD, team=team)
    return await staff.create(core, member, now=clock.now())


async def member(core: Core, login: str, role: Role = Role.AGENT, team: str | None = None) -> Member:
    """Somebody at work: agreement accepted and signed in."""
    enrolled = await hired(core, login, role, team)
    found = Caller("staff", enrolled.id, role=role, team=team, name=login.title(), proof="password_totp")
    await core.database.write(staff.sign_agreement, found, agreement.VERSION, now=clock.now())
    return await signed_in(core, login, enrolled, found)


async def signed_in(core: Core, login: str, enrolled: Enrolled, caller: Caller) -> Member:
    """The same account with a cookie."""
    fresh: Fresh = await core.database.write(
        signins.start, core.hub, Holder("staff", enrolled.id, "password_totp", role=caller.role), now=clock.now()
    )
    return Member(caller, enrolled, login, f"__Host-cd={fresh.token}", csrf.token(core.vault, fresh.id))


def code_of(enrolled: Enrolled) -> str:
    """What the authenticator shows now."""
    return pyotp.TOTP(enrolled.totp_secret).at(clock.now() // 1000)


async def shopper(core: Core, email: str = "yiting@example.com", name: str = "陳怡婷") -> Caller:
    """Somebody whose address is proven."""
    person_id = ids.new()
    key = await core.vault.create(person_id, f"person:{person_id}")

    def make(tx: Transaction, *, now: int) -> None:
        tx.session.add(
            Person(
                id=person_id,
                email_mac=people.address_mac(core.vault, email),
                dek_id=key.id,
                email_sealed=core.vault.seal_field(key, "person", person_id, "email", email),
                name_sealed=core.vault.seal_field(key, "person", person_id, "name", name),
                created_ms=now,
                verified_ms=now,
            )
        )

    await core.database.write(make, now=clock.now())
    return Caller("person", person_id, name=name, proof="email_code", proven_ms=clock.now())


async def conversation(core: Core, owner: Caller, *texts: str) -> Conversation:
    """A conversation of this shopper's in which she wrote these."""
    fresh = await conversations.prepare(core, owner.ref)
    made = await core.database.write(
        conversations.open_, core, owner, fresh, topic=None, locale="zh-Hant", now=clock.now()
    )
    for text in texts:
        await said(core, made.id, owner, text)
    return made


async def said(core: Core, conversation_id: str, sender: Caller, text: str, kind: str = "message") -> Ack:
    """One more line."""
    draft = Draft(conversation_id, sender, ids.new(), kind, {"text": text})
    return await core.database.write(log.append_in, core, draft, now=clock.now())


async def order(core: Core, owner: Caller, number: str = "#10482") -> str:
    """An order of this shopper's; the parcel goes to somebody else."""
    order_id = ids.new()
    detail = Detail(
        number=number,
        total=Decimal(1280),
        currency="TWD",
        lines=[Line("Ceramic teacup set", Decimal(1280), 1, {"Colour": "green"})],
        recipient=Recipient("王小明", "台北市大安區和平東路一段1號", "0912345678"),
    )

    def place(tx: Transaction, *, now: int) -> None:
        person = people.by_id(tx, owner.id)
        assert person is not None
        key = people.key_of(core.vault, person)
        tx.session.add(
            OrderRecord(
                id=order_id,
                number_mac=orders.number_mac(core.vault, number),
                person_id=owner.id,
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
        )

    await core.database.write(place, now=clock.now())
    return order_id


async def linked(core: Core, made: Conversation, owner: Caller, number: str = "#10482") -> str:
    """An order of the shopper's, tied to her conversation."""
    order_id = await order(core, owner, number)
    await core.database.write(conversations.link_order, core, owner, made.id, order_id, number, now=clock.now())
    return order_id


def field(html: str, name: str) -> str:
    """The value of a hidden field of a page."""
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    assert found, f"no field {name}"
    return found.group(1)


Json = dict[str, Any]  # Any: JSON of an answer
