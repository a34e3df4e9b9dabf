"""A shop whose policy lies in a folder of its own, published, and a next version that can be written beside it."""

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core import clock
from core.clock import DAY
from core.services import Core
from core.settings import ROOT, Settings
from support.policy import versions

FIRST = "2023-10-11"
NEXT = "2027-01-01"
NARROW = ("Please read it, and agree before you use", "Please read it with care, and agree before you use")
LONGER = ('since = "close"\ndays = 365', 'since = "close"\ndays = 400')
NewVersion = Callable[..., Path]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A shop with a policy folder of its own."""
    folder = tmp_path / "policy"
    folder.mkdir()
    shutil.copy(ROOT / "policy" / f"{FIRST}.toml", folder)
    return Settings(data=tmp_path / "var", public_url="http://localhost:8000", policy=folder / f"{FIRST}.toml")


@pytest.fixture
def shop(core: Core) -> Core:
    """The shop with its first version published."""
    core.policy = versions.settle(core.database, core.settings, now=clock.now())
    return core


def day_in(days: int) -> datetime.date:
    """The day so many days from now."""
    return datetime.datetime.fromtimestamp((clock.now() + days * DAY) / 1000, datetime.UTC).date()


@pytest.fixture
def new_version(settings: Settings) -> NewVersion:
    """Write the next version: the first one with another name, another day and one change."""

    def write(change: tuple[str, str] = NARROW, *, days: int = 30, version: str = NEXT) -> Path:
        text = settings.policy.read_text()
        assert change[0] in text
        text = text.replace(*change, 1).replace(f'version = "{FIRST}"', f'version = "{version}"', 1)
        text = text.replace(f"effective = {FIRST}", f"effective = {day_in(days).isoformat()}", 1)
        path = settings.policy.parent / f"{version}.toml"
        path.write_text(text)
        return path

    return write
