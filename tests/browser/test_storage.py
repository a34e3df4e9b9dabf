"""The browser's storage is taken away, never answers, or is full of old words: none is called kept that is not."""

from playwright.sync_api import Page, expect

from tests.browser.conftest import OpenContext
from tests.browser.people import A_WHILE, at_the_desk, on_the_page
from tests.browser.test_lines import STORED, lines
from tests.site import Site

TAKE_AWAY = """
new Promise((resolve) => {
  const request = indexedDB.deleteDatabase('aftercare');
  request.onsuccess = request.onblocked = () => resolve();
})
"""
NEVER_ANSWERS = "IDBFactory.prototype.open = () => ({});"
OF_ANOTHER = """
(ages) => new Promise((resolve) => {
  const request = indexedDB.open('aftercare');
  request.onsuccess = () => {
    const rows = request.result.transaction('row', 'readwrite').objectStore('row');
    for (const [name, days] of Object.entries(ages)) {
      const [at, kind] = [Date.now() - days * 86400000, name.split(' ')[0]];
      rows.put({ scope: 'visitor:gone', kind, name, at, iv: new Uint8Array(12), sealed: new ArrayBuffer(9) });
    }
    rows.transaction.oncomplete = () => { request.result.close(); resolve(); };
  };
})
"""
NAMES = """
() => new Promise((resolve) => {
  const request = indexedDB.open('aftercare');
  request.onsuccess = () => {
    const asked = request.result.transaction('row').objectStore('row').getAll();
    asked.onsuccess = () => { request.result.close(); resolve(asked.result.map(({ name }) => name)); };
  };
})
"""


def unsent(page: Page, wanted: int) -> list[str]:
    """So many rows of words that the server has not taken, once there are."""
    return stored(page, wanted, but="said ")


def stored(page: Page, wanted: int, but: str = "none ") -> list[str]:
    """So many rows on the disk, once there are."""
    for _ in range(50):
        rows = [row for row in map(str, page.evaluate(STORED)) if not row.startswith(but)]
        if len(rows) == wanted:
            break
        page.wait_for_timeout(100)
    return rows


def test_words_written_after_the_storage_was_taken_away_outlive_the_page(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("Shelf zero")
    expect(shopper.log).to_contain_text("Sent")
    shopper.go_offline()
    shopper.say("Shelf one")
    assert len(unsent(shopper.page, 1)) == 1

    shopper.page.evaluate(TAKE_AWAY)
    expect(shopper.page.locator("chat-line")).to_contain_text("Keep this page open")
    shopper.say("Shelf two")
    expect(shopper.page.locator("chat-line")).not_to_contain_text("Keep this page open")
    assert len(unsent(shopper.page, 2)) == 2
    shopper.page.goto("about:blank")
    shopper.page.context.set_offline(False)
    shopper.page.goto(f"{site.url}/chat")

    expect(lines(shopper.log, "Shelf")).to_have_text(["Shelf zero", "Shelf one", "Shelf two"], timeout=A_WHILE)


def test_a_storage_that_never_answers_holds_nobody_up_and_is_not_called_kept(site: Site, browse: OpenContext) -> None:
    agent = at_the_desk(site, browse, "kai")
    agent.page.context.add_init_script(NEVER_ANSWERS)
    agent.page.reload()
    shopper = on_the_page(site, browse)
    shopper.page.add_init_script(NEVER_ANSWERS)
    shopper.page.reload()
    shopper.agree()
    shopper.say("Mute zero")
    agent.open("Mute zero")
    expect(agent.log).to_contain_text("Mute zero")

    shopper.go_offline()
    shopper.say("Mute one")
    expect(shopper.page.locator("chat-line .banner")).to_contain_text("Keep this page open")
    with shopper.page.expect_event("dialog") as asked:
        shopper.page.close(run_before_unload=True)
    asked.value.dismiss()
    shopper.page.context.set_offline(False)

    assert asked.value.type == "beforeunload"
    expect(lines(agent.log, "Mute")).to_have_text(["Mute zero", "Mute one"], timeout=A_WHILE)


def test_what_nobody_came_back_for_goes_in_its_time_whosever_it_was(site: Site, browse: OpenContext) -> None:
    shopper = on_the_page(site, browse)
    shopper.agree()
    shopper.say("Broom")
    expect(shopper.log).to_contain_text("Sent")
    shopper.page.evaluate(OF_ANOTHER, {"entry old": 31, "entry young": 29, "said old": 4, "said young": 2})

    shopper.page.reload()
    expect(shopper.log).to_contain_text("Broom")

    names = {name for name in shopper.page.evaluate(NAMES) if " " in name}
    assert names == {"entry young", "said young"}
