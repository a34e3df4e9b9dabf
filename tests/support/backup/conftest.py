"""An installation on real files that can be opened, closed, backed up and put back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import SQLModel

from core import clock
from core.report import Collected
from core.settings import Settings
from support.backup import making, restoring
from support.backup.manifest import Manifest
from support.backup.restoring import Restored
from support.house import House


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Data and keys in folders of their own, as an operator is told to keep them."""
    return Settings(data=tmp_path / "var", keys=f"file:{tmp_path / 'keys' / 'kek.d'}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the back-up goes."""
    return tmp_path / "backups" / "monday"


async def backed_up(house: House, folder: Path) -> Manifest:
    """A back-up of this house."""
    return await making.make(house.core, house.media.blobs, folder, Collected(), now=clock.now())


async def restored(settings: Settings, folder: Path) -> Restored:
    """Put it back, as the command does."""
    return await restoring.restore(settings, folder, Collected(), now=clock.now())


def rows(house: House, table: str) -> list[Mapping[str, Any]]:  # Any: column values
    """Everything in a table."""
    found = SQLModel.metadata.tables[table]
    return house.core.database.read_now(lambda tx: [dict(row) for row in tx.execute(select(found)).mappings()])


def readable(folder: Path, *words: str) -> list[str]:
    """Which of the words stand in the clear in any file below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [f"{word} in {path.name}" for path in files for word in words if word.encode() in path.read_bytes()]
