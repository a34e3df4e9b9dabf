"""A person takes her copy, sees what a deletion would do, and stops the use of her data, all in a real browser."""

import json
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.vault import signing
from support.privacy import verifying
from tests.browser.conftest import OpenContext
from tests.browser.people import at_the_desk, newest_code, on_the_page
from tests.browser.test_looks import check
from tests.site import Site

MOST_RELOADS = 200


def enter(site: Site, page: Page, mailbox: Page, email: str) -> None:
    """Sign in on the page itself."""
    page.goto(f"{site.url}/my-data")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_role("button", name="Send code").click()
    page.get_by_label("Code from the e-mail").fill(newest_code(site, mailbox, email))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Your profile")).to_be_visible()


@pytest.mark.clause("5(1)2")
def test_from_the_chat_to_a_copy_that_verifies(site: Site, browse: OpenContext, tmp_path: Path) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("Please remember this sentence")
    expect(shopper.log).to_contain_text("Sent")
    shopper.prove("copied@example.com", browse().page())

    shopper.chat.get_by_role("button", name="More").click()
    with shopper.page.context.expect_page() as opened:
        shopper.chat.get_by_role("link", name="My data", exact=True).click()
    page = opened.value
    expect(page.get_by_role("main")).to_contain_text("Your conversations")
    page.get_by_role("button", name="Make a copy").click()
    reload_until_ready(page)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download the copy").click()
    file = tmp_path / "copy.zip"
    downloading.value.save_as(file)

    found = verifying.verify(file, lambda message, signed: signing.verify(stated_key(file), message, signed))
    assert found.counts["conversations"] > 1
    page.reload()
    expect(page.locator("#copy")).to_contain_text("2 times more")


def reload_until_ready(page: Page) -> None:
    """The page says "reload in a moment", and so she does, a few times."""
    for _ in range(MOST_RELOADS):
        if page.get_by_role("button", name="Download the copy").is_visible():
            return
        with page.expect_navigation():
            page.get_by_role("link", name="Reload").click()
    raise AssertionError("the copy was never ready")


def stated_key(file: Path) -> bytes:
    """The public key that the archive names; that it is the shop's is a test of its own."""
    with zipfile.ZipFile(file) as archive:
        return bytes.fromhex(json.loads(archive.read("manifest.sig"))["public_key"])


@pytest.mark.clause("5(1)3")
def test_a_deletion_is_shown_waits_and_is_taken_back(site: Site, browse: OpenContext) -> None:
    page, mailbox = browse().page(), browse().page()
    enter(site, page, mailbox, "deleting@example.com")

    page.get_by_role("link", name="Delete everything").click()
    expect(page.get_by_role("main")).to_contain_text("This stays, and why")
    page.get_by_role("button", name="Delete everything").click()
    expect(page.get_by_role("status")).to_contain_text("Your deletion is on its way")
    page.get_by_role("button", name="Take it back").click()

    expect(page.get_by_role("status")).to_contain_text("Taken back")
    mailbox.goto(f"{site.url}/demo/mailbox")
    expect(mailbox.get_by_role("main")).to_contain_text("We have received your request")


@pytest.mark.clause("5(1)2")
def test_the_desk_loses_what_she_stops_at_once(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("Stop me if you can")
    expect(shopper.log).to_contain_text("Sent")
    shopper.prove("stopping@example.com", browse().page())
    agent = at_the_desk(site, browse, "kai")
    agent.open("Stop me if you can")
    expect(agent.log).to_contain_text("Stop me if you can")
    page = shopper.page.context.new_page()
    page.goto(f"{site.url}/my-data")

    page.get_by_role("button", name="Stop using my data").click()

    expect(page.get_by_role("status")).to_contain_text("Stopped.")
    expect(agent.page.locator(".inbox a", has_text="Stop me if you can")).to_have_count(0)
    expect(agent.page.get_by_text("Stop me if you can")).to_have_count(0)
    shopper.page.goto(f"{site.url}/chat")
    expect(shopper.chat.get_by_role("button", name="Agree and start")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_her_page_in_both_languages_and_schemes(site: Site, browse: OpenContext, scheme: str) -> None:
    page, mailbox = browse(color_scheme=scheme).page(), browse().page()
    page.goto(f"{site.url}/my-data")
    check(page)
    enter(site, page, mailbox, f"{scheme}@example.com")

    for lang in ("en", "zh-Hant"):
        for path in ("/my-data", "/my-data/delete"):
            page.goto(f"{site.url}{path}?lang={lang}")
            expect(page.locator("html")).to_have_attribute("lang", lang)
            check(page)
