"""One computer, several people: what one had is gone when the next one comes, and not before it should be."""

import json
import re

from playwright.sync_api import CDPSession, Dialog, Page, WebSocketRoute, expect

from tests.browser.conftest import OpenContext, axe_findings
from tests.browser.people import A_WHILE, Shopper, at_the_desk, on_the_page
from tests.browser.test_lines import STORED
from tests.browser.test_storage import stored
from tests.site import Site


def without_network(page: Page) -> CDPSession:
    """Cut this tab off, and no other of its browser."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    _turn(devtools, is_off=True)
    return devtools


def with_network(devtools: CDPSession) -> None:
    _turn(devtools, is_off=False)


def _turn(devtools: CDPSession, *, is_off: bool) -> None:
    speed = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    devtools.send("Network.emulateNetworkConditions", {"offline": is_off, **speed})


def sign_in_as(other: Page, page: Page, cookie: str) -> None:
    """In another tab of this browser the other one has signed in."""
    wanted = [each for each in other.context.cookies() if each["name"] == cookie]
    page.context.add_cookies(wanted)  # type: ignore[arg-type]  # what it gives is what it takes


def test_the_console_of_the_agent_before_goes_when_the_next_one_is_signed_in(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("Locker words")
    mei, kai = at_the_desk(site, browse, "mei"), at_the_desk(site, browse, "kai")
    kai.open("Locker words")
    expect(kai.log).to_contain_text("Locker words")

    devtools = without_network(kai.page)
    expect(kai.page.locator("desk-line")).to_contain_text("You’re offline", timeout=A_WHILE)
    sign_in_as(mei.page, kai.page, "__Host-cd")
    with_network(devtools)

    expect(kai.page.locator("details.menu summary").first).to_contain_text("Mei", timeout=A_WHILE)
    expect(kai.page).to_have_url(re.compile("/desk$"))
    expect(kai.log).to_have_count(0)
    expect(kai.page.locator("desk-line")).to_contain_text("Connected")


def test_the_conversation_of_the_shopper_before_goes_when_the_next_one_is_signed_in(
    site: Site, browse: OpenContext
) -> None:
    first, second = (on_the_page(site, browse) for _ in range(2))
    for shopper, words in ((first, "Hers before"), (second, "His after")):
        shopper.agree()
        shopper.say(words)
        expect(shopper.log).to_contain_text("Sent")

    devtools = without_network(first.page)
    expect(first.page.locator("chat-line")).to_contain_text("You’re offline", timeout=A_WHILE)
    sign_in_as(second.page, first.page, "__Host-cv")
    with_network(devtools)

    expect(first.log).to_contain_text("His after", timeout=A_WHILE)
    expect(first.log).not_to_contain_text("Hers before")


def test_a_conversation_that_has_gone_leaves_the_screen_and_takes_no_words(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    sockets: list[WebSocketRoute] = []

    def listen_in(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    shopper.page.route_web_socket(re.compile("/chat/socket"), listen_in)
    with shopper.page.expect_response(re.compile("/shopper/start")) as started:
        shopper.agree()
    conversation = started.value.json()["conversation"]["id"]
    shopper.say("Vanish one")
    expect(shopper.log).to_contain_text("Sent")
    shopper.composer.fill("Vanish two")

    sockets[-1].send(json.dumps([{"t": "gone", "c": conversation}]))

    expect(shopper.page.locator("chat-line .banner")).to_contain_text("no longer available")
    expect(shopper.page.locator(".talk")).not_to_contain_text("Vanish")
    expect(shopper.composer).to_have_value("")
    expect(shopper.composer).not_to_be_editable()
    assert axe_findings(shopper.page) == []
    assert stored(shopper.page, 0) == []


def test_a_guest_whose_sign_in_has_ended_is_told_the_truth(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("Curtain one")
    expect(shopper.log).to_contain_text("Sent")
    shopper.go_offline()
    shopper.say("Curtain two")
    shopper.composer.fill("Curtain three")

    shopper.page.context.clear_cookies()
    shopper.page.context.set_offline(False)

    expect(shopper.page.locator("chat-line .banner")).to_contain_text("This guest chat has ended", timeout=A_WHILE)
    expect(shopper.log.locator(".msg.waiting")).to_contain_text("Not sent")
    expect(shopper.log).not_to_contain_text("Curtain one")
    expect(shopper.composer).not_to_be_editable()
    expect(shopper.composer).to_have_value("Curtain three")
    assert axe_findings(shopper.page) == []


def sign_out(shopper: Shopper) -> list[str]:
    """Sign out, and say yes to whatever is asked; what was asked."""
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    shopper.page.on("dialog", agree)
    shopper.chat.get_by_role("button", name="More").click()
    shopper.chat.get_by_role("button", name="Sign out and clear this browser").click()
    return asked


def test_a_sign_out_that_fails_takes_nothing_away(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("Door zero")
    expect(shopper.log).to_contain_text("Sent")
    shopper.go_offline()
    shopper.say("Door one")

    asked = sign_out(shopper)
    expect(shopper.page.locator("#alert")).to_be_visible()
    shopper.page.context.set_offline(False)

    expect(shopper.log.locator(".msg.waiting")).to_have_count(0, timeout=A_WHILE)
    expect(shopper.log.locator(".bubble", has_text="Door")).to_have_text(["Door zero", "Door one"])
    assert asked[1:] == ["1 message of yours was not sent. Sign out and delete it?"]


def test_a_sign_out_leaves_nothing_in_any_tab_nor_on_the_disk(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("Gate zero")
    expect(shopper.log).to_contain_text("Sent")
    second = shopper.page.context.new_page()
    second.goto(f"{site.url}/chat")
    second.locator("chat-composer textarea").fill("Half a word")
    expect(second.get_by_role("log")).to_contain_text("Gate zero")

    asked = sign_out(shopper)

    for page in (shopper.page, second):
        expect(page.get_by_role("button", name="Agree and start")).to_be_visible()
        expect(page.get_by_role("log")).to_have_count(0)
    assert len(asked) == 1
    has_storage = shopper.page.evaluate("indexedDB.databases().then((all) => all.length)")
    assert not has_storage or shopper.page.evaluate(STORED) == []


def test_what_an_erased_shopper_said_leaves_her_open_page_at_once(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("Chalk one")
    shopper.prove("noor.haddad@example.com", shopper.page.context.new_page())
    expect(shopper.log).to_contain_text("Chalk one")

    erased = site.run("rights", "erase", "noor.haddad@example.com")

    assert erased.returncode == 0, erased.stderr
    expect(shopper.page.locator("chat-line .banner")).to_be_visible(timeout=A_WHILE)
    expect(shopper.log).not_to_contain_text("Chalk one")
