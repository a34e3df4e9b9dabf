"""A thief with every file of a shop reads nothing; of what was erased no copy opens anything, whichever the keys."""

import base64
import json
import re
import signal
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from chat.models import EventRow
from chat.sealing import open_row
from core.settings import ROOT
from core.vault.epochs import Epochs, Wrapped
from core.vault.keys import DataKey
from core.vault.providers import FileProvider
from core.vault.refusals import KeyGone
from support.replay.client import Client
from support.replay.doors import Admission, take
from tests.agents import signed_in
from tests.browserless import Browserless
from tests.site import Site

EMAIL = "zwetschge.kuchen@example.com"
SECRET = "the quokka cup with the blue rim broke on Tuesday"
NOTE = "this okapi of a customer sounds tired of waiting"
ANSWER = "a tapir will bring you a new one"
FILE_NAME = "grandmothers-axolotl.jpg"
KEPT = "please send the numbat lamp to my office"
PHOTO, CAMERA = "uploads/exif/jpg/gps/DSCN0012.jpg", "COOLPIX P6000"
ORDER = {
    "order_number": "NARWHAL-4711",
    "email": EMAIL,
    "status": "shipped",
    "item": "Pangolin teapot",
    "unit_price": "1280",
    "currency": "TWD",
    "options": "colour=gharial",
    "name": "Aardwolf Dugong",
    "recipient_name": "Kinkajou Serval",
    "recipient_address": "12 Capybara Mews",
    "recipient_phone": "+886955123987",
    "payment_brand": "visa",
    "payment_last4": "9081",
    "carrier": "Bandicoot Post",
    "tracking": "TRK-AYEAYE-77",
}
UNMISTAKABLE = [value for name, value in ORDER.items() if len(value) > 6 and name != "status"]


@dataclass(frozen=True)
class Loot:
    """What a thief carries away: data and media, a keystore, and the key-encryption keys."""

    data: Path
    keystore: Path
    keks: Path

    def keys(self) -> Mapping[int, DataKey]:
        """Every data key that opens, without asking the product whether it may."""
        epochs = Epochs(FileProvider(self.keks, self.data.parent))
        found: dict[int, DataKey] = {}
        with sqlite3.connect(f"file:{self.keystore}?mode=ro&immutable=1", uri=True) as store:
            for row in store.execute("SELECT id, scope, owner, epoch, wrap, kcv FROM dek"):
                wrapped = Wrapped(*row)
                try:
                    found[wrapped.dek_id] = epochs.unwrap(wrapped, wrapped.scope, wrapped.owner)
                except KeyGone:
                    continue
        store.close()
        return found

    def words(self) -> str:
        """All that was said, as far as it opens."""
        keys = self.keys()
        with sqlite3.connect(f"file:{self.data}?mode=ro&immutable=1", uri=True) as data:
            data.row_factory = sqlite3.Row
            found = [EventRow(**dict(row)) for row in data.execute("SELECT * FROM event")]
        data.close()
        opened = [open_row(keys[row.dek_id], "shop", row) for row in found if row.dek_id in keys]
        return json.dumps([[event.name, event.body] for event in opened], ensure_ascii=False)

    def files(self) -> int:
        """How many sealed files name a key that opens."""
        keys = self.keys()
        heads = [path.read_bytes()[4:12] for path in (self.data.parent / "media").rglob("*") if path.is_file()]
        return sum(int.from_bytes(head, "big") in keys for head in heads)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    started = Site(tmp_path, message_rate="100", message_burst="100", keys=f"file:{tmp_path / 'keys' / 'kek.d'}")
    (tmp_path / "tmp").mkdir()
    started.environment["TMPDIR"] = str(tmp_path / "tmp")
    started.start()
    yield started
    started.stop()


@pytest.fixture
def emma(site: Site) -> Iterator[Browserless]:
    browser = Browserless(site.url)
    yield browser
    browser.close()


@pytest.fixture
def guest(site: Site) -> Iterator[Browserless]:
    browser = Browserless(site.url)
    yield browser
    browser.close()


def disguises(word: str) -> set[bytes]:
    """A word as files may hold it: plain, in two bytes a letter, escaped, in base64 at each of its three places."""
    plain = word.encode()
    shifted = {base64.b64encode(b"\0" * n + plain)[4 if n else 0 : -4] for n in range(3)}
    return {plain, word.encode("utf-16-le"), json.dumps(word)[1:-1].encode(), plain.hex().encode(), *shifted}


def found(files: list[Path], *words: str) -> list[str]:
    """Which of the words stand in any of the files, whatever their case."""
    looked_for = {each.lower(): word for word in words for each in disguises(word)}
    hits = []
    for path in files:
        content = path.read_bytes().lower()
        hits += [f"{word!r} in {path.name}" for each, word in looked_for.items() if each in content]
    return hits


