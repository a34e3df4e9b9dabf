"""A request from the click in a chat to its closing, as an agent and the privacy officer see it."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenContext, axe_findings
from tests.browser.people import at_the_desk, on_the_page
from tests.site import Site

WISH = "I would like to know what you keep about me, please."


@pytest.mark.clause("5(1)1(2)", "5(2)1", "5(2)2")
def test_from_a_chat_to_the_answer(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say(WISH)
    mei = at_the_desk(site, browse, "mei")
    mei.open(WISH[:20])

    mei.page.locator("desk-right summary").click()
    mei.page.get_by_label("What is asked for").select_option("question")
    mei.page.get_by_label("In the person’s own words").fill(WISH)
    mei.page.get_by_role("button", name="Open the request").click()
    told = mei.page.locator("desk-right [role=status]")
    expect(told).to_contain_text("is open. The answer is due by")
    assert axe_findings(mei.page) == []
    reference = re.search(r"R-[0-9A-F]{4}-[0-9A-F]{4}", told.inner_text())
    assert reference is not None

    ines = at_the_desk(site, browse, "ines").page
    ines.goto(f"{site.url}/rights")
    ines.get_by_role("link", name=reference[0]).press("Enter")
    expect(ines.get_by_role("main")).to_contain_text(WISH)
    ines.get_by_role("button", name="Begin the work").press("Enter")
    ines.get_by_label("Answer").first.fill("Nothing but this chat.")
    ines.get_by_role("button", name="It was done: send the answer").click()
    ines.get_by_label("How the person was told").fill("In the chat.")
    ines.get_by_role("button", name="Note it").click()
    ines.get_by_role("button", name="Close", exact=True).click()

    expect(ines.locator("header .tag").first).to_have_text("Closed")
    expect(ines.get_by_role("main")).to_contain_text("Nothing but this chat.")


@pytest.mark.clause("5(2)3")
def test_a_refusal_works_without_script_and_gives_back_what_was_typed(site: Site, browse: OpenContext) -> None:
    kept = at_the_desk(site, browse, "ines").page.context.storage_state()
    page = browse(storage_state=kept, java_script_enabled=False).context.new_page()
    page.goto(f"{site.url}/rights")
    page.get_by_label("What is asked for").select_option("copy")
    page.get_by_label("In the person’s own words").fill("A copy of everything, for the third time.")
    page.get_by_role("button", name="Open the request").click()

    page.locator("summary", has_text="Refuse").click()
    page.get_by_label("Ground").last.select_option("REJ_TECH")
    page.get_by_label("Reasons, as the person will read them").fill("We would need another system for this.")
    page.get_by_label("Legal basis").fill("Clause 5(2)3")
    page.get_by_role("button", name="Refuse and write to the person").click()

    expect(page.get_by_role("alert")).to_contain_text("at the press of a button")
    expect(page.get_by_label("Reasons, as the person will read them")).to_have_value(
        "We would need another system for this."
    )
