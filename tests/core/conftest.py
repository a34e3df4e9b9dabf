"""A core of one's own: real databases, a real vault, letters kept."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from core import mail, policy
from core.database import Database
from core.hub import LocalHub
from core.identity import models
from core.limits import Limits
from core.services import Core
from core.settings import Settings
from core.vault.keystore import Vault

assert models
assert mail  # imported before the `database` fixture makes the tables of everything that is known


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A development machine without a mail relay, so letters are kept."""
    return Settings(data=tmp_path, public_url="http://localhost:8000")


@pytest_asyncio.fixture
async def core(settings: Settings, database: Database) -> AsyncIterator[Core]:
    """Everything `core/` offers, on files in the test's own folder; a test marked `both_engines` runs on each."""
    vault = Vault.open(settings)
    limits = Limits.open(settings)
    yield Core(settings, database, vault, policy.load(settings.policy), LocalHub(), limits)
    await limits.close()
    vault.close()
