"""The line through the house, as people walk it: a shopper, an agent, a supervisor, on real orders."""

import re
from pathlib import Path

from playwright.sync_api import Route, expect

from tests.browser.conftest import OpenContext
from tests.browser.people import at_the_desk, in_widget, on_the_page
from tests.site import Site

PHOTO = "exif/jpg/gps/DSCN0012.jpg"


def test_nothing_is_stored_and_no_cookie_set_before_the_shopper_agrees(site: Site, browse: OpenContext) -> None:
    shopper = in_widget(site, browse)
    expect(shopper.chat.get_by_role("button", name="Agree and start")).to_be_visible()

    before = shopper.page.context.cookies()
    stored = shopper.page.evaluate("localStorage.length + sessionStorage.length")
    shopper.agree()
    after = shopper.page.context.cookies()

    assert before == []
    assert stored == 0
    assert [cookie["name"] for cookie in after] == ["__Host-cv"]
    assert all(cookie["secure"] and cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in after)


def test_a_shopper_and_an_agent_talk_about_a_proven_order(site: Site, browse: OpenContext, shared_data: Path) -> None:
    agent = at_the_desk(site, browse, "mei")
    shopper = in_widget(site, browse)
    frames: list[str] = []
    shopper.page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))))
    shopper.agree()

    shopper.say("My cup arrived cracked")
    shopper.prove("emma.novak@example.com", shopper.page.context.new_page())
    shopper.link("ML-2039")
    expect(shopper.log).to_contain_text("ML-2039")

    agent.open("My cup arrived cracked")
    expect(agent.log).to_contain_text("My cup arrived cracked")
    expect(agent.page.get_by_role("complementary")).to_contain_text("ML-2039")
    expect(agent.page.get_by_role("complementary")).to_contain_text("Proven by e-mail code")
    expect(agent.page.get_by_role("complementary")).not_to_contain_text("emma.novak@example.com")

    agent.page.get_by_role("button", name=re.compile("Assign")).click()
    agent.note("Second breakage from this batch")
    agent.composer.press_sequentially("So")
    expect(shopper.chat.locator("#typing")).to_contain_text("Mei")
    agent.say("So sorry. Please send us a photo.")
    expect(shopper.log).to_contain_text("So sorry. Please send us a photo.")
    expect(agent.log).to_contain_text("Read")

    shopper.attach(shared_data / "uploads" / PHOTO)
    shopper.composer.fill("Here it is")
    shopper.chat.get_by_role("button", name="Send").click()
    expect(shopper.log.locator("img")).to_be_visible()
    expect(agent.log.locator("img")).to_be_visible()
    agent.log.get_by_role("button").filter(has=agent.page.locator("img")).press("Enter")
    expect(agent.page.get_by_role("dialog").locator("img")).to_be_visible()
    agent.page.keyboard.press("Escape")
    expect(agent.page.get_by_role("dialog")).to_be_hidden()

    expect(agent.log).to_contain_text("Second breakage from this batch")
    expect(shopper.log).not_to_contain_text("Second breakage")
    assert not any("Second breakage" in frame for frame in frames)


def test_a_reload_and_a_second_tab_show_every_message_once_and_in_order(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    words = [f"Line number {number}" for number in range(1, 6)]
    for line in words:
        shopper.say(line)
    expect(shopper.log).to_contain_text(words[-1])

    shopper.page.reload()
    second = shopper.page.context.new_page()
    second.goto(f"{site.url}/chat")

    for page in (shopper.page, second):
        rows = page.get_by_role("log").get_by_text(re.compile(r"^Line number \d$"))
        expect(rows).to_have_text(words)


def test_what_is_typed_without_a_network_arrives_once_when_it_is_back(site: Site, browse: OpenContext) -> None:
    agent = at_the_desk(site, browse, "kai")
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("Before the tunnel")
    agent.open("Before the tunnel")
    expect(agent.log).to_contain_text("Before the tunnel")

    shopper.page.context.set_offline(True)
    shopper.say("In the tunnel, one")
    shopper.say("In the tunnel, two")
    expect(agent.log).not_to_contain_text("In the tunnel")
    shopper.page.context.set_offline(False)

    wanted = ["Before the tunnel", "In the tunnel, one", "In the tunnel, two"]
    for log in (agent.log, shopper.log):
        expect(log.get_by_text(re.compile("tunnel"))).to_have_text(wanted, timeout=90_000)


def test_a_message_that_waits_for_its_photo_goes_as_it_was_sent_or_not_at_all(
    site: Site, browse: OpenContext, shared_data: Path
) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    slow: list[Route] = []
    shopper.page.route(re.compile("/media/"), lambda route: slow.append(route) if not slow else route.continue_())
    with shopper.page.expect_request(re.compile("/media/")):
        shopper.attach(shared_data / "uploads" / PHOTO)
    shopper.composer.press("Enter")

    shopper.chat.get_by_role("button", name=re.compile("^Remove")).click()
    shopper.composer.fill("Half a thought")
    shopper.attach(shared_data / "uploads" / PHOTO)
    expect(shopper.chat.locator("upload-tray")).to_contain_text("Ready")

    expect(shopper.composer).to_have_value("Half a thought")
    shopper.composer.press("Enter")
    expect(shopper.log.locator(".caption")).to_have_text(["Half a thought"])


def test_a_supervisor_states_a_purpose_and_reads_the_transcript(site: Site, browse: OpenContext) -> None:
    supervisor = at_the_desk(site, browse, "yun")
    page = supervisor.page
    page.goto(f"{site.url}/review")

    for way, term in (("Order number", "ML-2009"), ("E-mail address", "weiting.chen@example.com")):
        page.get_by_label("Find by").select_option(label=way)
        page.get_by_label("Number, address or identifier").fill(term)
        page.get_by_role("radio").first.check()
        page.get_by_role("button", name="Find").click()
        expect(page.get_by_role("main")).to_contain_text("found")
        assert term.lower() not in page.url.lower()

    page.get_by_role("button", name=re.compile("Read|Open")).first.click()
    expect(page.get_by_role("main")).to_contain_text("小廚刀")


def test_an_agent_finds_no_review_pages(site: Site, browse: OpenContext) -> None:
    agent = at_the_desk(site, browse, "kai")

    answer = agent.page.goto(f"{site.url}/review")

    assert answer is not None
    assert answer.status == 404
