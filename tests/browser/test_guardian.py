"""A minor and a guardian in front of one browser: the guardian's code lets the minor in, and nothing else does."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.people import newest_code, on_the_page
from tests.browser.test_looks import check
from tests.site import Site

GUARDIAN = "parent.of.lin@example.com"


def ask_the_guardian(page: Page) -> None:
    page.get_by_label("E-mail address of your parent or guardian").fill(GUARDIAN)
    page.get_by_role("button", name="Send them a code").click()
    expect(page.get_by_label("Code from the e-mail")).to_be_visible()


def test_a_minor_writes_after_the_guardian_agreed_and_not_before(site: Site, browse: OpenContext) -> None:
    minor, mailbox = on_the_page(site, browse), browse().page()
    page = minor.page
    page.get_by_role("link", name="I am under 18").first.click()
    check(page)
    ask_the_guardian(page)
    check(page)

    page.goto(f"{site.url}/chat")
    page.get_by_role("button", name="Agree and start").click()
    expect(page.locator("#notice-wrong")).to_contain_text("A parent or guardian must agree")
    expect(minor.composer).to_be_hidden()
    check(page)
    page.get_by_role("link", name="Go on with a guardian").click()
    page.goto(f"{page.url}&step=code")
    page.get_by_label("Code from the e-mail").fill(newest_code(site, mailbox, GUARDIAN))
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Agree for the minor").click()

    expect(minor.composer).to_be_visible()
    minor.say("May I ask something?")
    expect(minor.log).to_contain_text("Sent")


def test_the_guardians_page_works_by_keyboard_and_without_a_script(site: Site, browse: OpenContext) -> None:
    page = browse(java_script_enabled=False).page()
    page.goto(f"{site.url}/chat/minor")

    page.get_by_label("E-mail address of your parent or guardian").focus()
    page.keyboard.type("another.parent@example.com")
    page.keyboard.press("Enter")

    expect(page.get_by_label("Code from the e-mail")).to_be_visible()
    expect(page.get_by_role("heading", name="For the parent or guardian")).to_be_visible()
