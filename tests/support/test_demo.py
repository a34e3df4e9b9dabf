"""The demo shop."""

import dataclasses
from pathlib import Path

import pyotp
import pytest
from sqlmodel import func, select

from chat import conversations
from chat.models import Conversation
from core.clock import MINUTE
from core.database import Transaction
from core.identity import people, staff
from core.identity.models import StaffMember
from core.identity.staff import Credentials
from core.refusals import NotAllowed
from core.services import Core
from core.settings import Settings
from support import demo
from support.orders import orders
from support.orders.models import OrderRecord

NOW = 1_800_000_000_000


@pytest.fixture
async def shop(core: Core) -> Core:
    """A house with the demo shop in it."""
    await demo.load(core, now=NOW)
    return core


def counts(tx: Transaction) -> tuple[int, int, int]:
    tables = (OrderRecord, Conversation, StaffMember)
    orders_, talks, members = (tx.session.exec(select(func.count()).select_from(table)).one() for table in tables)
    return orders_, talks, members


def test_the_demo_shop_has_goods_in_both_languages_orders_people_and_conversations(shop: Core) -> None:
    assert len(demo.products()) == 12
    assert all(set(product.name) == {"en", "zh_Hant"} for product in demo.products())
    assert shop.database.read_now(counts) == (10, 3, 4)


async def test_loading_again_changes_nothing(shop: Core) -> None:
    before = shop.database.read_now(counts), shop.database.read_now(orders.by_number, shop.vault, "ML-2041")

    await demo.load(shop, now=NOW + 3 * MINUTE)

    assert (shop.database.read_now(counts), shop.database.read_now(orders.by_number, shop.vault, "ML-2041")) == before


async def test_loading_goes_on_where_it_was_cut_off(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(demo, "import_orders", _fail)
        with pytest.raises(RuntimeError):
            await demo.load(core, now=NOW)

    await demo.load(core, now=NOW)

    assert core.database.read_now(counts) == (10, 3, 4)


@pytest.mark.parametrize("login", ["mei", "kai", "yun", "ines"])
async def test_every_demo_colleague_can_sign_in_with_what_the_mailbox_shows(shop: Core, login: str) -> None:
    shown = next(each for each in demo.staff_credentials(shop, now=NOW) if each.login == login)

    fresh = await staff.sign_in(
        shop, Credentials(shown.login, shown.password, shown.code, network="192.0.2.0/24"), now=NOW
    )

    assert fresh.token


def test_passwords_differ_and_are_written_nowhere(shop: Core) -> None:
    shown = demo.staff_credentials(shop, now=NOW)

    assert len({each.password for each in shown}) == 4
    assert all(each.password not in (demo.FOLDER / "staff.json").read_text() for each in shown)


def test_no_password_can_hold_a_login(shop: Core) -> None:
    for member in demo.staff_credentials(shop, now=MINUTE):
        alphabet = set("".join(demo.password(shop, f"{member.login} {number}") for number in range(50)))
        assert not set(member.login) <= alphabet


def test_a_code_lasts_thirty_seconds(shop: Core) -> None:
    now = {each.login: each.code for each in demo.staff_credentials(shop, now=NOW)}
    soon = {each.login: each.code for each in demo.staff_credentials(shop, now=NOW + MINUTE)}

    assert now["mei"] != soon["mei"]
    assert len(now["mei"]) == pyotp.TOTP("A" * 32).digits


@pytest.mark.clause("3(2)")
def test_the_demo_staff_have_signed_the_agreement(shop: Core) -> None:
    members = shop.database.read_now(staff.everyone)

    assert all(staff.has_agreed(member, now=NOW) for member in members)


async def test_there_is_no_demo_shop_in_production(core: Core, tmp_path: Path) -> None:
    settings = Settings(
        mode="production",
        data=tmp_path / "var",
        shop_name="A real shop",
        controller_name="A real shop Ltd.",
        contact_email="privacy@example.org",
        public_url="https://chat.example.org",
    )
    production = dataclasses.replace(core, settings=settings)

    with pytest.raises(NotAllowed):
        await demo.load(production, now=NOW)
    with pytest.raises(NotAllowed):
        demo.staff_credentials(production, now=NOW)

    assert core.database.read_now(counts) == (0, 0, 0)


async def test_the_mail_addresses_belong_to_nobody(shop: Core) -> None:
    assert all(shopper.email.endswith("@example.com") for shopper in demo.shoppers())
    for shopper in demo.shoppers():
        person = await shop.database.read(people.by_email, shop.vault, shopper.email)
        assert person is not None


def test_the_conversations_are_about_the_orders_of_their_shoppers(shop: Core) -> None:
    [order] = shop.database.read_now(orders.by_number, shop.vault, "ML-2039")

    [talk] = shop.database.read_now(conversations.for_subject, f"person:{order.person_id}", now=NOW)

    links = shop.database.read_now(conversations.orders_of, talk.id)
    assert [link.order_id for link in links] == [order.id]
    assert talk.state == "resolved"


async def _fail(*_: object, **__: object) -> None:
    raise RuntimeError("cut off")
