"""The demo shop's doors: there on a development machine, nowhere else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from core.services import Core
from support import demo, demo_shop
from tests.support.shopper.conftest import Browser

Visit = Callable[[], Browser]
DOORS = ["/demo/shop", "/demo/mailbox", "/demo/mailbox/newest", "/demo/pictures/ML-AP01.svg"]


async def test_every_article_has_a_name_a_price_and_a_drawing(visit: Visit) -> None:
    browser = visit()

    page = await browser.page("/demo/shop")

    for product in demo.products():
        assert product.name["en"] in page.text
        assert (await browser.page(f"/demo/pictures/{product.sku}.svg")).status_code == 200


async def test_the_mailbox_shows_a_letter_as_soon_as_it_is_written(core: Core, visit: Visit) -> None:
    browser = visit()
    await browser.start(core)
    before = (await browser.get("/demo/mailbox/newest")).json()["newest"]

    await browser.post("/shopper/code", email="hana@example.com")

    after = (await browser.get("/demo/mailbox/newest")).json()["newest"]
    assert after != before
    assert "hana@example.com" in (await browser.page("/demo/mailbox")).text


@pytest.mark.parametrize("path", DOORS)
async def test_in_production_no_door_is_there(
    core: Core, visit: Visit, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    browser = visit()
    served = replace(core, settings=core.settings.model_copy(update={"mode": "production"}))
    monkeypatch.setattr(demo_shop, "core_of", lambda _: served)

    answer = await browser.page(path)

    assert answer.status_code == 404


async def test_with_a_mail_relay_the_mailbox_is_not_there(
    core: Core, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = visit()
    served = replace(core, settings=core.settings.model_copy(update={"smtp_url": "smtps://relay.test"}))
    monkeypatch.setattr(demo_shop, "core_of", lambda _: served)

    answers = [(await browser.page(path)).status_code for path in ("/demo/mailbox", "/demo/shop")]

    assert answers == [404, 200]


async def test_a_drawing_is_found_by_its_name_only(visit: Visit) -> None:
    answer = await visit().page("/demo/pictures/..%2Fproducts.svg")

    assert answer.status_code == 404
