"""Takes the pictures of README and of the main pages, in both themes and languages, for people to look at.

`python -m tests.browser.screenshots [FOLDER]`; the default folder is `var/screenshots`.
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.browser.people import Shopper, Staff
from tests.conftest import ROOT
from tests.site import Site

LOOKS = [("en", "light"), ("en", "dark"), ("zh-Hant", "light")]
PUBLIC = {"shop": "/demo/shop", "notice": "/chat", "sign-in": "/desk/sign-in", "policy": "/policy"}
COLOURS = 64


def take(folder: Path) -> None:
    """Serve a demo shop, walk through it, and leave the pictures in `folder` and in docs/."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        site = Site(Path(place))
        site.start()
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for lang, scheme in LOOKS:
            for name, path in PUBLIC.items():
                page = open_page(browser, "1440x900", scheme)
                page.goto(f"{site.url}{path}?lang={lang}")
                page.screenshot(path=folder / f"{name}-{lang}-{scheme}.png")
        take_chat(site, browser, folder)
        take_console(site, browser, folder)
        browser.close()
        site.stop()


def take_chat(site: Site, browser: Browser, folder: Path) -> None:
    page = open_page(browser, "390x844", "light")
    page.goto(f"{site.url}/chat")
    shopper = Shopper(site, page, page)
    shopper.agree()
    shopper.say("Good morning! My teapot has arrived, thank you.")
    expect(shopper.log).to_contain_text("Good morning")
    for lang, scheme in LOOKS:
        page.goto(f"{site.url}/chat?lang={lang}")
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        expect(shopper.log).to_contain_text("Good morning")
        page.screenshot(path=folder / f"chat-{lang}-{scheme}.png")


def take_console(site: Site, browser: Browser, folder: Path) -> None:
    page = open_page(browser, "1440x900", "light")
    Staff(site, page).sign_in("mei", open_page(browser, "1440x900", "light"))
    page.wait_for_url(lambda url: "sign-in" not in url)
    for lang, scheme in LOOKS:
        page.goto(f"{site.url}/desk?lang={lang}")
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        page.locator(".inbox a").first.click()
        expect(page.get_by_role("complementary")).to_contain_text("ML-")
        page.screenshot(path=folder / f"console-{lang}-{scheme}.png")
    with Image.open(folder / "console-en-light.png") as picture:
        picture.convert("RGB").quantize(COLOURS).save(ROOT / "docs" / "console.png", optimize=True)


def open_page(browser: Browser, size: str, scheme: str) -> Page:
    """A page of its own, so many pixels wide and high."""
    width, height = (int(part) for part in size.split("x"))
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    return page


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "var" / "screenshots")
