"""A copy lies sealed under a key of its own, is given out a few times to its owner, and then is gone."""

import json
import zipfile
from pathlib import Path

import pytest

from core import clock, ledger
from core.database import Transaction
from core.identity.callers import Caller
from core.refusals import Conflict, NotFound
from core.report import Collected
from core.settings import Settings
from core.vault.refusals import ContentUnavailable, KeyGone
from media import sweeping
from support.house import House
from support.mydata import archives
from support.mydata.models import CopyArchive
from support.privacy import commands, retention, verifying
from tests.support.mydata.conftest import work
from tests.support.privacy.conftest import CANARY, Shopper, shopper


async def a_copy(house: House, whose: Shopper) -> CopyArchive:
    """Asked for and made."""
    asked = await archives.ask(house.core, whose.caller, "en", now=clock.now())
    await work(house)
    (row,) = await house.core.database.read(kept, whose.caller.ref)
    assert row.id == asked.id
    return row


def kept(tx: Transaction, subject: str) -> list[CopyArchive]:
    rows = list(archives.of(tx, subject, now=clock.now()))
    for row in rows:
        tx.session.expunge(row)
    return rows


async def fetched(house: House, whose: Caller, row: CopyArchive, target: Path) -> Path:
    download = await archives.fetch(house.media, whose, row.id, now=clock.now())
    target.write_bytes(b"".join([piece async for piece in download.pieces]))
    assert target.stat().st_size == download.size
    return target


def entries(tx: Transaction) -> list[str]:
    return [f"{row.action} {row.result}" for row in tx.execute(ledger.ENTRY.select())]


@pytest.mark.clause("5(1)2")
async def test_a_copy_is_made_by_a_job_and_is_whole_and_signed(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())

    row = await a_copy(house, ann)
    file = await fetched(house, ann.caller, row, tmp_path / "ann.zip")

    found = verifying.verify(file, lambda message, signed: house.core.vault.verify("export", message, signed))
    assert found.subject == ann.caller.ref
    with zipfile.ZipFile(file) as archive:
        assert CANARY in archive.read("index.html").decode()
    assert {"copy.ask ok", "copy.make ok", "copy.fetch left-2"} <= set(await house.core.database.read(entries))


@pytest.mark.clause("3(1)")
async def test_nothing_of_a_copy_lies_in_the_clear(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())

    row = await a_copy(house, ann)

    lying = [path for path in (tmp_path / "var").rglob("*") if path.is_file()]
    assert any(row.blob in path.name for path in lying)
    for path in lying:
        content = path.read_bytes()
        assert CANARY.encode() not in content, path.name
        assert b"manifest.json" not in content, path.name
        assert b"PK\x03\x04" not in content, path.name