def everything(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


@dataclass(frozen=True)
class Life:
    """What happened, and what a thief must not learn of it."""

    conversation: str
    other: str
    canaries: list[str]


async def lived(site: Site, emma: Browserless, guest: Browserless, shared_data: Path, folder: Path) -> Life:
    """Orders come in; she proves her address, writes, shows a picture; an agent answers, notes, looks up her order."""
    rows = folder / "orders.csv"
    rows.write_text(",".join(ORDER) + "\n" + ",".join(ORDER.values()) + "\n")
    assert site.run("orders", "import", str(rows)).returncode == 0
    rows.unlink()
    agent = (await signed_in(site))[0]
    conversation = emma.start()
    code = emma.ask_for_code(EMAIL)
    assert emma.prove(code, conversation).status_code == 200
    picture = (shared_data / PHOTO).read_bytes()
    assert CAMERA.encode() in picture
    facts = emma.upload(conversation, picture, FILE_NAME).json()
    (order,) = emma.send("GET", "/shopper/orders").json()["orders"]
    linked = emma.send("POST", f"/shopper/conversations/{conversation}/order", json={"order": order["id"]})
    assert linked.status_code == 200, linked.text
    other = guest.start()
    async with Client(site.url, Admission("shopper", emma.cookies, emma.csrf, "")) as hers:
        await hers.watch(conversation)
        await hers.send(conversation, SECRET)
        await hers.show(conversation, str(facts["id"]))
    async with Client(site.url, Admission("shopper", guest.cookies, guest.csrf, "")) as his:
        await his.watch(other)
        await his.send(other, KEPT)
    await take(site.url, agent, conversation)
    async with Client(site.url, agent) as theirs:
        await theirs.watch(conversation)
        await theirs.send(conversation, ANSWER)
        await theirs.send(conversation, NOTE, kind="note")
    async with httpx.AsyncClient(base_url=site.url, headers=cookies(agent)) as desk:
        assert "Pangolin" in (await desk.get(f"/desk/conversations/{conversation}/side")).text
    cookie_values = [value for who in (emma.cookies, guest.cookies, agent.cookies) for value in who.values()]
    tokens = [value for value in cookie_values if len(value) > 20]
    words = [SECRET, NOTE, ANSWER, FILE_NAME, KEPT, EMAIL, code, CAMERA, *UNMISTAKABLE, *tokens]
    return Life(conversation, other, words)


def cookies(admission: Admission) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in admission.cookies.items())}


def backed_up(site: Site, folder: Path, name: str) -> None:
    """A back-up of data and media, and one of the keys."""
    for words in (("backup", str(folder / "data" / name)), ("backup", "keys", str(folder / "ring" / f"{name}.keys"))):
        made = site.run(*words)
        assert made.returncode == 0, made.stderr


@pytest.mark.clause("3(1)", "2(4)", "5(1)3")
async def test_whoever_takes_every_file_reads_nothing_and_of_the_erased_nothing_ever_opens(
    site: Site, emma: Browserless, guest: Browserless, shared_data: Path, tmp_path: Path
) -> None:
    life = await lived(site, emma, guest, shared_data, tmp_path)
    copies, kek = tmp_path / "copies", tmp_path / "keys" / "kek.d"
    archive = tmp_path / "handed over"
    archive.mkdir()
    assert site.run("copy", EMAIL, "--out", str(archive)).returncode == 0
    backed_up(site, copies, "monday")
    backed_up(site, copies, "tuesday")
    assert found(everything(site.data, tmp_path / "tmp", tmp_path / "keys", copies), *life.canaries) == []

    before = Loot(copies / "data" / "monday" / "data.db", copies / "ring" / "monday.keys", kek)
    assert SECRET in before.words()
    assert before.files() > 0
    hers = keys_of(before, life.conversation)

    erased = site.run("rights", "erase", EMAIL)
    assert erased.returncode == 0, erased.stderr
    assert SECRET in before.words(), "one copy of the keys of before and the key-encryption key still open it"
    for _ in range(2):
        rotated = site.run("keys", "rotate")
        assert rotated.returncode == 0, rotated.stderr
    backed_up(site, copies, "wednesday")
    assert site.run("keys", "verify").returncode == 0
    site.stop()

    after = everything(site.data, tmp_path / "tmp", tmp_path / "keys", copies)
    assert found([*after, site.log], *life.canaries) == []
    keystores = [site.data / "keys.db", *sorted((copies / "ring").iterdir())]
    combinations = [
        Loot(data, keystore, kek)
        for data in (site.data / "data.db", *(copies / "data" / day / "data.db" for day in ("monday", "tuesday")))
        for keystore in keystores
    ]
    assert len(combinations) == 12
    for loot in combinations:
        words = loot.words()
        assert SECRET not in words
        assert NOTE not in words
        assert not loot.keys().keys() & hers
        assert (KEPT in words) == (loot.keystore.name in {"keys.db", "wednesday.keys"})


def keys_of(loot: Loot, conversation: str) -> set[int]:
    """The ids of every data key of the person whose conversation this is: hers and her conversations'."""
    with sqlite3.connect(f"file:{loot.data}?mode=ro&immutable=1", uri=True) as data:
        ((owner,),) = data.execute("SELECT owner FROM conversation WHERE id = ?", (conversation,))
    data.close()
    with sqlite3.connect(f"file:{loot.keystore}?mode=ro&immutable=1", uri=True) as store:
        found = {row[0] for row in store.execute("SELECT id FROM dek WHERE owner = ?", (owner,))}
    store.close()
    assert len(found) >= 2
    return found


def test_a_process_that_crashes_leaves_no_core_on_the_disk(tmp_path: Path) -> None:
    site = Site(tmp_path, demo=False)
    site.start()
    limits = Path(f"/proc/{site.pid}/limits").read_text()
    before = set(ROOT.iterdir())

    site.send(signal.SIGABRT)
    site.ended()

    assert re.search(r"Max core file size +0 +0 ", limits)
    assert set(ROOT.iterdir()) - before == set()
    assert not [path for path in everything(tmp_path) if path.read_bytes()[:4] == b"\x7fELF"]


def test_no_key_is_written_into_any_file_that_is_not_a_key_file(tmp_path: Path) -> None:
    site = Site(tmp_path, demo=True, keys=f"file:{tmp_path / 'keys' / 'kek.d'}")
    site.start()
    site.stop()
    key = (tmp_path / "keys" / "kek.d" / "epoch-00000001.key").read_bytes().strip()

    places = [site.log, *everything(site.data)]

    assert not [path for path in places for form in (key, base64.b64decode(key)) if form in path.read_bytes()]
