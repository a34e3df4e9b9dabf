"""The retention board in a browser: a supervisor proposes, an officer decides, and neither needs a script."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.people import at_the_desk
from tests.browser.test_looks import finding
from tests.site import Site


def identifier(site: Site, page: Page) -> str:
    """Of the first conversation that the search finds."""
    finding(site, page, "en")
    action = page.locator("main form[action*='/open']").first.get_attribute("action")
    found = re.search(r"/review/(\w+)/open", action or "")
    assert found is not None
    return found[1]


@pytest.mark.clause("4(3)3")
def test_a_supervisor_proposes_a_hold_and_an_officer_sets_it(site: Site, browse: OpenContext) -> None:
    yun, ines = at_the_desk(site, browse, "yun").page, at_the_desk(site, browse, "ines").page
    object_id = identifier(site, yun)

    yun.goto(f"{site.url}/retention?lang=en")
    yun.get_by_label("Identifier", exact=True).fill(object_id)
    yun.get_by_label("Case", exact=True).fill("CASE-7")
    yun.get_by_label("Document", exact=True).fill("DOC-115")
    yun.get_by_label("Document", exact=True).press("Enter")
    expect(yun.get_by_role("status")).to_contain_text("An officer decides")
    expect(yun.get_by_role("button", name="Set: DOC-115")).to_have_count(0)
    ines.goto(f"{site.url}/retention?lang=en")
    ines.get_by_role("button", name="Set: DOC-115").click()

    expect(ines.get_by_role("status")).to_contain_text("in force")
    row = ines.get_by_role("region", name="Holds").locator("tr", has_text=object_id)
    expect(row).to_contain_text("In force")
    expect(row).to_contain_text("Court orders")
