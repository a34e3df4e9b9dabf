"""People in browsers: shoppers in the chat and staff at the desk, as far as they use keyboard and mouse."""

import re
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import FrameLocator, Locator, Page, StorageState, expect

from tests.browser.conftest import OpenContext
from tests.site import Site

_SIGNED_IN: dict[tuple[str, str], StorageState] = {}
_PROVEN: set[tuple[str, str]] = set()
A_WHILE = 45_000
CODE = re.compile(r"\b(\d{4}) ?(\d{4})\b")


@dataclass
class Shopper:
    """Somebody in front of the chat; `chat` is the page, or the frame inside the shop's page."""

    site: Site
    page: Page
    chat: Page | FrameLocator

    def agree(self) -> None:
        """Read the notice and start."""
        self.chat.get_by_role("button", name="Agree and start").click()
        expect(self.composer).to_be_visible()

    @property
    def composer(self) -> Locator:
        return self.chat.locator("chat-composer textarea")

    @property
    def log(self) -> Locator:
        return self.chat.get_by_role("log")

    def say(self, words: str) -> None:
        """Type and press Enter."""
        self.composer.fill(words)
        self.composer.press("Enter")

    def prove(self, email: str, mailbox: Page) -> None:
        """Confirm an address with the code from the letter; each test its own, for an address gets one a minute."""
        assert (self.site.url, email) not in _PROVEN, "another test proves this address, and may do so just now"
        _PROVEN.add((self.site.url, email))
        self.chat.get_by_role("button", name="More").click()
        self.chat.get_by_role("button", name="Confirm my e-mail").click()
        self.chat.get_by_label("E-mail address").fill(email)
        self.chat.get_by_role("button", name="Send code").click()
        field = self.chat.get_by_label("Code from the e-mail")
        expect(field).to_be_visible()
        field.fill(newest_code(self.site, mailbox, email))
        expect(field).to_be_hidden()

    def link(self, number: str) -> None:
        """Tie one of her orders to the conversation."""
        self.chat.get_by_role("button", name="Link an order").click()
        self.chat.get_by_role("button", name=f"Link order {number}").click()

    def attach(self, picture: Path) -> None:
        """Choose a picture and wait until it is ready to go."""
        self.chat.locator("input[type=file]").set_input_files(picture)

    def go_offline(self) -> None:
        """Without a network, and the page knows it."""
        self.page.context.set_offline(True)
        expect(self.page.locator("chat-line")).to_contain_text("You’re offline", timeout=A_WHILE)


@dataclass
class Staff:
    """Somebody at the desk."""

    site: Site
    page: Page

    def sign_in(self, login: str, mailbox: Page) -> None:
        """With what the mailbox page of the demo shop tells."""
        mailbox.goto(f"{self.site.url}/demo/mailbox")
        row = mailbox.locator("tr", has=mailbox.get_by_text(login, exact=True))
        password, code = row.locator("code").nth(1).inner_text(), row.locator("code").nth(2).inner_text()
        self.page.goto(f"{self.site.url}/desk/sign-in")
        self.page.get_by_label("Login").fill(login)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_label("Six-digit code").fill(code)
        self.page.get_by_role("button", name="Sign in").click()

    def open(self, words: str) -> None:
        """Open the conversation whose last line says this."""
        self.page.locator(".inbox a", has_text=words).click()

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log")

    @property
    def composer(self) -> Locator:
        return self.page.locator("chat-composer textarea")

    def say(self, words: str) -> None:
        """Answer."""
        self.composer.fill(words)
        self.composer.press("Enter")

    def note(self, words: str) -> None:
        """Write an internal note, then go back to replying."""
        self.page.get_by_role("button", name=re.compile("^Note")).click()
        self.say(words)
        self.page.get_by_role("button", name=re.compile("^Reply")).click()


def newest_code(site: Site, mailbox: Page, email: str) -> str:
    """The code in the newest letter to this address."""
    mailbox.goto(f"{site.url}/demo/mailbox")
    found = CODE.search(mailbox.locator("article", has_text=email).first.inner_text())
    assert found is not None, "there is no code in the newest letter"
    return found[1] + found[2]


def in_widget(site: Site, browse: OpenContext) -> Shopper:
    """A shopper who has opened the chat on the shop's page with one tap."""
    page = browse().page()
    page.goto(f"{site.url}/demo/shop")
    page.get_by_role("button", name="Chat with us").click()
    return Shopper(site, page, page.frame_locator("iframe"))


def on_the_page(site: Site, browse: OpenContext) -> Shopper:
    """A shopper on the chat's own page."""
    page = browse().page()
    page.goto(f"{site.url}/chat")
    return Shopper(site, page, page)


def at_the_desk(site: Site, browse: OpenContext, login: str, **options: object) -> Staff:
    """A member of the demo staff; the code of a second factor works once, so the sign-in is kept for later tests."""
    known = _SIGNED_IN.get((site.url, login))
    context = browse(**{"viewport": {"width": 1440, "height": 900}, "storage_state": known, **options})
    staff = Staff(site, context.page())
    if known is None:
        staff.sign_in(login, context.page())
        staff.page.wait_for_url(lambda url: "sign-in" not in url)
        _SIGNED_IN[site.url, login] = context.context.storage_state()
    else:
        staff.page.goto(f"{site.url}/desk")
    return staff
