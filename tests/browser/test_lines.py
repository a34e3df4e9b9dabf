"""The line breaks, tabs close and freeze, sockets are forbidden: nothing written is lost, doubled or reordered."""

import contextlib
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Error, Locator, Page, expect

from tests.browser.conftest import OpenContext, axe_findings
from tests.browser.people import A_WHILE, Shopper, Staff, at_the_desk, on_the_page
from tests.site import Site

STORED = """
async () => {
  const database = await new Promise((resolve, reject) => {
    const request = indexedDB.open('aftercare');
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const rows = await new Promise((resolve) => {
    const request = database.transaction('row').objectStore('row').getAll();
    request.onsuccess = () => resolve(request.result);
  });
  database.close();
  return rows.map(({ kind, sealed }) => `${kind} ${new TextDecoder('latin1').decode(sealed)}`);
}
"""
COUNT_ANNOUNCEMENTS = """
() => {
  window.__said = [];
  const line = document.querySelector('chat-line');
  new MutationObserver(() => {
    const words = line.querySelector('[role=status]').textContent;
    if (words && words !== window.__said.at(-1)) window.__said.push(words);
  }).observe(line, { subtree: true, childList: true, characterData: true });
}
"""
FORBID_SOCKETS = "window.WebSocket = class { constructor() { throw new DOMException('forbidden', 'SecurityError'); } };"
SWALLOW_SOCKETS = """
window.WebSocket = class {
  constructor() { setTimeout(() => this.onclose?.({ code: 1006 }), 20); }
  send() {}
  close() {}
};
"""


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that may be killed."""
    site = Site(tmp_path_factory.mktemp("mortal"))
    site.start()
    yield site
    site.stop()


@contextlib.contextmanager
def dead(site: Site) -> Iterator[None]:
    """For a while nobody serves."""
    site.kill()
    try:
        yield
    finally:
        site.start()


def talking(site: Site, browse: OpenContext, login: str, words: str) -> tuple[Shopper, Staff]:
    """A shopper who has said this, and an agent who has it open."""
    agent = at_the_desk(site, browse, login)
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say(words)
    agent.open(words)
    expect(agent.log).to_contain_text(words)
    return shopper, agent


def lines(log: Locator, mark: str) -> Locator:
    """The bubbles of the log in which this word stands."""
    return log.locator(".bubble", has_text=re.compile(mark))


def test_what_both_sides_write_while_the_server_is_dead_arrives_once_and_in_order(
    mortal: Site, browse: OpenContext
) -> None:
    shopper, agent = talking(mortal, browse, "kai", "Quake zero")

    with dead(mortal):
        for number in ("one", "two"):
            shopper.say(f"Quake shopper {number}")
            agent.say(f"Quake agent {number}")
        for log in (shopper.log, agent.log):
            expect(log.locator(".msg.waiting")).to_have_count(2)
            expect(log).to_contain_text("Will send when you’re back online")
        with contextlib.suppress(Error):  # there is no page to be had from a dead server
            shopper.page.reload()
        shopper.page.wait_for_url("chrome-error://**")
        shopper.page.goto("about:blank")  # the error page reloads by itself, and the agent's words would be stale then
    expect(agent.log.locator(".msg.waiting")).to_have_count(0, timeout=A_WHILE)
    shopper.page.goto(f"{mortal.url}/chat")

    wanted = ["zero", "agent one", "agent two", "shopper one", "shopper two"]
    for log in (shopper.log, agent.log):
        expect(lines(log, "Quake")).to_have_text([f"Quake {words}" for words in wanted], timeout=A_WHILE)
        expect(log.locator(".msg.waiting, .msg.failed")).to_have_count(0)


def test_a_second_tab_shows_and_sends_what_a_closed_tab_left(mortal: Site, browse: OpenContext) -> None:
    shopper, agent = talking(mortal, browse, "kai", "Heir zero")
    second = Shopper(mortal, shopper.page.context.new_page(), shopper.page)
    second.page.goto(f"{mortal.url}/chat")
    second.chat = second.page
    expect(second.log).to_contain_text("Heir zero")

    with dead(mortal):
        for number in ("one", "two"):
            shopper.say(f"Heir {number}")
        expect(second.log.locator(".msg.waiting")).to_have_count(2)
        shopper.page.close()
    expect(second.log.locator(".msg.waiting")).to_have_count(0, timeout=A_WHILE)

    for log in (second.log, agent.log):
        expect(lines(log, "Heir")).to_have_text(["Heir zero", "Heir one", "Heir two"], timeout=A_WHILE)


def test_a_tab_that_is_looked_at_sends_what_a_frozen_tab_holds(mortal: Site, browse: OpenContext) -> None:
    shopper, agent = talking(mortal, browse, "kai", "Ice zero")
    second = Shopper(mortal, shopper.page.context.new_page(), shopper.page)
    second.page.goto(f"{mortal.url}/chat")
    second.chat = second.page
    expect(second.log).to_contain_text("Ice zero")

    with dead(mortal):
        shopper.say("Ice one")
        expect(second.log.locator(".msg.waiting")).to_have_count(1)
        devtools = shopper.page.context.new_cdp_session(shopper.page)
        devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
    second.say("Ice two")

    for log in (second.log, agent.log):
        expect(lines(log, "Ice")).to_have_text(["Ice zero", "Ice one", "Ice two"], timeout=A_WHILE)
    devtools.send("Page.setWebLifecycleState", {"state": "active"})
    expect(lines(shopper.log, "Ice")).to_have_text(["Ice zero", "Ice one", "Ice two"], timeout=A_WHILE)


def test_drafts_outlive_a_reload_and_stay_with_their_conversation_and_mode(site: Site, browse: OpenContext) -> None:
    shopper, agent = talking(site, browse, "kai", "Pen zero")
    agent.composer.fill("Half a reply")
    agent.page.get_by_role("button", name=re.compile("^Note")).click()
    expect(agent.composer).to_have_value("")
    agent.composer.fill("Half a note")
    expect(agent.composer).to_have_value("Half a note")

    stored = " ".join(agent.page.evaluate(STORED))
    agent.page.reload()
    expect(agent.composer).to_have_value("Half a reply")
    agent.page.get_by_role("button", name=re.compile("^Note")).click()
    expect(agent.composer).to_have_value("Half a note")
    agent.page.get_by_role("button", name=re.compile("^Reply")).click()
    agent.page.locator(".inbox a:not([aria-current])").first.click()
    expect(agent.composer).to_have_value("")
    agent.page.go_back()
    expect(agent.composer).to_have_value("Half a reply")
    agent.composer.press("Enter")
    expect(shopper.log).to_contain_text("Half a reply")
    agent.page.reload()

    expect(agent.log).to_contain_text("Half a reply")
    expect(agent.composer).to_have_value("")
    assert stored.count("draft") == 2
    assert "Half" not in stored


def test_a_draft_goes_with_a_guest_who_proves_her_address(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("Guest zero")
    shopper.composer.fill("Half a question")

    shopper.prove("lucas.moreau@example.com", shopper.page.context.new_page())
    expect(shopper.composer).to_have_value("Half a question")
    shopper.page.reload()

    expect(shopper.composer).to_have_value("Half a question")


def test_two_tabs_do_not_fight_over_a_draft(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    second = Shopper(site, shopper.page.context.new_page(), shopper.page)
    second.page.goto(f"{site.url}/chat")
    second.chat = second.page
    expect(second.composer).to_be_focused()  # the page does that once it has brought back what was kept
    second.composer.blur()

    shopper.composer.press_sequentially("From the first tab")
    expect(second.composer).to_have_value("From the first tab")
    shopper.composer.press("Enter")

    expect(second.composer).to_have_value("")
    expect(second.log).to_contain_text("From the first tab")


def test_a_page_without_a_network_says_so_once_counts_down_and_resumes(site: Site, browse: OpenContext) -> None:
    shopper, agent = talking(site, browse, "kai", "Tunnel zero")
    shopper.page.evaluate(COUNT_ANNOUNCEMENTS)

    shopper.page.context.set_offline(True)
    banner = shopper.page.locator("chat-line .banner")
    expect(banner).to_contain_text("You’re offline", timeout=A_WHILE)
    shopper.say("Tunnel one")
    expect(shopper.log).to_contain_text("Will send when you’re back online")
    assert axe_findings(shopper.page) == []
    agent.say("Tunnel two")
    expect(agent.log.locator(".msg.own").last).to_contain_text("Sent")
    shopper.page.context.set_offline(False)

    expect(banner).to_contain_text("Connected again")
    expect(banner).to_have_count(0)
    for log in (shopper.log, agent.log):
        expect(lines(log, "Tunnel")).to_have_text(["Tunnel zero", "Tunnel two", "Tunnel one"])
    said = shopper.page.evaluate("window.__said")
    assert said == ["You’re offline. We’ll send this when you’re back.", "Connected again"]


def test_a_dead_server_is_announced_once_while_the_banner_counts_down(mortal: Site, browse: OpenContext) -> None:
    shopper, agent = talking(mortal, browse, "kai", "Clock zero")
    shopper.page.evaluate(COUNT_ANNOUNCEMENTS)

    with dead(mortal):
        banner = shopper.page.locator("chat-line .banner")
        expect(banner).to_contain_text(re.compile(r"Next try in [23456789] s"), timeout=A_WHILE)
        expect(agent.page.locator("desk-line")).to_contain_text("No connection")
        expect(agent.page.locator("desk-line")).to_contain_text("Next try in", timeout=A_WHILE)
        expect(agent.page.locator("desk-thread .banner")).to_contain_text("Next try in", timeout=A_WHILE)
        for page in (shopper.page, agent.page):
            assert axe_findings(page) == []
        said = shopper.page.evaluate("window.__said")
    shopper.page.get_by_role("button", name="Try now").or_(lines(shopper.log, "Clock")).first.click()

    expect(banner).to_have_count(0, timeout=A_WHILE)
    assert said == ["No connection. Your messages are kept."]


def test_an_agent_who_has_not_seen_the_newest_message_decides_whether_to_send(site: Site, browse: OpenContext) -> None:
    shopper, agent = talking(site, browse, "kai", "Late zero")

    agent.page.context.set_offline(True)
    expect(agent.page.locator("desk-line")).to_contain_text("You’re offline", timeout=A_WHILE)
    shopper.say("Late one")
    expect(shopper.log).to_contain_text("Sent")
    agent.say("Late two")
    agent.page.context.set_offline(False)
    failed = agent.log.locator(".msg.failed")
    expect(failed).to_contain_text("There is a newer message", timeout=A_WHILE)
    expect(agent.log).to_contain_text("Late one")
    assert axe_findings(agent.page) == []
    agent.page.reload()
    expect(failed).to_contain_text("There is a newer message")
    failed.get_by_role("button", name="Send anyway").click()

    for log in (shopper.log, agent.log):
        expect(lines(log, "Late")).to_have_text(["Late zero", "Late one", "Late two"])
        expect(log.locator(".msg.failed")).to_have_count(0)


def test_a_refused_message_stays_until_its_writer_deletes_it(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    expect(shopper.log).to_contain_text("Write your first message")
    shopper.page.evaluate("document.querySelector('chat-composer').limit = 9999")

    shopper.say("long " * 1_000)
    failed = shopper.log.locator(".msg.failed")
    expect(failed).to_contain_text("Not sent")
    shopper.page.reload()
    expect(failed).to_contain_text("Not sent")
    failed.get_by_role("button", name="Delete").click()
    expect(failed).to_have_count(0)
    shopper.page.reload()

    expect(shopper.log).to_contain_text("Write your first message")
    expect(failed).to_have_count(0)


@pytest.mark.parametrize("how", [FORBID_SOCKETS, SWALLOW_SOCKETS], ids=["forbidden", "swallowed"])
def test_where_sockets_do_not_get_through_people_talk_all_the_same(site: Site, browse: OpenContext, how: str) -> None:
    asked: list[str] = []
    agent = at_the_desk(site, browse, "kai")
    shopper = on_the_page(site, browse)
    for page in (agent.page, shopper.page):
        without_sockets(page, how, asked)
    shopper.agree()

    shopper.say("Pigeon zero")
    agent.open("Pigeon zero")
    expect(agent.log).to_contain_text("Pigeon zero", timeout=A_WHILE)
    agent.say("Pigeon one")
    expect(shopper.log).to_contain_text("Pigeon one")
    shopper.say("Pigeon two")

    for log in (shopper.log, agent.log):
        expect(lines(log, "Pigeon")).to_have_text(["Pigeon zero", "Pigeon one", "Pigeon two"])
        expect(log.locator(".msg.waiting, .msg.failed")).to_have_count(0)
    assert any(url.endswith("/chat/poll") for url in asked)
    expect(shopper.page.locator("chat-line .banner")).to_have_count(0)


def without_sockets(page: Page, how: str, asked: list[str]) -> None:
    """Load the page again in a place where sockets do not work; `asked` collects what is asked instead."""
    page.context.add_init_script(how)
    page.on("request", lambda request: asked.append(request.url.split("?")[0]))
    page.reload()
