"""Starting, stopping, and refusing to start."""

import stat
import time
from pathlib import Path

import pytest

from tests.site import Site

DEADLINE_S = 30


def refused(site: Site) -> str:
    """What `aftercare serve` says when it does not start."""
    ended = site.run("serve")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    return " ".join(ended.stderr.split())


@pytest.mark.clause("3(1)")
def test_without_its_key_nothing_is_served_or_written_and_it_says_what_to_do(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.start()
    site.stop()
    folder = site.data / "kek.d"
    saved = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    before = (site.data / "data.db").read_bytes()
    for path in saved:
        path.unlink()

    said = refused(site)

    assert str(folder) in said
    assert "back" in said or "restore" in said.lower()
    assert (site.data / "data.db").read_bytes() == before
    for path, content in saved.items():
        path.write_bytes(content)
        path.chmod(0o400)
    site.start()
    site.stop()


@pytest.mark.clause("3(1)")
def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.start()
    site.stop()
    key = next((site.data / "kek.d").glob("*.key"))
    key.chmod(0o444)

    said = refused(site)

    assert key.name in said


def test_a_second_server_on_the_same_data_is_refused(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.start()

    said = refused(site)

    site.stop()
    assert "Another Aftercare process" in said


def test_several_processes_on_sqlite_are_refused(tmp_path: Path) -> None:
    joined = Site(tmp_path, redis_url="redis://127.0.0.1:1")
    half = Site(tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none")

    said = refused(joined), refused(half)

    assert "SQLite can have only one" in said[0]
    assert "AFTERCARE_KEYSTORE_URL" in said[1]
    assert not (joined.data / "data.db").exists()


def test_commands_work_beside_a_server_and_without_one(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.start()
    control = stat.S_IMODE((site.data / "control.sock").stat().st_mode)
    beside = site.run("retention", "plan", "--json")
    site.stop()

    alone = site.run("retention", "plan", "--json")

    assert control == 0o600
    assert beside.returncode == alone.returncode == 0
    assert beside.stdout == alone.stdout


def test_it_stops_when_asked_and_starts_again_after_being_killed(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.start()
    site.kill()
    site.start()

    began = time.monotonic()
    site.stop()

    assert time.monotonic() - began < DEADLINE_S
    assert not (site.data / "control.sock").exists()


@pytest.mark.clause("preface")
def test_production_without_a_name_is_refused_and_says_which_setting(tmp_path: Path) -> None:
    site = Site(tmp_path, mode="production", public_url="https://help.example")

    ended = site.run("serve")

    assert ended.returncode == 2
    assert "AFTERCARE_CONTROLLER_NAME" in ended.stderr


@pytest.mark.clause("3(2)")
def test_production_has_no_demo_shop_no_mailbox_and_no_demo_staff(tmp_path: Path) -> None:
    named = {"shop_name": "Dawn", "controller_name": "Dawn Ltd.", "contact_email": "privacy@dawn.example"}
    site = Site(tmp_path, demo=False, mode="production", public_url="https://help.dawn.example", **named)
    site.start()

    told = site.run("staff", "--help")
    codes = [site.status(path) for path in ("/demo/shop", "/demo/mailbox", "/chat")]

    site.stop()
    assert told.returncode == 0
    assert codes == [404, 404, 200]
    assert "/admin/start#" in site.output()
