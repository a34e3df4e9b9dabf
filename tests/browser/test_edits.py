"""Changing and taking back, as people do it: by mouse and keyboard, live for the other side and after a reload."""

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenContext, axe_findings
from tests.browser.people import Shopper, Staff, at_the_desk, on_the_page
from tests.browser.test_lines import FORBID_SOCKETS, without_sockets
from tests.browser.test_looks import check
from tests.browser.test_storage import unsent
from tests.site import Site

OPTIONS = re.compile("Edit or remove|編輯或移除")
LET_TIME_RUN_OUT = """
() => {
  const log = document.querySelector('chat-log');
  const minutes = log.changeMs / 60000;
  const said = log.thread.rows().find((row) => row.own);
  log.changeMs = Date.now() + log.skew - said.ts + 1000;
  log.refresh();
  return minutes;
}
"""


def options(log: Locator, words: str) -> Locator:
    """The button beside one's own line that says this."""
    return log.locator("li", has_text=words).get_by_role("button", name=OPTIONS)


def edit(who: Shopper | Staff, words: str, better: str) -> None:
    """Change a line with the keyboard alone."""
    options(who.log, words).press("Enter")
    who.log.get_by_role("button", name="Edit", exact=True).press("Enter")
    expect(who.composer).to_be_focused()
    expect(who.composer).to_have_value(words)
    who.say(better)


def remove(who: Shopper | Staff, words: str) -> None:
    """Take a line back; it asks once."""
    options(who.log, words).click()
    who.log.get_by_role("button", name="Remove", exact=True).click()
    expect(who.log.get_by_role("button", name="Keep as it was")).to_be_focused()
    who.log.get_by_role("button", name="Remove", exact=True).click()


def test_a_shopper_edits_and_removes_and_the_agent_sees_it_at_once_and_after_a_reload(
    site: Site, browse: OpenContext
) -> None:
    agent, shopper = at_the_desk(site, browse, "mei"), on_the_page(site, browse)
    frames: list[str] = []
    shopper.agree()
    shopper.say("My cpu arrived cracked")
    shopper.say("My card is in the drawer")
    agent.open("My card is in the drawer")
    expect(agent.log).to_contain_text("My cpu arrived cracked")

    edit(shopper, "My cpu arrived cracked", "My cup arrived cracked")
    remove(shopper, "My card is in the drawer")

    for log, gone in ((shopper.log, "You removed this message"), (agent.log, "Message removed")):
        expect(log).to_contain_text("My cup arrived cracked")
        expect(log).to_contain_text("Edited")
        expect(log).to_contain_text(gone)
        expect(log).not_to_contain_text("My cpu")
        expect(log).not_to_contain_text("drawer")
    expect(agent.page.locator(".inbox")).not_to_contain_text("drawer")
    expect(shopper.composer).to_have_value("")

    agent.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    agent.page.reload()
    shopper.page.reload()
    for log in (shopper.log, agent.log):
        expect(log).to_contain_text("My cup arrived cracked")
        expect(log).to_contain_text(re.compile("Message removed|You removed this message"))
    assert any("My cup" in frame for frame in frames)
    assert not any("drawer" in frame or "My cpu" in frame for frame in frames)


def test_where_sockets_do_not_get_through_words_are_changed_and_removed_all_the_same(
    site: Site, browse: OpenContext
) -> None:
    agent, shopper = at_the_desk(site, browse, "mei"), on_the_page(site, browse)
    without_sockets(shopper.page, FORBID_SOCKETS, [])
    shopper.agree()
    shopper.say("My plate arrived bronken")
    shopper.say("My key is under the mat")
    agent.open("My key is under the mat")

    edit(shopper, "My plate arrived bronken", "My plate arrived broken")
    remove(shopper, "My key is under the mat")

    for log in (shopper.log, agent.log):
        expect(log).to_contain_text("My plate arrived broken")
        expect(log).not_to_contain_text("bronken")
        expect(log).not_to_contain_text("under the mat")


def test_an_agent_edits_a_note_and_removes_a_reply_of_her_own_only(site: Site, browse: OpenContext) -> None:
    agent, shopper = at_the_desk(site, browse, "mei"), on_the_page(site, browse)
    shopper.agree()
    shopper.say("Where is my kettle?")
    agent.open("Where is my kettle?")
    agent.say("For another customer")
    expect(shopper.log).to_contain_text("For another customer")
    agent.note("Lost in Taipei")

    edit(agent, "Lost in Taipei", "Found in Taipei")
    remove(agent, "For another customer")

    expect(agent.log).to_contain_text("Found in Taipei")
    expect(agent.log).not_to_contain_text("Lost in Taipei")
    expect(shopper.log).to_contain_text("Message removed")
    expect(shopper.log).not_to_contain_text("For another customer")
    expect(shopper.log).not_to_contain_text("Taipei")
    expect(options(agent.log, "Where is my kettle?")).to_have_count(0)


