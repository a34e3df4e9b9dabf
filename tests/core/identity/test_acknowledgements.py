"""Acknowledgements: an answer counts for the text it was given to, and for no other."""

from dataclasses import replace

import pytest

from core.database import Database
from core.identity import acknowledgements
from core.identity.acknowledgements import Shown
from core.refusals import NotAllowed

SHOWN = Shown("2023-10-11", "aa" * 32, "zh-Hant", "widget", 1_000)
GUEST = "visitor:g1"


def agreed(database: Database, subject: str, shown: Shown = SHOWN) -> bool:
    return database.read_now(
        acknowledgements.has_agreed, subject, policy_version=shown.policy_version, policy_sha256=shown.policy_sha256
    )


@pytest.mark.clause("preface")
@pytest.mark.both_engines
def test_nothing_is_accepted_before_the_policy_was_agreed_to(database: Database) -> None:
    version = {"policy_version": SHOWN.policy_version, "policy_sha256": SHOWN.policy_sha256}

    with pytest.raises(NotAllowed) as refusal:
        database.read_now(acknowledgements.require, GUEST, **version)
    database.write_now(acknowledgements.record, GUEST, SHOWN, now=2_000)

    database.read_now(acknowledgements.require, GUEST, **version)
    assert refusal.value.code == "policy_unread"


@pytest.mark.clause("7(2)")
def test_an_answer_does_not_count_for_another_version_or_text(database: Database) -> None:
    database.write_now(acknowledgements.record, GUEST, SHOWN, now=2_000)

    assert not agreed(database, GUEST, replace(SHOWN, policy_version="2026-12-01"))
    assert not agreed(database, GUEST, replace(SHOWN, policy_sha256="bb" * 32))
    assert not agreed(database, "visitor:g2")


@pytest.mark.clause("7(2)")
def test_going_on_is_not_agreeing(database: Database) -> None:
    database.write_now(acknowledgements.record, GUEST, SHOWN, "continued_use", now=2_000)

    assert not agreed(database, GUEST)


@pytest.mark.both_engines
def test_saying_it_twice_keeps_the_first_answer_unchanged(database: Database) -> None:
    database.write_now(acknowledgements.record, GUEST, SHOWN, now=2_000)

    database.write_now(acknowledgements.record, GUEST, replace(SHOWN, locale="en"), now=9_000)

    rows = database.read_now(acknowledgements.all_of, GUEST)
    assert [(row.at_ms, row.locale, row.shown_ms) for row in rows] == [(2_000, "zh-Hant", 1_000)]


@pytest.mark.both_engines
def test_what_a_guest_agreed_to_is_kept_for_the_person_too(database: Database) -> None:
    database.write_now(acknowledgements.record, GUEST, SHOWN, now=2_000)

    database.write_now(acknowledgements.carry_over, GUEST, "person:anna")

    assert agreed(database, "person:anna")
    assert agreed(database, GUEST)
