"""A shop that is put back: backed up while people write, restored with the real command, and honest about it."""

import json
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chat.protocol import Reset, ServerFrame, SubOk
from support.replay.client import Client
from support.replay.doors import Admission
from tests.agents import signed_in
from tests.browserless import Browserless
from tests.site import Site

EMAIL = "emma.novak@example.com"
SECRET = "the heron cup with the blue rim broke on Tuesday"
KEPT = "please send the lamp to my office"
SINCE = "and this was said after the back-up"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    started = Site(tmp_path, message_rate="100", message_burst="100", keys=f"file:{tmp_path / 'keys' / 'kek.d'}")
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


def readable(folder: Path, *words: str) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [f"{word!r} in {path.name}" for path in files for word in words if word.encode() in path.read_bytes()]


class Witness(Client):
    """A client that keeps what it was told about where a log begins."""

    def __init__(self, url: str, admission: Admission) -> None:
        super().__init__(url, admission)
        self.told: list[Reset | SubOk] = []

    def _note(self, frame: ServerFrame, *, at: float) -> None:
        if isinstance(frame, Reset | SubOk):
            self.told.append(frame)
        super()._note(frame, at=at)


@pytest.mark.clause("5(1)3", "3(1)")
async def test_a_shop_is_put_back_without_those_who_were_forgotten(
    site: Site, emma: Browserless, guest: Browserless, tmp_path: Path
) -> None:
    hers = emma.start()
    assert emma.prove(emma.ask_for_code(EMAIL), hers).status_code == 200
    his = guest.start()
    agent = (await signed_in(site))[0]
    folder, ring = tmp_path / "backups" / "monday", tmp_path / "ring" / "monday.keys"
    async with Client(site.url, Admission("shopper", emma.cookies, emma.csrf, "")) as client:
        await client.watch(hers)
        await client.send(hers, SECRET)
    async with Client(site.url, Admission("shopper", guest.cookies, guest.csrf, "")) as client:
        await client.watch(his)
        await client.send(his, KEPT)

        made = site.run("backup", str(folder), "--json")
        keys = site.run("backup", "keys", str(ring))
        together = site.run("backup", "keys", str(folder.parent / "keys"))
        for number in range(5):
            await client.send(his, f"{SINCE} {number}")

    async with Client(site.url, agent) as client:
        await client.watch(his)
        await client.until(lambda: client.views[his].cursor >= 7)
        known = client.views[his]
    erased = site.run("rights", "erase", EMAIL)
    while_serving = site.run("restore", str(folder))
    site.stop()

    put_back = site.run("restore", str(folder), "--json")

    assert (made.returncode, keys.returncode, erased.returncode) == (0, 0, 0), made.stderr + keys.stderr
    assert (together.returncode, while_serving.returncode) == (1, 1)
    assert "Stop it" in while_serving.stderr
    assert put_back.returncode == 0, put_back.stdout + put_back.stderr
    lines = [json.loads(line) for line in put_back.stdout.splitlines()]
    counts = {line["what"]: int(line["count"]) for line in lines if "what" in line}
    assert counts["objects erased again"] >= 2
    assert counts["logs with a new epoch"] >= 1
    assert counts["sign-ins ended"] > 0
    assert counts["ledger entries lost"] > 0

    site.start()
    agent = (await signed_in(site))[0]
    again = Witness(site.url, agent)
    again.views[his].epoch, again.views[his].cursor, again.views[his].is_open = known.epoch, known.cursor, True
    async with again as client:
        await client.until(lambda: len(client.told) >= 2 and client.views[his].cursor == client.views[his].last)
        texts = [event.b.get("text") for event in client.views[his].events]
    reset, opened = again.told[:2]
    assert isinstance(reset, Reset)
    assert (reset.why, reset.ep == known.epoch, reset.last < known.cursor) == ("epoch", False, True)
    assert opened.ep == reset.ep
    assert KEPT in texts
    assert not any(SINCE in str(text) for text in texts)
    assert emma.send("GET", f"/chat/conversations/{hers}/events").status_code in {401, 404}
    assert guest.send("GET", f"/chat/conversations/{his}/events").status_code == 401
    verified = site.run("ledger", "verify")
    assert verified.returncode == 0, verified.stdout
    assert "A restore is recorded" in verified.stdout
    for place in (site.data, folder, ring.parent):
        assert readable(place, SECRET, KEPT, SINCE, EMAIL, "Novak") == []


@pytest.mark.clause("5(1)3")
async def test_nobody_is_served_from_data_that_were_put_back_until_they_are_settled(
    tmp_path: Path, emma: Browserless, guest: Browserless, site: Site
) -> None:
    hers = emma.start()
    assert emma.prove(emma.ask_for_code(EMAIL), hers).status_code == 200
    his = guest.start()
    async with Client(site.url, Admission("shopper", guest.cookies, guest.csrf, "")) as client:
        await client.watch(his)
        await client.send(his, KEPT)
    folder = tmp_path / "backups" / "monday"
    assert site.run("backup", str(folder)).returncode == 0
    before = conversations(site)
    assert site.run("rights", "erase", EMAIL).returncode == 0
    after = conversations(site)
    site.stop()
    for path in site.data.glob("data.db*"):
        path.unlink()
    shutil.copy(folder / "data.db", site.data / "data.db")
    assert conversations(site) == before

    keys = site.environment["AFTERCARE_KEYS"]
    gate = Site(tmp_path, name="gate", patches="waiting_to_settle", demo=False, keys=keys)
    starting = threading.Thread(target=gate.start)
    starting.start()
    while "waits to settle" not in (gate.output() if gate.log.exists() else ""):
        assert starting.is_alive(), "it has served, or ended, without settling"
        starting.join(0.05)
    answers = [answers_at(gate.port) for _ in range(5)]
    (site.data / "go").touch()
    starting.join(120)

    assert answers == [False] * 5
    assert gate.status("/readyz") == 200
    assert hers not in conversations(gate)
    assert conversations(gate) == after
    gate.stop()


def conversations(site: Site) -> set[str]:
    """Which conversations stand in the data."""
    with sqlite3.connect(f"file:{site.data / 'data.db'}?mode=ro", uri=True) as data:
        found = {str(row[0]) for row in data.execute("SELECT id FROM conversation")}
    data.close()
    return found


def answers_at(port: int) -> bool:
    """Whether anybody listens there."""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0
