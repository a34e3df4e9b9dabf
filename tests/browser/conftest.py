"""A real browser against a real server, under the site's own strict policy, and all that it complains about."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.conftest import ROOT
from tests.site import Site

CHROMIUM = "/usr/bin/chromium"
PATIENCE_MS = 15_000  # what takes longer has not happened, on however busy a machine
AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
BROKEN_NETWORK = ("Failed to load resource", "WebSocket connection to", "ERR_INTERNET_DISCONNECTED")
COLLECT_VIOLATIONS = """
window.__violations = [];
document.addEventListener('securitypolicyviolation', (event) => {
  window.__violations.push(event.violatedDirective + ' ' + event.blockedURI);
});
"""


@dataclass
class Watched:
    """A browser context and everything that went wrong in its pages."""

    context: BrowserContext
    complaints: list[str] = field(default_factory=list)

    def page(self) -> Page:
        """A new page whose console errors, faults and policy violations are collected."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.on("console", lambda line: self._note(line.type, line.text))
        return page

    def _note(self, kind: str, text: str) -> None:
        if kind == "error" and not any(words in text for words in BROKEN_NETWORK):
            self.complaints.append(f"console: {text}")


expect.set_options(timeout=PATIENCE_MS)

OpenContext = Callable[..., Watched]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The demo shop, served for all browser tests."""
    site = Site(tmp_path_factory.mktemp("site"))
    site.start()
    yield site
    site.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One Chromium for all browser tests."""
    assert Path(CHROMIUM).exists(), "Chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def browse(chromium: Browser) -> Iterator[OpenContext]:
    """Open fresh browser contexts; at the end of the test none of their pages may have complained."""
    opened: list[Watched] = []

    def open_context(**options: object) -> Watched:
        options.setdefault("locale", "en-GB")
        context = chromium.new_context(**options)  # type: ignore[arg-type]  # playwright's own keywords
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(COLLECT_VIOLATIONS)
        watched = Watched(context)
        opened.append(watched)
        return watched

    yield open_context
    complaints = [complaint for watched in opened for complaint in watched.complaints]
    for watched in opened:
        for page in watched.context.pages:
            complaints += policy_violations(page)
        watched.context.close()
    assert complaints == []


def policy_violations(page: Page) -> list[str]:
    """Which rules of the content security policy this page broke."""
    found = page.evaluate("window.__violations || []")
    return [str(violation) for violation in found]


def axe_findings(page: Page) -> list[str]:
    """What axe-core finds on the page as it is now; one line for each finding and place."""
    page.evaluate(AXE.read_text())
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['target']} {node.get('failureSummary', '')}"
        for violation in result["violations"]
        for node in violation["nodes"]
    ]


def scrolls_sideways(page: Page) -> bool:
    """Whether the page is wider than its window."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
