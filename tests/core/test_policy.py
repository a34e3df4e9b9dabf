"""The policy file is obeyed whole or the house does not start."""

import hashlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

from core import clauses, policy
from core.clock import DAY, MINUTE
from core.identity.purposes import Purpose
from core.policy import PolicyFault
from core.settings import ROOT

FILE = ROOT / "policy" / "2023-10-11.toml"


@pytest.fixture
def changed(tmp_path: Path) -> Any:  # Any: a function of an old and a new text
    """The policy with one piece of its text replaced."""

    def change(old: str, new: str) -> Path:
        text = FILE.read_text()
        assert text.count(old) >= 1, "the piece to replace is not there"
        path = tmp_path / "policy.toml"
        path.write_text(text.replace(old, new, 1))
        return path

    return change


def faults_of(path: Path) -> str:
    with pytest.raises(PolicyFault) as caught:
        policy.load(path)
    return "; ".join(caught.value.faults)


def test_every_clause_is_there_once_in_both_languages() -> None:
    found = policy.load(FILE)

    assert tuple(found.clauses) == clauses.NUMBERS
    assert len(found.clauses) == 55
    for clause in found.clauses.values():
        for words in (clause.title, clause.text, clause.rule):
            assert words.en.isascii() or "’" in words.en
            assert any("\u4e00" <= letter <= "\u9fff" for letter in words.zh_Hant)


def test_a_missing_clause_is_named(changed: Any) -> None:
    path = changed('number = "5(2)2"', 'number = "5(2)9"')

    found = faults_of(path)

    assert "clause 5(2)2 is missing" in found
    assert "clause 5(2)9 is unknown" in found


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("values.answer_days = 15", "values.answer_days = 16", "answer_days is 16, at most 15"),
        ("values.answer_days = 15", "values.answer_days = 0", "answer_days must be more than nothing"),
        ("values.code_digits = 8", "values.code_digits = 4", "code_digits is 4, at least 6"),
        ("values.code_digits = 8", "values.code_letters = 8", "value code_letters is unknown"),
        ("values.code_digits = 8", "values.code_letters = 8", "value code_digits is missing"),
        ("days = 365\nat_most_days = 730", "days = 731\nat_most_days = 730", "service_chat keeps 731 days"),
        ("days = 365\nat_most_days = 730", "days = 0\nat_most_days = 730", "service_chat keeps 0 days"),
        ("days = 365\nat_most_days = 730", "days = -1\nat_most_days = 730", "service_chat keeps -1 days"),
        ("[retention.letter]", "[retention.postcard]", "retention class letter is missing"),
        ("[retention.letter]", "[retention.postcard]", "retention class postcard is unknown"),
        ('purpose = "login"', 'purpose = "advertising"', "has purpose advertising, not stated"),
        ('text.en = "Sign in to do it yourself."', 'text.en = " "', "empty text"),
        ("within {answer_days} days", "within {anwser_days} days", "{anwser_days}, which is no value"),
        ("lead.en =", "led.en =", "led"),
        ("within {answer_days} days", "within { days", "braces name a value"),
        ("within {answer_days} days", "within {} days", "braces name a value"),
        ("within {answer_days} days", "within {answer_days.length} days", "braces name a value"),
        ("within {answer_days} days", "within {answer_days[0]} days", "braces name a value"),
    ],
)
@pytest.mark.clause("4(2)1")
def test_what_cannot_be_obeyed_stops_the_start_and_is_named(changed: Any, old: str, new: str, named: str) -> None:
    path = changed(old, new)

    found = faults_of(path)

    assert named in found


def test_a_file_that_cannot_be_read_or_is_no_text_is_a_fault_as_any_other(tmp_path: Path) -> None:
    latin = tmp_path / "latin.toml"
    latin.write_bytes(FILE.read_bytes() + "# café".encode("latin-1"))

    assert "utf-8" in faults_of(latin)
    for unreadable in (tmp_path / "gone.toml", tmp_path):
        assert "it cannot be read" in faults_of(unreadable)


@pytest.mark.clause("preface")
def test_an_empty_controller_is_refused() -> None:
    with pytest.raises(PolicyFault, match="controller"):
        policy.load(FILE, controller=" ")


@pytest.mark.clause("5(2)2")
def test_the_answer_is_promised_within_fifteen_days() -> None:
    found = policy.load(FILE)

    assert found.days("answer") == 15
    assert "15" in found.clause("5(2)2").text.en


@pytest.mark.clause("2(2)")
def test_a_code_lives_for_ten_minutes() -> None:
    found = policy.load(FILE)

    assert found.span_ms("code_valid") == 10 * MINUTE
    assert (found.number("code_digits"), found.number("code_tries")) == (8, 5)


@pytest.mark.parametrize(
    ("kept_as", "days"), [("visitor_chat", 90), ("service_chat", 365), ("transaction_linked", 730), ("letter", 7)]
)
@pytest.mark.clause("4(2)1")
def test_a_record_ends_when_its_class_says(kept_as: str, days: int) -> None:
    found = policy.load(FILE)

    ends = found.expires_ms(kept_as, 1_000)

    assert ends == 1_000 + days * DAY
    assert found.days(f"retention.{kept_as}") == days


@pytest.mark.parametrize("locale", ["en", "zh-Hant"])
@pytest.mark.clause("preface")
def test_the_notice_fills_its_six_slots_and_says_who_collects(locale: str) -> None:
    notice = policy.load(FILE, controller="Morning Light Ltd.", contact="privacy@example.com").notice(locale)

    assert len(notice.slots) == 6
    assert all(title.strip() and text.strip() for title, text in notice.slots)
    assert "Morning Light Ltd." in notice.slots[0][1]
    assert "365" in notice.lead
    assert "{" not in repr(notice)


def test_the_purposes_of_the_code_are_those_of_the_policy() -> None:

    found = policy.load(FILE)

    assert [found.clause(f"1({number})").values["purpose"] for number in range(1, 7)] == list(Purpose)


@pytest.mark.clause("2(5)")
def test_the_register_names_every_cookie_once() -> None:
    names = [cookie.name for cookie in policy.load(FILE).cookies]

    assert sorted(names) == ["__Host-cd", "__Host-cs", "__Host-cv", "__Host-cx"]


def test_the_hash_is_of_the_file_as_published() -> None:

    assert policy.load(FILE).sha256 == hashlib.sha256(FILE.read_bytes()).hexdigest()
    assert tomllib.loads(FILE.read_text())["version"] == policy.load(FILE).version
