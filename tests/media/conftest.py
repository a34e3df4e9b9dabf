"""A media room on a real vault, a real database and real files."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from core import ids
from core.services import Core
from core.vault.keys import DataKey
from media.blobs import LocalBlobs
from media.intake import Allowance
from media.models import Attachment
from media.uploads import Media

NOW = 1_790_000_000_000
SHOPPER = "person:" + "a" * 32


@dataclass
class Room:
    """Media, and one shopper's conversation with its key."""

    media: Media
    key: DataKey
    scope: str

    async def send(self, content: bytes, **said: object) -> Attachment:
        """Upload `content` in pieces of 10,000 bytes; anything said about it may be replaced."""
        about: dict[str, object] = {
            "upload_id": ids.new(), "scope": self.scope, "key": self.key, "uploader": SHOPPER,
            "declared_name": "photo.jpg", "declared_size": len(content), "now": NOW,
        } | said  # fmt: skip
        return await self.media.receive(pieces(content), **about)  # type: ignore[arg-type]  # a test's freedom

    async def plain(self, row: Attachment, variant: str) -> bytes:
        """The whole of one of its files, opened."""
        total = self.media.record(row, self.key).size_of(variant)
        return b"".join([piece async for piece in self.media.plain(row, self.key, variant, total)])


async def pieces(content: bytes, size: int = 10_000) -> AsyncGenerator[bytes, None]:
    """The content as a network would bring it."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.fixture
def uploads(shared_data: Path) -> Path:
    """Real and hostile pictures."""
    return shared_data / "uploads"


Make = Callable[..., Media]


@pytest.fixture
def make(core: Core) -> Make:
    """Build a media room with other allowances."""

    def build(**allowance: float) -> Media:
        return Media(core, LocalBlobs.open(core.settings), allowance=Allowance(**allowance))  # type: ignore[arg-type]

    return build


@pytest.fixture
async def room(core: Core, make: Make) -> Room:
    """One shopper, one conversation."""
    scope = ids.new()
    return Room(make(), await core.vault.create(scope, SHOPPER), scope)
