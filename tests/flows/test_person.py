"""One person's way through the house, from hello to being forgotten, with nothing of hers readable on disk."""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.replay.client import Client
from support.replay.doors import Admission, take
from tests.agents import signed_in
from tests.browserless import Browserless
from tests.site import Site

EMAIL = "emma.novak@example.com"
SECRET = "the heron cup with the blue rim broke on Tuesday"
NOTE = "this customer sounds tired of waiting"
FILE_NAME = "grandmothers-kitchen.jpg"
PHOTO = "uploads/exif/jpg/gps/DSCN0012.jpg"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    started = Site(tmp_path, message_rate="100", message_burst="100")
    started.start()
    yield started
    started.stop()


@pytest.fixture
def emma(site: Site) -> Iterator[Browserless]:
    browser = Browserless(site.url)
    yield browser
    browser.close()


def readable(site: Site, *canaries: str) -> list[str]:
    """Which of the words stand in the clear in any file that the site wrote."""
    found = []
    for path in site.files():
        content = path.read_bytes()
        found += [f"{word!r} in {path.name}" for word in canaries if word.encode() in content]
    return found


async def talk(site: Site, emma: Browserless, shared_data: Path) -> tuple[str, dict[str, object]]:
    """She proves her address, links an order, writes, sends a picture; an agent answers and writes a note."""
    agent = (await signed_in(site))[0]
    conversation = emma.start()
    code = emma.ask_for_code(EMAIL)
    assert emma.prove(code, conversation).status_code == 200
    facts = emma.upload(conversation, (shared_data / PHOTO).read_bytes(), FILE_NAME).json()
    me = emma.send("GET", "/shopper/orders").json()["orders"]
    linked = emma.send("POST", f"/shopper/conversations/{conversation}/order", json={"order": me[0]["id"]})
    assert linked.status_code == 200, linked.text
    shopper = Admission("shopper", emma.cookies, emma.csrf, "")
    async with Client(site.url, shopper) as hers, Client(site.url, agent) as theirs:
        await hers.watch(conversation)
        await hers.send(conversation, SECRET)
        await hers.show(conversation, str(facts["id"]))
        await take(site.url, agent, conversation)
        await theirs.watch(conversation)
        await theirs.send(conversation, "We send you a new one.")
        await theirs.send(conversation, NOTE, kind="note")
    assert readable(site, code, SECRET, NOTE, EMAIL, FILE_NAME, "Novak", "Harbour Lane") == []
    return conversation, facts


@pytest.mark.clause("5(1)2", "5(1)3", "3(1)")
async def test_she_gets_a_copy_that_proves_itself_and_is_then_forgotten(
    site: Site, emma: Browserless, shared_data: Path, tmp_path: Path
) -> None:
    conversation, facts = await talk(site, emma, shared_data)

    made = site.run("copy", EMAIL, "--out", str(tmp_path))
    assert made.returncode == 0, made.stderr
    archive = next(tmp_path.glob("*.zip"))
    text = b"".join(read_all(archive).values())
    assert SECRET.encode() in text
    assert NOTE.encode() not in text
    assert any(name.startswith("media/") for name in read_all(archive))
    assert site.run("copy", "verify", str(archive)).returncode == 0
    for tamper in (changed, shortened, extended):
        broken = tamper(archive, tmp_path / "broken.zip")
        refused = site.run("copy", "verify", str(broken))
        assert refused.returncode == 3, refused.stdout

    planned = site.run("rights", "erase", EMAIL, "--plan")
    assert planned.returncode == 0
    assert emma.send("GET", f"/chat/conversations/{conversation}/events").status_code == 200

    erased = site.run("rights", "erase", EMAIL)

    assert erased.returncode == 0, erased.stdout + erased.stderr
    assert emma.send("GET", f"/chat/conversations/{conversation}/events").status_code in {401, 404}
    assert emma.send("GET", f"/media/{facts['id']}/view").status_code in {401, 404}
    assert site.run("ledger", "verify").returncode == 0
    assert [path for path in (site.data / "media").rglob("*") if path.is_file()] == []
    assert readable(site, SECRET, NOTE, EMAIL, FILE_NAME, "Novak", "Harbour Lane") == []


def read_all(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def rewritten(archive: Path, target: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(target, "w") as out:
        for name, content in entries.items():
            out.writestr(name, content)
    assert archive.exists()
    return target


def changed(archive: Path, target: Path) -> Path:
    entries = read_all(archive)
    name = next(name for name, content in entries.items() if b"heron" in content)
    return rewritten(archive, target, entries | {name: entries[name].replace(b"heron", b"raven")})


def shortened(archive: Path, target: Path) -> Path:
    entries = read_all(archive)
    del entries[next(name for name in entries if name.startswith("media/"))]
    return rewritten(archive, target, entries)


def extended(archive: Path, target: Path) -> Path:
    shutil.copy(archive, target)
    with zipfile.ZipFile(target, "a") as out:
        out.writestr("media/extra.jpg", b"not hers")
    return target
