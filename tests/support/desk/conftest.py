"""A core with every table, for the staff doors."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from core import policy
from core.database import Database
from core.hub import LocalHub
from core.limits import Limits
from core.services import Core
from core.settings import Settings
from core.vault.keystore import Vault
from support import tables

assert tables, "every table is made below"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A development machine."""
    return Settings(data=tmp_path / "var", public_url="http://localhost:8000")


@pytest_asyncio.fixture
async def core(settings: Settings, database: Database) -> AsyncIterator[Core]:
    """Everything `core/` offers."""
    settings.data.mkdir(parents=True)
    vault = Vault.open(settings)
    limits = Limits.open(settings)
    yield Core(settings, database, vault, policy.load(settings.policy), LocalHub(), limits)
    await limits.close()
    vault.close()
