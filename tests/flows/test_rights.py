"""Requests at the command line, beside a running server: mail comes in, the list shows it, nothing is left readable."""

import json
from pathlib import Path

import pytest

from tests.site import Site

MESSAGE = """Received: from mx by shop; Mon, 2 Nov 2026 09:30:00 +0800
From: somebody@example.org
Subject: Quittenmarmelade

Please tell me everything.
"""


@pytest.mark.clause("5(1)1(2)", "7(3)", "3(1)")
def test_a_message_becomes_a_request_that_the_list_shows_and_no_file_tells(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.start()

    taken = site.run("rights", "mail", "-", stdin=MESSAGE)
    listed = [json.loads(line) for line in site.run("rights", "list", "--json").stdout.splitlines()]
    shown = site.run("rights", "show", taken.stdout[:11])
    left = b"".join(file.read_bytes() for file in site.files())
    site.stop()

    assert taken.returncode == 0, taken.stderr
    assert listed[0]["Reference"] == taken.stdout[:11]
    assert (listed[0]["Kind"], listed[0]["Channel"], listed[0]["Received"]) == ("question", "mail", "2 Nov 2026")
    assert "receive" in shown.stdout
    assert "Quittenmarmelade" not in shown.stdout
    assert b"Quittenmarmelade" not in left
    assert b"somebody@example.org" not in left


def test_a_message_that_is_too_large_is_refused_for_ever_and_one_without_a_database_is_not(tmp_path: Path) -> None:
    large = tmp_path / "large.eml"
    large.write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    gone = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    away = Site(tmp_path, database_url=gone, keystore_url=gone)

    assert away.run("rights", "mail", str(large)).returncode == 1
    assert away.run("rights", "mail", "-", stdin=MESSAGE).returncode == 75