@pytest.mark.clause("5(1)2")
async def test_a_copy_is_given_out_three_times_and_then_is_gone(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    row = await a_copy(house, ann)

    for _ in range(house.core.policy.number("copy_downloads")):
        await fetched(house, ann.caller, row, tmp_path / "ann.zip")

    with pytest.raises(NotFound):
        await archives.fetch(house.media, ann.caller, row.id, now=clock.now())
    await retention.run(house.core, house.holdings, Collected(), now=clock.now() + archives.LAST_DOWNLOAD_MS)
    with pytest.raises(NotFound):
        await house.media.blobs.size(row.blob)
    with pytest.raises(KeyGone):
        house.core.vault.key(row.dek_id, scope=row.id, owner=row.subject)


@pytest.mark.clause("5(1)2")
async def test_a_copy_is_gone_when_its_days_are_over(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    row = await a_copy(house, ann)
    over = row.created_ms + house.core.policy.days("retention.export_file") * clock.DAY

    with pytest.raises(NotFound):
        await archives.fetch(house.media, ann.caller, row.id, now=over)
    await retention.run(house.core, house.holdings, Collected(), now=over)

    with pytest.raises(NotFound):
        await house.media.blobs.size(row.blob)
    assert await house.core.database.read(kept, ann.caller.ref) == []


@pytest.mark.clause("5(1)2")
async def test_a_copy_is_its_owners_alone(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    bea = await shopper(house, "bea@example.com", now=clock.now())
    row = await a_copy(house, ann)

    with pytest.raises(NotFound):
        await archives.fetch(house.media, bea.caller, row.id, now=clock.now())

    assert (await archives.fetch(house.media, ann.caller, row.id, now=clock.now())).left == 2


@pytest.mark.clause("5(1)2")
async def test_a_second_copy_waits_until_the_first_is_over(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    await a_copy(house, ann)

    with pytest.raises(Conflict) as refused:
        await archives.ask(house.core, ann.caller, "en", now=clock.now())

    assert refused.value.code == "copy_there"


@pytest.mark.clause("5(1)2")
async def test_the_sweep_of_orphans_leaves_copies_alone(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    row = await a_copy(house, ann)
    later = clock.now() + 2 * sweeping.ORPHAN_AGE_MS

    swept = await sweeping.sweep(house.media, others=[archives.named], now=later)

    assert swept.orphans == 0
    assert await house.media.blobs.size(row.blob) > row.size


@pytest.mark.clause("5(1)2")
async def test_a_job_that_is_repeated_begins_the_file_again(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    asked = await archives.ask(house.core, ann.caller, "en", now=clock.now())

    async def half() -> object:
        yield b"half a file"

    await house.media.blobs.create(asked.blob, half())  # type: ignore[arg-type]  # what a crash left
    await work(house)

    (row,) = await house.core.database.read(kept, ann.caller.ref)
    await fetched(house, ann.caller, row, tmp_path / "ann.zip")
    assert zipfile.is_zipfile(tmp_path / "ann.zip")


@pytest.mark.clause("5(1)3")
async def test_a_copy_goes_with_its_person(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    row = await a_copy(house, ann)

    await commands.erase(house.core, house.holdings, Collected(), who="ann@example.com")

    with pytest.raises(NotFound):
        await house.media.blobs.size(row.blob)
    assert await house.core.database.read(kept, ann.caller.ref) == []


@pytest.mark.clause("5(1)2")
async def test_a_copy_that_was_tampered_with_is_not_given_out(house: House) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    row = await a_copy(house, ann)
    path = next(path for path in Settings(data=house.core.settings.data).data.rglob(row.blob))
    spoiled = bytearray(path.read_bytes())
    spoiled[200] ^= 1
    path.write_bytes(spoiled)

    download = await archives.fetch(house.media, ann.caller, row.id, now=clock.now())

    with pytest.raises(ContentUnavailable):
        [piece async for piece in download.pieces]


@pytest.mark.clause("5(1)2")
async def test_the_copy_says_what_it_leaves_out_who_looked_and_why_we_keep_it(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    row = await a_copy(house, ann)

    with zipfile.ZipFile(await fetched(house, ann.caller, row, tmp_path / "ann.zip")) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        pages = {name: archive.read(name).decode() for name in archive.namelist() if name.endswith(".html")}

    omitted = {each["what"]: each["count"] for each in manifest["omitted"]}
    assert omitted == {"internal_notes": 1, "copies": 1}
    assert {"role": "agent", "act": "customer.view", "count": 1} in manifest["readings"]
    assert manifest["purposes"]["P2_CONTRACT_AFTERSALES"] == "1(2)"
    assert manifest["retention"]["service_chat"]["days"] == house.core.policy.days("retention.service_chat")
    assert manifest["disclosures"] == 0
    assert set(pages) == {"index.html", "index.zh-Hant.html"}
    assert '<html lang="zh-Hant">' in pages["index.zh-Hant.html"]
    for page in pages.values():
        assert "<script" not in page
        assert 'src="http' not in page
        assert f"media/{ann.attachment}" in page
