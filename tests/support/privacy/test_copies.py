"""A copy holds everything of one person, nothing of another, and shows any change."""

import hashlib
import json
import re
import shutil
import struct
import tracemalloc
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chat.log import Draft
from core.report import Collected
from support.house import House
from support.privacy import commands, copies, packing, verifying
from support.privacy.copies import Request
from support.privacy.verifying import Spoiled
from tests.support.privacy.conftest import CANARY, NOW, Shopper, said, shopper


async def copied(house: House, whose: Shopper, target: Path, locale: str = "en") -> Path:
    await copies.write(house.core, house.holdings, Request(whose.caller.ref, locale), target, Collected(), now=NOW + 9)
    return target


def verified(house: House, file: Path) -> verifying.Verified:
    return verifying.verify(file, lambda message, signed: house.core.vault.verify("export", message, signed))


def contents(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.clause("5(1)2")
async def test_the_copy_holds_her_words_her_picture_and_who_looked(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com")

    found = contents(await copied(house, ann, tmp_path / "ann.zip"))

    everything = b"".join(found.values()).decode(errors="replace")
    page = found["index.html"].decode()
    assert CANARY in page
    assert "ann@example.com" in everything
    assert "We look into it." in page
    assert "customer.view" in everything
    (picture,) = [name for name in found if name.startswith("media/")]
    assert found[picture][:3] in (b"\xff\xd8\xff", b"\x89PN", b"RIF")
    assert picture in page
    assert ann.attachment in picture


@pytest.mark.clause("5(1)2")
async def test_the_copy_holds_no_note_no_name_of_staff_and_nobody_else(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com")
    await shopper(house, "bea@example.com", "Apfelstrudel")

    everything = b"".join(contents(await copied(house, ann, tmp_path / "ann.zip")).values()).decode(errors="replace")

    for forbidden in ("internal: difficult", "Benedikta", "bea@example.com", "Apfelstrudel"):
        assert forbidden not in everything


@pytest.mark.clause("5(1)2")
async def test_the_copy_speaks_her_language_and_escapes_her_words(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com", "<script>alert(1)</script>")

    page = contents(await copied(house, ann, tmp_path / "ann.zip", "zh-Hant"))["index.html"].decode()

    assert '<html lang="zh-Hant">' in page
    assert "您的對話" in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.clause("5(1)2")
async def test_the_copy_is_readable_by_its_owner_only_and_overwrites_nothing(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com")
    file = await copied(house, ann, tmp_path / "ann.zip")
    before = file.read_bytes()

    with pytest.raises(FileExistsError):
        await copied(house, ann, file)

    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.clause("5(1)2")
async def test_a_copy_that_fails_leaves_nothing_readable(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await shopper(house, "ann@example.com")
    out = tmp_path / "out"
    out.mkdir()

    def fail(*_: object) -> bytes:
        raise OSError

    monkeypatch.setattr(packing, "signature", fail)
    with pytest.raises(OSError):
        await copied(house, ann, out / "ann.zip")

    assert list(out.iterdir()) == []


@pytest.mark.clause("5(1)2")
async def test_a_whole_copy_verifies(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com")

    found = verified(house, await copied(house, ann, tmp_path / "ann.zip"))

    assert found.subject == ann.caller.ref
    assert found.counts["files"] == 1


Spoil = Callable[[dict[str, bytes]], list[tuple[str, bytes]]]


def changed(name: str) -> Spoil:
    return lambda found: [(each, raw + b" " if each.startswith(name) else raw) for each, raw in found.items()]


def without(name: str) -> Spoil:
    return lambda found: [(each, raw) for each, raw in found.items() if not each.startswith(name)]


def with_more(name: str) -> Spoil:
    return lambda found: [*found.items(), (name, b"more")]


def signed_by_another(found: dict[str, bytes]) -> list[tuple[str, bytes]]:
    stranger = json.loads(found["manifest.sig"]) | {"signature": "00" * 64}
    return [
        *((n, raw) for n, raw in found.items() if n != "manifest.sig"),
        ("manifest.sig", json.dumps(stranger).encode()),
    ]


def signed_again(found: dict[str, bytes]) -> list[tuple[str, bytes]]:
    """The manifest edited to fit a changed page, and signed by a key that is not the shop's."""
    page = found["index.html"] + b" "
    manifest = json.loads(found["manifest.json"])
    (entry,) = [entry for entry in manifest["entries"] if entry["name"] == "index.html"]
    entry |= {"size": len(page), "sha256": hashlib.sha256(page).hexdigest()}
    raw, key = json.dumps(manifest).encode(), Ed25519PrivateKey.generate()
    signed = key.sign(packing.SIGNED + hashlib.sha256(raw).digest())
    signature = json.loads(found["manifest.sig"])
    signature |= {"public_key": key.public_key().public_bytes_raw().hex(), "signature": signed.hex()}
    return [
        *({**found, "index.html": page, "manifest.json": raw, "manifest.sig": json.dumps(signature).encode()}.items())
    ]


@pytest.mark.parametrize(
    ("spoil", "why", "name"),
    [
        (signed_again, "bad_signature", "manifest.sig"),
        (changed("index.html"), "changed", "index.html"),
        (changed("media/"), "changed", "media/"),
        (changed("manifest.json"), "bad_signature", "manifest.sig"),
        (signed_by_another, "bad_signature", "manifest.sig"),
        (without("index.html"), "missing", "index.html"),
        (without("media/"), "missing", "media/"),
        (without("manifest.json"), "missing", "manifest.json"),
        (without("manifest.sig"), "missing", "manifest.sig"),
        (with_more("media/extra.jpg"), "extra", "media/extra.jpg"),
        (with_more("index.html"), "duplicate", "index.html"),
        (with_more("/etc/passwd"), "climbs_out", "/etc/passwd"),
        (with_more("media/../../x"), "climbs_out", "media/../../x"),
        (with_more("media\\..\\x"), "climbs_out", "media\\..\\x"),
        (with_more("C:x"), "climbs_out", "C:x"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.clause("5(1)2")
async def test_a_copy_that_was_touched_is_named_by_its_entry(
    house: House, tmp_path: Path, spoil: Spoil, why: str, name: str
) -> None:
    ann = await shopper(house, "ann@example.com")
    found = contents(await copied(house, ann, tmp_path / "ann.zip"))
    with zipfile.ZipFile(tmp_path / "spoiled.zip", "w") as archive:
        for each, raw in spoil(found):
            archive.writestr(each, raw)

    with pytest.raises(Spoiled) as caught:
        verified(house, tmp_path / "spoiled.zip")

    assert caught.value.why == why
    assert caught.value.name.startswith(name)


@pytest.mark.clause("5(1)2")
async def test_a_flipped_byte_anywhere_in_the_archive_is_noticed(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com")
    whole = (await copied(house, ann, tmp_path / "ann.zip")).read_bytes()
    with zipfile.ZipFile(tmp_path / "ann.zip") as archive:
        headers = [entry.header_offset for entry in archive.infolist()]
    begins = [at + 30 + sum(struct.unpack_from("<HH", whole, at + 26)) for at in headers]  # name and extra field

    for place in begins:
        spoiled = bytearray(whole)
        spoiled[place + 2] ^= 0x41
        (tmp_path / "flipped.zip").write_bytes(spoiled)
        with pytest.raises(Spoiled):
            verified(house, tmp_path / "flipped.zip")


@pytest.mark.clause("5(1)2")
async def test_an_entry_that_swells_is_not_read_to_its_end(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com")
    found = contents(await copied(house, ann, tmp_path / "ann.zip"))
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in found.items():
            archive.writestr(name, bytes(256 * 1024 * 1024) if name == "index.html" else raw)
    tracemalloc.start()

    with pytest.raises(Spoiled) as caught:
        verified(house, bomb)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (caught.value.why, caught.value.name) == ("changed", "index.html")
    assert peak < 16 * 1024 * 1024


@pytest.mark.clause("5(1)2")
async def test_no_entry_of_a_copy_is_a_table_that_a_spreadsheet_would_run(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com", '=HYPERLINK("https://evil.example","x")')

    names = list(contents(await copied(house, ann, tmp_path / "ann.zip")))

    assert {Path(name).suffix for name in names} == {".jsonl", ".html", ".json", ".sig", ".png"}
    assert all(re.fullmatch(r"(media/)?[A-Za-z0-9_.-]+", name) for name in names)


@pytest.mark.parametrize("raw", [b"", b"PK", b"not an archive at all", b"PK\x05\x06" + bytes(18)])
async def test_what_is_no_archive_is_said_to_be_none(house: House, tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x.zip").write_bytes(raw)

    with pytest.raises(Spoiled):
        verified(house, tmp_path / "x.zip")


@pytest.mark.clause("5(1)2")
async def test_the_commands_copy_by_address_and_check_the_result(house: House, tmp_path: Path) -> None:
    await shopper(house, "ann@example.com")
    report = Collected()

    made = await commands.copy(house.core, house.holdings, report, who="ANN@example.com", out=tmp_path)
    (file,) = tmp_path.glob("copy-*.zip")
    whole = await commands.verify(house.core, report, file=file)
    shutil.copy(file, tmp_path / "cut.zip")
    (tmp_path / "cut.zip").write_bytes(file.read_bytes()[:-40])
    cut = await commands.verify(house.core, report, file=tmp_path / "cut.zip")

    assert (made, whole, cut) == (0, 0, 3)
    assert "ann@example.com" not in " ".join(report.lines)


@pytest.mark.clause("5(1)2")
async def test_the_copy_says_what_she_changed_and_took_back(house: House, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com", "Where is it")
    amendments = [
        Draft(ann.conversation.id, ann.caller, str(uuid.uuid4()), "revised", {"of": 2, "text": "Where is my parcel?"}),
        Draft(ann.conversation.id, ann.caller, str(uuid.uuid4()), "retracted", {"of": 3}),
    ]
    await said(house, amendments, now=NOW + 1)

    page = contents(await copied(house, ann, tmp_path / "ann.zip"))["index.html"].decode()

    for words in ("Where is it", "Changed by its sender at", "About line 2", "Where is my parcel?", "About line 3"):
        assert words in page
    assert "Removed by its sender." in page
    assert "A message was removed." in page
    assert f"media/{ann.attachment}" in page
