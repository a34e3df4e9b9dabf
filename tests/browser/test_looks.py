"""Every page in both languages and both themes: no finding of axe, no broken policy, nothing wider than the window."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext, axe_findings, scrolls_sideways
from tests.browser.people import at_the_desk, on_the_page
from tests.site import Site

WIDTHS = (320, 390, 1440)
PUBLIC = (
    "/demo/shop",
    "/chat",
    "/chat/frame",
    "/chat/minor",
    "/desk/sign-in",
    "/policy",
    "/policy/changes/2023-10-11",
    "/admin/start",
    "/demo/mailbox",
    "/nowhere",
)
LOOKS = [(lang, scheme) for lang in ("en", "zh-Hant") for scheme in ("light", "dark")]

SMALL_TARGETS = """
(least) => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
  .filter((element) => {
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    const seen = element.checkVisibility({ visibilityProperty: true }) && box.width > 1 && box.height > 1;
    const inText = element.matches('a') && style.display === 'inline' && element.closest('p, li, dd, td');
    const labelled = element.matches('input[type=radio], input[type=checkbox]') && element.closest('label');
    return seen && !inText && !labelled && !element.closest('.vh') && Math.min(box.width, box.height) < least;
  })
  .map((element) => `${element.tagName} ${element.textContent.trim().slice(0, 30)} ${element.id}`)