def test_escape_leaves_an_edit_and_the_draft_comes_back(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("One thing")
    shopper.composer.fill("half a dra")

    options(shopper.log, "One thing").click()
    shopper.log.get_by_role("button", name="Edit", exact=True).click()
    expect(shopper.page.get_by_text("Editing your message", exact=True)).to_be_visible()
    shopper.composer.fill("Another thing")
    shopper.composer.press("Escape")

    expect(shopper.page.get_by_text("Editing your message", exact=True)).to_have_count(0)
    expect(shopper.composer).to_have_value("half a dra")
    expect(shopper.log).not_to_contain_text("Another thing")
    options(shopper.log, "One thing").click()
    shopper.page.keyboard.press("Escape")
    expect(shopper.log.get_by_role("button", name="Edit", exact=True)).to_have_count(0)
    expect(options(shopper.log, "One thing")).to_be_focused()


def test_after_five_minutes_nothing_is_offered_any_more(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("One thing")
    options(shopper.log, "One thing").click()
    expect(shopper.log.get_by_role("button", name="Edit", exact=True)).to_be_visible()

    minutes = shopper.page.evaluate(LET_TIME_RUN_OUT)

    expect(options(shopper.log, "One thing")).to_have_count(0)
    expect(shopper.log.get_by_role("button", name="Edit", exact=True)).to_have_count(0)
    assert minutes == 5


def test_what_is_changed_without_a_network_is_changed_when_it_is_back(site: Site, browse: OpenContext) -> None:
    agent, shopper = at_the_desk(site, browse, "kai"), on_the_page(site, browse)
    shopper.agree()
    shopper.say("Before the tunel")
    agent.open("Before the tunel")
    expect(shopper.log).to_contain_text(re.compile("Delivered|Read"))

    shopper.page.context.set_offline(True)
    edit(shopper, "Before the tunel", "Before the bridge")
    expect(shopper.log).to_contain_text("Before the bridge")
    expect(agent.log).to_contain_text("Before the tunel")
    shopper.page.context.set_offline(False)

    expect(agent.log).to_contain_text("Before the bridge", timeout=40_000)
    expect(agent.log).not_to_contain_text("Before the tunel")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("lang", ["en", "zh-Hant"])
def test_changing_and_what_is_left_pass_every_check(site: Site, browse: OpenContext, lang: str, scheme: str) -> None:
    agent = at_the_desk(site, browse, "mei", color_scheme=scheme)
    shopper = on_the_page(site, browse)
    shopper.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    shopper.agree()
    shopper.say(f"To be removed {lang} {scheme}")
    shopper.say("To be edited")
    remove(shopper, "To be removed")
    edit(shopper, "To be edited", "Was edited")
    shopper.say(f"Last line {lang} {scheme}")
    expect(shopper.log.locator("li", has_text="Last line")).to_contain_text(re.compile("Sent|Delivered|Read"))
    agent.page.goto(f"{site.url}/desk?lang={lang}")
    agent.open(f"Last line {lang} {scheme}")
    agent.say("An answer")
    expect(options(agent.log, "An answer")).to_be_visible()
    assert axe_findings(agent.page) == []

    shopper.page.goto(f"{site.url}/chat?lang={lang}")
    expect(shopper.log).to_contain_text("Was edited")
    check(shopper.page)
    options(shopper.log, "Last line").click()
    check(shopper.page)
    shopper.log.locator(".acts .danger").click()
    check(shopper.page)
    shopper.page.keyboard.press("Escape")
    options(shopper.log, "Last line").click()
    shopper.log.locator(".acts .btn").first.click()
    check(shopper.page)


def test_a_supervisor_redacts_from_the_transcript(site: Site, browse: OpenContext) -> None:
    supervisor, shopper = at_the_desk(site, browse, "yun"), on_the_page(site, browse)
    shopper.agree()
    shopper.say("My neighbour lives at 12 Long Street")
    page = supervisor.page
    supervisor.open("My neighbour lives at")
    conversation = page.url.rpartition("#c-")[2]
    page.goto(f"{site.url}/review/{conversation}?purpose=P5_SECURITY_QUALITY")

    row = page.locator("li.turn", has_text="12 Long Street")
    row.get_by_text("Redact", exact=False).first.click()
    row.get_by_label("Reason").select_option("third_party_data")
    row.get_by_label("Show instead (optional)").fill("A neighbour's address")
    check(page)
    row.get_by_role("button", name=re.compile("Redact entry")).click()

    expect(page.get_by_role("main")).to_contain_text("Redacted by Yun")
    expect(page.get_by_role("main")).not_to_contain_text("12 Long Street")
    check(page)
    expect(shopper.log).to_contain_text("Removed by customer service: another person’s details")
    expect(shopper.log).not_to_contain_text("12 Long Street")


def test_a_half_written_change_and_the_draft_under_it_outlive_a_reload(site: Site, browse: OpenContext) -> None:
    agent, shopper = at_the_desk(site, browse, "mei"), on_the_page(site, browse)
    shopper.agree()
    shopper.say("Quilt zero")
    agent.open("Quilt zero")
    agent.say("Quilt noe")
    expect(agent.log).to_contain_text("Sent")
    agent.composer.fill("half a draft")
    options(agent.log, "Quilt noe").click()
    agent.log.get_by_role("button", name="Edit", exact=True).click()
    agent.composer.fill("Quilt on")

    for _ in range(2):
        assert len(unsent(agent.page, 2)) == 2
        agent.page.reload()
        expect(agent.page.locator("chat-composer .editing")).to_be_visible()
        expect(agent.composer).to_have_value("Quilt on")
    agent.say("Quilt one")

    expect(shopper.log).to_contain_text("Quilt one")
    expect(shopper.log).not_to_contain_text("noe")
    expect(agent.composer).to_have_value("half a draft")
    assert len(unsent(agent.page, 1)) == 1
    agent.page.reload()
    expect(agent.composer).to_have_value("half a draft")
    expect(agent.page.locator("chat-composer .editing")).to_have_count(0)
