"""The services of `core/` on a real database and a real keystore."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core import policy
from core.database import Database
from core.hub import LocalHub
from core.limits import Limits
from core.services import Core
from core.settings import Settings
from core.vault.keystore import Vault


@pytest.fixture
def core(tmp_path: Path, database: Database) -> Iterator[Core]:
    settings = Settings(data=tmp_path / "var")
    settings.data.mkdir()
    vault = Vault.open(settings)
    yield Core(settings, database, vault, policy.load(settings.policy), LocalHub(), Limits.open(settings))
    vault.close()