"""

READ_ALOUD = """
addEventListener('DOMContentLoaded', () => {
  window.__aloud = [];
  const isRow = (node) => node.nodeType === 1 && node.matches('ol.log, li.msg');
  new MutationObserver((changes) => {
    for (const { target, addedNodes } of changes) {
      const live = target.closest?.('[role=log]')?.getAttribute('aria-live');
      for (const node of addedNodes) if (isRow(node) && live !== 'off') window.__aloud.push(node.textContent.trim());
    }
  }).observe(document.body, { subtree: true, childList: true });
});
"""


def check(page: Page) -> None:
    """What every page must pass as it is now, at every width."""
    assert axe_findings(page) == []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        assert not scrolls_sideways(page), f"{page.url} is wider than {width}"
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(SMALL_TARGETS, 24) == []


@pytest.mark.parametrize(("lang", "scheme"), LOOKS)
def test_the_pages_that_everybody_sees(site: Site, browse: OpenContext, lang: str, scheme: str) -> None:
    page = browse(color_scheme=scheme).page()

    for path in PUBLIC:
        page.goto(f"{site.url}{path}?lang={lang}")
        expect(page.get_by_role("heading").first).to_be_visible()
        assert page.locator("html").get_attribute("lang") == lang
        check(page)


@pytest.mark.parametrize(("lang", "scheme"), LOOKS)
def test_the_chat_in_use(site: Site, browse: OpenContext, lang: str, scheme: str) -> None:
    shopper = on_the_page(site, browse)
    shopper.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    shopper.agree()
    shopper.say("<b>Is this bold?</b> 你好，這是一段比較長的文字")
    expect(shopper.log).to_contain_text("<b>Is this bold?</b>")
    shopper.page.goto(f"{site.url}/chat?lang={lang}")
    expect(shopper.log).to_contain_text("Is this bold?")

    check(shopper.page)
    shopper.page.locator("#menu-open").click()
    check(shopper.page)
    shopper.page.locator("[data-does=login]").click()
    expect(shopper.page.get_by_role("dialog")).to_be_visible()
    check(shopper.page)
    shopper.page.keyboard.press("Escape")
    shopper.page.evaluate("document.documentElement.dir = 'rtl'")
    for width in WIDTHS:
        shopper.page.set_viewport_size({"width": width, "height": 844})
        assert not scrolls_sideways(shopper.page)


def console_with_a_chat(site: Site, page: Page, lang: str) -> None:
    page.goto(f"{site.url}/desk?lang={lang}")
    page.locator(".inbox a").first.click()
    expect(page.get_by_role("log")).to_be_visible()


def help_of_the_console(site: Site, page: Page, lang: str) -> None:
    page.goto(f"{site.url}/desk?lang={lang}")
    expect(page.locator(".inbox a").first).to_be_visible()
    page.keyboard.press("Shift+Slash")
    expect(page.get_by_role("dialog")).to_be_visible()


def finding(site: Site, page: Page, lang: str) -> None:
    page.goto(f"{site.url}/review?lang={lang}")
    page.locator("#term").fill("ML-2009")
    page.get_by_role("radio").first.check()
    page.locator("main form button[type=submit]").first.click()
    expect(page.get_by_role("main")).to_contain_text("ML-2009")


def reading(site: Site, page: Page, lang: str) -> None:
    finding(site, page, lang)
    page.locator("main form[action*='/open'] button, main a[href*='/review/']").first.click()
    expect(page.get_by_role("main")).to_contain_text("小廚刀")


def board_of_requests(site: Site, page: Page, lang: str) -> None:
    page.goto(f"{site.url}/rights?lang={lang}")
    page.locator("#kind").select_option("delete")
    page.locator("#email").fill("hana.lin@example.com")
    page.locator("#words").fill("請刪除我的資料，謝謝。")
    page.locator("main form button[type=submit]").last.click()
    page.goto(f"{site.url}/rights?lang={lang}")
    expect(page.locator("tbody a").first).to_be_visible()


def one_request(site: Site, page: Page, lang: str) -> None:
    board_of_requests(site, page, lang)
    path = page.locator("tbody a").first.get_attribute("href")
    page.goto(f"{site.url}{path}?lang={lang}")
    expect(page.get_by_role("main")).to_contain_text("請刪除我的資料")
    for summary in page.locator("summary").all()[1:]:
        summary.click()


def keeping(site: Site, page: Page, lang: str) -> None:
    page.goto(f"{site.url}/retention?lang={lang}")
    expect(page.get_by_role("heading").first).to_be_visible()


def registering(site: Site, page: Page, lang: str) -> None:
    page.goto(f"{site.url}/processors?lang={lang}")
    page.locator("#name").fill("Fast Parcels")
    page.locator("#fields").fill("order_number address")
    page.locator("#region").fill("Taiwan")
    page.locator("#contract").fill("C-2026-4")
    page.locator("#security").fill("TLS")
    page.locator("main form.form button[type=submit]").click()
    expect(page.get_by_role("main")).to_contain_text("Fast Parcels")


def disclosing(site: Site, page: Page, lang: str) -> None:
    page.goto(f"{site.url}/disclosures?lang={lang}")
    page.locator("#subject").fill(f"person:{'0' * 32}")
    page.locator("#reference").fill("DOC-115")
    page.locator("#fact-requester").fill("Court")
    page.locator("#fact-scope").fill("One conversation")
    check(page)
    page.locator("main form.form button[type=submit]").click()
    expect(page.locator("h1")).to_have_text("DOC-115")


def register_of_clauses(site: Site, page: Page, lang: str) -> None:
    page.goto(f"{site.url}/policy/register?lang={lang}")
    expect(page.locator("[id='clause-5(2)2']")).to_be_visible()
    if page.locator("main table summary").count():
        page.locator("main table summary").first.click()


def versions_of_the_policy(site: Site, page: Page, lang: str) -> None:
    page.goto(f"{site.url}/policy/versions?lang={lang}")
    expect(page.get_by_role("main")).to_contain_text("2023-10-11")


def incidents(site: Site, page: Page, lang: str) -> None:
    page.goto(f"{site.url}/admin/incidents?lang={lang}")
    expect(page.locator("#summary")).to_be_visible()


def review_of_access(site: Site, page: Page, lang: str) -> None:
    page.goto(f"{site.url}/admin/access?lang={lang}")
    expect(page.get_by_role("main")).to_contain_text("Mei")


@pytest.mark.parametrize(("lang", "scheme"), LOOKS)
@pytest.mark.parametrize(
    ("login", "arrive"),
    [
        ("mei", console_with_a_chat),
        ("mei", help_of_the_console),
        ("yun", finding),
        ("yun", reading),
        ("ines", board_of_requests),
        ("ines", one_request),
        ("ines", keeping),
        ("ines", registering),
        ("ines", disclosing),
        ("yun", register_of_clauses),
        ("yun", versions_of_the_policy),
        ("ines", review_of_access),
        ("ines", incidents),
    ],
)
def test_the_pages_of_staff(
    site: Site, browse: OpenContext, login: str, arrive: Callable[[Site, Page, str], None], lang: str, scheme: str
) -> None:
    staff = at_the_desk(site, browse, login, color_scheme=scheme)

    arrive(site, staff.page, lang)

    check(staff.page)


def test_the_first_administrator_enters_by_the_printed_link(site: Site, browse: OpenContext) -> None:
    link = re.search(r"http\S+/admin/start#\S+", site.output())
    assert link is not None
    page = browse().page()
    page.goto(link[0])

    page.get_by_label("Login").fill("ada")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Password").first.fill("a long enough pass phrase")
    page.locator("main form button[type=submit]").click()

    expect(page.locator("a[href^='otpauth:']")).to_be_visible()
    check(page)


def test_the_widget_opens_and_closes_by_keyboard_and_gives_the_focus_back(site: Site, browse: OpenContext) -> None:
    page = browse(viewport={"width": 1440, "height": 900}).page()
    page.goto(f"{site.url}/demo/shop")
    launcher = page.get_by_role("button", name="Chat with us")
    launcher.focus()

    page.keyboard.press("Enter")
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("button", name="Agree and start")).to_be_visible()
    frame.get_by_role("button", name="Agree and start").press("Escape")

    expect(page.locator("iframe")).to_be_hidden()
    expect(launcher).to_be_focused()


def test_an_enter_that_only_ends_a_composition_sends_nothing(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.composer.focus()
    devtools = shopper.page.context.new_cdp_session(shopper.page)

    devtools.send("Input.imeSetComposition", {"text": "ㄋㄧˇ", "selectionStart": 3, "selectionEnd": 3})
    shopper.composer.dispatch_event("keydown", {"key": "Enter", "keyCode": 229, "isComposing": True})
    devtools.send("Input.insertText", {"text": "你好"})

    expect(shopper.composer).to_have_value("你好")
    expect(shopper.log).not_to_contain_text("你好")


def test_history_is_not_read_aloud_and_what_comes_after_it_is(site: Site, browse: OpenContext) -> None:
    agent, shopper, other = at_the_desk(site, browse, "kai"), on_the_page(site, browse), on_the_page(site, browse)
    for page in (agent.page, shopper.page):
        page.add_init_script(READ_ALOUD)
    for who, said in ((shopper, ("Aloud one", "Aloud two")), (other, ("Else",))):
        who.agree()
        for each in said:
            who.say(each)
            expect(who.log).to_contain_text(each)
    expect(shopper.log).to_contain_text("Sent")

    for page in (agent.page, shopper.page):
        page.reload()
    expect(shopper.log).to_contain_text("Aloud two")
    for words in ("Aloud two", "Else", "Aloud two"):
        agent.open(words)
        expect(agent.log).to_contain_text(words)
        expect(agent.log).to_have_attribute("aria-live", "polite")
    before = [page.evaluate("window.__aloud") for page in (agent.page, shopper.page)]
    agent.say("Aloud three")
    for log in (agent.log, shopper.log):
        expect(log).to_contain_text("Aloud three")

    assert before == [[], []]
    for page in (agent.page, shopper.page):
        aloud = " ".join(page.evaluate("window.__aloud"))
        assert "Aloud three" in aloud
        assert "Aloud two" not in aloud
