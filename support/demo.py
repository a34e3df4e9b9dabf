"""The demo shop: staff, shoppers, orders and a few conversations, so that a first visit finds the house lived in.

Danger. Accounts whose passwords everyone knows, in a shop that serves real people.

Principle. There is no demo in production: loading and showing refuse. The passwords are not written anywhere; they
follow from a key of this installation's own vault, so two installations have different ones. Everything was made up
for this purpose.

Boundary. Each part is loaded in a transaction of its own and only when it is not there yet, so loading may be
repeated and may be cut off anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec
import pyotp
from msgspec import Struct

from chat import conversations, log
from chat.conversations import Fresh
from chat.log import Draft
from core import ids, turns
from core.clock import DAY, MINUTE
from core.database import Transaction
from core.identity import Caller, Role, agreement, people, staff
from core.identity.models import StaffMember
from core.refusals import NotAllowed
from core.services import Core
from support.orders import orders
from support.orders.detail import Detail, Line, Payment, Recipient, Shipment, ShopOrder, Status, checked
from support.orders.importing import import_orders

FOLDER = Path(__file__).parent / "demo_data"
SOURCE = "demo"
Words = dict[str, str]
T = TypeVar("T")


class Product(Struct, frozen=True):
    """An article of the demo shop, in both languages."""

    sku: str
    price: Decimal
    name: Words
    options: dict[str, Words]


class Shopper(Struct, frozen=True):
    """Somebody who bought something."""

    email: str
    name: str
    locale: str
    recipient: Recipient


class Purchase(Struct, frozen=True):
    """One order; `card` is brand and last four digits."""

    number: str
    email: str
    status: Status
    days_ago: int
    lines: list[tuple[str, int]]
    card: tuple[str, str]
    tracking: str


class Colleague(Struct, frozen=True):
    """Somebody who works here."""

    login: str
    name: str
    role: Role
    team: str | None


class Talk(Struct, frozen=True):
    """A conversation that has already been held; the lines say who speaks."""

    email: str
    topic: str
    order: str
    agent: str | None
    days_ago: int
    is_resolved: bool
    lines: list[tuple[str, str]]


@dataclass(frozen=True)
class StaffCredentials:
    """What the mailbox page shows, so that a visitor can sign in as one of the demo staff."""

    login: str
    name: str
    role: Role
    password: str
    code: str


async def load(core: Core, *, now: int) -> None:
    """Make the demo shop, as far as it is not there yet. Raises: NotAllowed in production."""
    _refuse_production(core)
    async with turns.taken_in_turn(core.database, "demo"):  # servers that start together would each make their own
        for colleague in _colleagues():
            await _employ(core, colleague, now=now)
        await _sell(core, now=now)
        for talk in _talks():
            await _hold(core, talk, now=now)


def staff_credentials(core: Core, *, now: int) -> list[StaffCredentials]:
    """How to sign in as each of the demo staff at this moment. Raises: NotAllowed in production."""
    _refuse_production(core)
    return core.database.read_now(_credentials, core, now=now)


@cache
def products() -> Sequence[Product]:
    """What the demo shop sells."""
    return _read("products", list[Product])


@cache
def shoppers() -> Sequence[Shopper]:
    """Who has bought something there."""
    return _read("shoppers", list[Shopper])


_CONSONANTS = "bcdfghjklmnpqrstvwxz"


def password(core: Core, login: str) -> str:
    """Four groups of consonants that only this installation can tell; a login in them would make it weak."""
    letters = "".join(_CONSONANTS[byte % len(_CONSONANTS)] for byte in core.vault.lookup("demo_password", login)[:16])
    return "-".join(letters[at : at + 4] for at in range(0, 16, 4))


# ---------------------------------------------------------------- staff


async def _employ(core: Core, colleague: Colleague, *, now: int) -> None:
    if await core.database.read(staff.by_login, colleague.login) is None:
        member = staff.NewMember(
            login=colleague.login,
            name=colleague.name,
            role=colleague.role,
            team=colleague.team,
            password=password(core, colleague.login),
        )
        await staff.create(core, member, now=now)
    await core.database.write(_sign_agreement, colleague.login, now=now)


def _sign_agreement(tx: Transaction, login: str, *, now: int) -> None:
    member = _member(tx, login)
    if not staff.has_agreed(member, now=now):
        staff.sign_agreement(tx, _caller(member), agreement.VERSION, now=now)


def _credentials(tx: Transaction, core: Core, *, now: int) -> list[StaffCredentials]:
    found: list[StaffCredentials] = []
    for colleague in _colleagues():
        member = staff.by_login(tx, colleague.login)
        if member is None:
            continue
        key = core.vault.key(member.dek_id, scope=member.id, owner=f"staff:{member.id}")
        secret = core.vault.open_field(key, staff.TABLE, member.id, "totp", member.totp_sealed)
        code = pyotp.TOTP(secret).at(now // 1000)
        found.append(StaffCredentials(member.login, member.name, Role(member.role), password(core, member.login), code))
    return found


# ---------------------------------------------------------------- orders


async def _sell(core: Core, *, now: int) -> None:
    """Dates count back from the first run, so what is there already stays as it is."""
    purchases = _read("orders", list[Purchase])
    missing = [each for each in purchases if not await core.database.read(orders.by_number, core.vault, each.number)]
    if missing:
        await import_orders(core, [_order(each, core.settings.currency, now=now) for each in missing], now=now)


def _order(purchase: Purchase, currency: str, *, now: int) -> ShopOrder:
    buyer = next(each for each in shoppers() if each.email == purchase.email)
    lines = [_line(sku, quantity, buyer.locale) for sku, quantity in purchase.lines]
    total = sum((line.unit_price * line.quantity for line in lines), Decimal(0))
    brand, last_four = purchase.card
    order = ShopOrder(
        where=purchase.number,
        source=SOURCE,
        source_id=purchase.number,
        email=buyer.email,
        buyer=buyer.name,
        status=purchase.status,
        placed_ms=now - purchase.days_ago * DAY,
        detail=Detail(
            number=purchase.number,
            total=total,
            currency=currency,
            lines=lines,
            recipient=buyer.recipient,
            payments=[Payment(brand, total, last_four)],
            shipments=[Shipment("Morning Post", [purchase.tracking])] if purchase.tracking else [],
        ),
    )
    return checked(order)


def _line(sku: str, quantity: int, locale: str) -> Line:
    product = next(each for each in products() if each.sku == sku)
    return Line(product.name[locale], product.price, quantity, product.options[locale])


# ---------------------------------------------------------------- conversations


async def _hold(core: Core, talk: Talk, *, now: int) -> None:
    person = await people.enrol(core, talk.email, now=now)
    if await core.database.read(conversations.for_subject, f"person:{person.id}", now=now):
        return
    shopper = Caller(
        kind="person", id=person.id, name=_name(talk.email), proof="email_code", proven_ms=now - talk.days_ago * DAY
    )
    fresh = await conversations.prepare(core, shopper.ref)
    await core.database.write(_hold_in, core, talk, shopper, fresh, now=now)


def _hold_in(tx: Transaction, core: Core, talk: Talk, shopper: Caller, fresh: Fresh, *, now: int) -> None:
    at = now - talk.days_ago * DAY - (len(talk.lines) + 4) * 3 * MINUTE
    locale = next(each.locale for each in shoppers() if each.email == talk.email).replace("_", "-")
    conversations.open_(tx, core, shopper, fresh, topic=talk.topic, locale=locale, now=at)
    [order] = orders.by_number(tx, core.vault, talk.order)
    conversations.link_order(tx, core, shopper, fresh.id, order.id, order.number, now=at)
    agent = _caller(_member(tx, talk.agent)) if talk.agent else None
    if agent is not None:
        conversations.assign(tx, core, agent, fresh.id, agent.id, now=at + MINUTE)
    for place, (side, text) in enumerate(talk.lines, start=1):
        sender = shopper if side == "shopper" else agent
        assert sender is not None, "only an agent who is there can speak"
        kind = "note" if side == "note" else "message"
        draft = Draft(fresh.id, sender, ids.new(), kind, {"text": text})
        log.append_in(tx, core, draft, now=at + place * 3 * MINUTE)
    if talk.is_resolved and agent is not None:
        conversations.resolve(tx, core, agent, fresh.id, now=at + (len(talk.lines) + 2) * 3 * MINUTE)


def _name(email: str) -> str:
    return next(each.name for each in shoppers() if each.email == email)


# ---------------------------------------------------------------- all parts


def _member(tx: Transaction, login: str) -> StaffMember:
    member = staff.by_login(tx, login)
    assert member is not None, "the demo staff are loaded first"
    return member


def _caller(member: StaffMember) -> Caller:
    return Caller("staff", member.id, Role(member.role), member.team, member.name, proof="password_totp")


def _refuse_production(core: Core) -> None:
    if core.settings.is_production:
        raise NotAllowed("no_demo", "There is no demo shop in production.")


@cache
def _colleagues() -> Sequence[Colleague]:
    return _read("staff", list[Colleague])


@cache
def _talks() -> Sequence[Talk]:
    return _read("conversations", list[Talk])


def _read(name: str, kind: type[T]) -> T:
    return msgspec.json.decode((FOLDER / f"{name}.json").read_bytes(), type=kind)
