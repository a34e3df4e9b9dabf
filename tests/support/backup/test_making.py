"""A back-up is one moment of the data with every file it names, signed, sealed, and made while people write."""

import asyncio
import os
import stat
import uuid
from pathlib import Path

import pytest
from sqlalchemy import func, select

from chat.log import Draft
from chat.statements import CONVERSATION, EVENT
from core import clock, generation
from core.engines import open_copy
from core.refusals import Conflict, Invalid, Refusal
from core.report import Collected
from core.settings import Settings
from support.backup import keys, making, manifest, places
from support.backup.manifest import DATA, MANIFEST, SIGNATURE
from support.house import opened
from tests.support.backup.conftest import backed_up, readable
from tests.support.privacy.conftest import CANARY, NOW, conversation_of, said, shopper, visitor
from tests.support.privacy.test_retention import entries


@pytest.mark.clause("3(1)", "5(1)3")
async def test_it_holds_every_file_and_nothing_readable_and_no_key(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        await shopper(house, "ann@example.com")

        made = await backed_up(house, folder)

        read = manifest.read(folder, house.core.vault, tenant="shop")
        assert entries(house)[-1][0] == "backup.make"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert read == made
    assert {entry.name for entry in made.entries} | {MANIFEST, SIGNATURE} == {
        path.relative_to(folder).as_posix() for path in files
    }
    assert (made.counts["conversation"], made.counts["attachment"], len(made.blobs)) == (1, 1, 3)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert readable(folder, CANARY, "ann@example.com", "王小明", "kitchen.png") == []
    assert not any(places.is_keys(path) for path in files)
    assert not list(folder.parent.glob(".*"))


async def test_while_people_write_it_is_one_moment_and_loses_nobody(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        guests = [visitor() for _ in range(4)]
        chats = [await conversation_of(house, guest, "hello") for guest in guests]

        async def write_on(number: int) -> int:
            written = 0
            while not folder.exists():
                text = {"text": f"line {written}"}
                draft = Draft(chats[number].id, guests[number], str(uuid.uuid4()), "message", text)
                await said(house, [draft], now=NOW)
                written += 1
            return written

        written, _ = await asyncio.wait_for(
            asyncio.gather(asyncio.gather(*map(write_on, range(4))), backed_up(house, folder)), 60
        )
        live = house.core.database.read_now(
            lambda tx: int(tx.execute(select(func.count()).select_from(EVENT)).scalar_one())
        )

    with open_copy(folder / DATA).connect() as copy:
        numbers = copy.execute(
            select(CONVERSATION.c.last_seq, func.count(EVENT.c.seq), func.max(EVENT.c.seq))
            .join(EVENT, EVENT.c.conversation_id == CONVERSATION.c.id)
            .group_by(CONVERSATION.c.id)
        ).all()
    assert min(written) > 0
    assert live == 8 + sum(written)
    assert len(numbers) == 4
    assert all(last == held == newest for last, held, newest in numbers)


async def test_a_copy_of_the_data_is_behind_from_then_on(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        made = await backed_up(house, folder)
        anchor = await house.core.vault.anchor()
        now_there = await house.core.database.read(generation.number)

    assert made.generation < anchor.number == now_there


async def test_one_that_was_stopped_is_taken_up_again(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(settings) as house:
        await shopper(house, "ann@example.com")

        def stop(*_: object) -> None:
            raise OSError("pulled out")

        with monkeypatch.context() as patch:
            patch.setattr(making, "_publish", stop)
            with pytest.raises(OSError, match="pulled out"):
                await backed_up(house, folder)
        half = folder.with_name(f".{folder.name}.part")
        brought = {path.name: path.stat().st_ino for path in half.rglob("*") if path.parent.parent.name == "media"}
        (half / "media" / "00").mkdir(exist_ok=True)
        (half / "media" / "00" / ("0" * 32)).write_bytes(b"of an earlier attempt")
        assert not folder.exists()

        made = await backed_up(house, folder)

    kept = {path.name: path.stat().st_ino for path in folder.rglob("*") if path.parent.parent.name == "media"}
    assert kept == brought
    assert len(made.blobs) == 3
    assert not half.exists()


async def test_what_is_there_already_is_not_overwritten(settings: Settings, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "mine").write_text("keep")
    async with opened(settings) as house:
        with pytest.raises(Conflict, match="there_already"):
            await backed_up(house, folder)

    assert [path.name for path in folder.iterdir()] == ["mine"]


async def test_with_postgres_it_names_the_tool_to_use(settings: Settings, folder: Path, postgres_url: str) -> None:
    elsewhere = settings.model_copy(update={"database_url": postgres_url})

    with pytest.raises(Conflict) as refused:
        places.refuse_postgres(elsewhere)

    assert "pg_dump" in refused.value.sentence
    assert "pg_restore" in refused.value.sentence


@pytest.mark.parametrize("name", [DATA, MANIFEST, SIGNATURE])
async def test_a_changed_byte_is_found(settings: Settings, folder: Path, name: str) -> None:
    async with opened(settings) as house:
        await backed_up(house, folder)
        content = bytearray((folder / name).read_bytes())
        content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)

        def check() -> None:
            read = manifest.read(folder, house.core.vault, tenant="shop")
            for entry in read.entries:
                manifest.refuse_changed(folder, entry)

        with pytest.raises(Invalid, match="backup"):
            check()


# ------------------------------------------------------------ the keystore's own copies


@pytest.mark.clause("5(1)3")
async def test_a_copy_of_the_keystore_is_private_marked_and_opens(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "ring" / "monday.keys"
    async with opened(settings) as house:
        ann = await shopper(house, "ann@example.com")

        await keys.copy(house.core, file, now=clock.now())

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert places.is_keys(file)
    file.replace(settings.data / "keys.db")
    async with opened(settings) as house:
        house.core.vault.key(ann.conversation.dek_id, scope=ann.conversation.id, owner=ann.caller.ref)


@pytest.mark.clause("4(1)1", "5(1)3")
async def test_copies_past_their_time_go_and_strangers_stay(settings: Settings, tmp_path: Path) -> None:
    ring = tmp_path / "ring"
    now = clock.now()
    other = Settings(data=tmp_path / "other", keys=f"file:{tmp_path / 'otherkeys' / 'kek.d'}")
    async with opened(other) as house:
        await keys.copy(house.core, ring / "another-shop", now=now - 90 * clock.DAY)
    async with opened(settings) as house:
        days = house.core.policy.days("key_backup")
        await keys.copy(house.core, ring / "too-old", now=now - (days + 1) * clock.DAY)
        await keys.copy(house.core, ring / "young", now=now - (days - 1) * clock.DAY)
        (ring / "notes.txt").write_text("mine")

        gone = await keys.copy(house.core, ring / "today", now=now)

    assert days == 14
    assert [path.name for path in gone] == ["too-old"]
    assert sorted(path.name for path in ring.iterdir()) == ["another-shop", "notes.txt", "today", "young"]


def test_what_cannot_be_read_is_no_copy_of_ours(tmp_path: Path) -> None:
    os.mknod(tmp_path / "a socket of somebody", 0o600 | stat.S_IFSOCK)

    assert not places.is_keys(tmp_path / "a socket of somebody")


@pytest.mark.clause("5(1)3")
async def test_keys_and_data_refuse_each_others_company(settings: Settings, folder: Path, tmp_path: Path) -> None:
    async with opened(settings) as house:
        await backed_up(house, folder)
        for place in (folder / "keys", folder.parent / "keys", settings.data / "keys", settings.data / "a" / "keys"):
            with pytest.raises(Conflict, match="beside_data"):
                await keys.copy(house.core, place, now=clock.now())
        await keys.copy(house.core, tmp_path / "ring" / "keys", now=clock.now())

        with pytest.raises(Refusal, match="beside_keys"):
            await making.make(house.core, house.media.blobs, tmp_path / "ring" / "data", Collected(), now=clock.now())

    assert not list(settings.data.rglob("keys"))
