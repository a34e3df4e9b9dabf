"""A vault on real files, and the things that a test does to them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.settings import Settings
from core.vault import Vault

Open = Callable[[], Vault]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A shop whose keys lie apart from its data, as an operator should keep them."""
    return Settings(data=tmp_path / "var", keys=f"file:{tmp_path / 'keys' / 'kek.d'}")


@pytest.fixture
def open_vault(settings: Settings) -> Iterator[Open]:
    """Open the vault of `settings` afresh; the one before is closed first."""
    with ExitStack() as stack:

        def reopen() -> Vault:
            stack.close()
            vault = Vault.open(settings)
            stack.callback(vault.close)
            return vault

        yield reopen


@pytest.fixture
def vault(open_vault: Open) -> Vault:
    """A vault on its first run."""
    return open_vault()
