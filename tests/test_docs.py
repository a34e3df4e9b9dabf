"""The documentation says what is so."""

import re

from core.settings import Settings
from tests.conftest import ROOT


def test_every_setting_is_explained_and_every_explained_setting_exists() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    explained = set(re.findall(r"^\| `(AFTERCARE_[A-Z_]+|PORT)` \|", page, re.MULTILINE))

    known = {"PORT" if name == "port" else f"AFTERCARE_{name.upper()}" for name in Settings.model_fields}

    assert explained == known


def test_every_command_of_the_menu_is_named_in_the_readme() -> None:
    menu = re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)

    readme = (ROOT / "README.md").read_text()

    assert {"run", "test", "check", "bench"} <= set(menu)
    assert [command for command in ("run", "test") if f"make {command}" not in readme] == []


def test_every_link_between_pages_leads_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)} -> {target}"
        for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
        if not (page.parent / target).exists()
    ]

    assert broken == []
