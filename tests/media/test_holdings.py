"""What media keeps can be copied for its owner and erased with its files."""

from pathlib import Path

import pytest

from core.clock import DAY
from core.holdings import CopyFile, Copying, Ref
from core.refusals import NotFound
from media import holdings
from tests.media.conftest import NOW, SHOPPER, Room

AGENT = "staff:" + "e" * 32


@pytest.mark.clause("5(1)1")
async def test_a_copy_holds_her_originals_and_what_others_sent_as_it_was_shown(room: Room, uploads: Path) -> None:
    photo = (uploads / "exif/jpg/gps/DSCN0012.jpg").read_bytes()
    core, holding = room.media.core, holdings.holding(room.media)
    hers = await room.send(photo)
    theirs = await room.send(photo, uploader=AGENT, owner=SHOPPER)
    for row in (hers, theirs):
        await core.database.write(room.media.claim, row.id, scope=room.scope, uploader=row.uploader, now=NOW)

    parts = await core.database.read(
        lambda tx: list(holding.export(Copying(tx, core.vault, core.policy, SHOPPER, "en")))
    )

    copied = {}
    for part in parts:
        assert isinstance(part, CopyFile)
        copied[part.name] = b"".join([piece async for piece in part.open()])
    assert copied[f"{hers.id}.jpg"] == photo
    assert copied[f"{theirs.id}.jpg"] == await room.plain(theirs, "view")


async def test_erasing_takes_files_and_rows_and_may_be_repeated(room: Room, uploads: Path) -> None:
    row = await room.send((uploads / "pillow/hopper.jpg").read_bytes())
    core, holding = room.media.core, holdings.holding(room.media)
    refs = await core.database.read(holding.within, [room.scope])

    for _ in range(2):
        await core.database.write(holding.hide, refs, now=NOW)
        await holding.remove_files(await core.database.read(holding.files, refs))
        await core.database.write(holding.erase, refs, now=NOW)

    assert refs == [Ref("attachment", row.id)]
    assert [path for path in (core.settings.data / "media").rglob("*") if path.is_file()] == []
    assert await core.database.read(holding.live) == 0


@pytest.mark.both_engines
async def test_a_claim_by_an_earlier_clock_does_not_bring_a_hidden_picture_back(room: Room, uploads: Path) -> None:
    row = await room.send((uploads / "pillow/hopper.jpg").read_bytes())
    core, holding = room.media.core, holdings.holding(room.media)
    await core.database.write(holding.hide, [Ref("attachment", row.id)], now=NOW)

    with pytest.raises(NotFound):
        await core.database.write(room.media.claim, row.id, scope=room.scope, uploader=SHOPPER, now=NOW - 1)

    assert len(await core.database.read(holding.due, core.policy, now=NOW, limit=10)) == 1


async def test_what_was_sent_falls_due_by_the_policy(room: Room, uploads: Path) -> None:
    row = await room.send((uploads / "pillow/hopper.jpg").read_bytes())
    core, holding = room.media.core, holdings.holding(room.media)
    await core.database.write(room.media.claim, row.id, scope=room.scope, uploader=SHOPPER, now=NOW)
    days = core.policy.days("retention.media_original")

    early = await core.database.read(holding.due, core.policy, now=NOW + days * DAY - 1, limit=10)
    ended = await core.database.read(holding.due, core.policy, now=NOW + days * DAY, limit=10)

    assert early == []
    assert [(due.object.id, due.subject, due.retention_class) for due in ended] == [(row.id, SHOPPER, "media_original")]
