"""People: one spelling per address, one person per verified address."""

from pathlib import Path

import defusedxml.ElementTree
import pytest

from core.identity import people
from core.refusals import Invalid
from core.services import Core
from core.vault.refusals import ContentUnavailable

NOW = 1_795_000_000_000


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("anna@example.com", "anna@example.com"),
        (" Anna@EXAMPLE.com ", "anna@example.com"),
        ("\u3000anna@example.com", "anna@example.com"),
        ("a.n+shop@gmail.com", "a.n+shop@gmail.com"),
        ("anna@bücher.example.com", "anna@xn--bcher-kva.example.com"),
        ("anna@例子.tw", "anna@xn--fsqu00a.tw"),
    ],
)
def test_an_address_has_one_spelling(typed: str, normal: str) -> None:
    assert people.normalise(typed) == normal


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "anna",
        "anna@",
        "@example.com",
        "anna@example.com, boris@example.com",
        "anna@example.com boris@example.com",
        "Anna <anna@example.com>",
        "anna@example.com\r\nBcc: boris@example.com",
        "anna@example.com\n",
        "\tanna@example.com",
        "usеr@example.com",  # a Cyrillic letter among Latin ones
        "ａｎｎａ@example.com",
        "an\u200bna@example.com",
        "anna\u202e@example.com",
        '"an na"@example.com',
        "anna@[127.0.0.1]",
        "anna@localhost",
        "anna@example..com",
        f"{'a' * 65}@example.com",
        f"anna@{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 20}.com",
        "a" * 100_000,
        "anna@\ud800.com",
    ],
)
def test_everything_but_one_plain_address_is_refused(typed: str) -> None:
    with pytest.raises(Invalid) as refusal:
        people.normalise(typed)

    assert refusal.value.code == "email_syntax"


def test_no_address_with_an_error_of_the_known_collection_is_taken(shared_data: Path) -> None:
    root = defusedxml.ElementTree.parse(shared_data / "isemail" / "tests.xml").getroot()
    assert root is not None
    cases = [
        (as_control_signs(test.findtext("address") or "").strip(" "), test.findtext("category"))
        for test in root.iter("test")
        if test.findtext("category") != "ISEMAIL_CFWS"  # spaces around it, which we take away ourselves
    ]

    wrongly_taken = [
        (address, category)
        for address, category in cases
        if category not in {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN", "ISEMAIL_RFC5321"} and is_taken(address)
    ]
    taken = [address for address, _ in cases if is_taken(address)]

    assert len(cases) > 140
    assert wrongly_taken == []
    assert len(taken) > 10
    assert all(address.strip(" ").isascii() and address.count("@") == 1 for address in taken)


def as_control_signs(visible: str) -> str:
    """The collection writes control character n as U+2400+n."""
    return "".join(chr(ord(sign) - 0x2400) if 0x2400 <= ord(sign) < 0x2420 else sign for sign in visible)


def is_taken(address: str) -> bool:
    try:
        people.normalise(address)
    except Invalid:
        return False
    return True


def test_dots_and_tags_make_other_people_but_not_another_mailbox() -> None:
    assert people.normalise("a.nna@gmail.com") != people.normalise("anna@gmail.com")
    assert people.folded("a.nna+x@gmail.com") == people.folded("anna@gmail.com")
    assert people.folded("a.nna@example.com") != people.folded("anna@example.com")


@pytest.mark.clause("3(1)")
async def test_a_person_is_sealed_under_a_key_of_her_own(core: Core) -> None:
    anna = await people.enrol(core, "anna@example.com", name="陳怡君", now=NOW)

    raw = b"".join(file.read_bytes() for file in core.settings.data.rglob("*") if file.is_file())

    assert people.email_of(core.vault, anna) == "anna@example.com"
    assert people.name_of(core.vault, anna) == "陳怡君"
    assert b"anna@example.com" not in raw
    assert "陳怡君".encode() not in raw


@pytest.mark.clause("3(1)")
async def test_others_see_a_masked_name_or_a_masked_address(core: Core) -> None:
    anna = await people.enrol(core, "anna@example.com", name="陳怡君", now=NOW)
    boris = await people.enrol(core, "boris@example.com", now=NOW)

    shown = [people.shown_name(core.vault, person) for person in (anna, boris)]

    assert shown == ["陳○君", "b***@e***.com"]


async def test_enrolling_twice_finds_the_same_person(core: Core) -> None:
    first = await people.enrol(core, "anna@example.com", now=NOW)

    again = await people.enrol(core, "anna@example.com", now=NOW + 1)

    assert again.id == first.id


async def test_an_unused_key_is_destroyed(core: Core) -> None:
    await people.enrol(core, "anna@example.com", now=NOW)
    key = await people.prepare_key(core)

    await core.database.write(people.find_or_create, core.vault, "anna@example.com", key=key, now=NOW)
    await people.discard_key(core, key)

    with pytest.raises(ContentUnavailable):
        core.vault.key(key.key.id, scope=key.person, owner=f"person:{key.person}")


@pytest.mark.clause("5(1)3")
async def test_a_person_whose_key_is_destroyed_cannot_be_read(core: Core) -> None:
    anna = await people.enrol(core, "anna@example.com", now=NOW)

    await core.vault.destroy([anna.dek_id], reason="erased")

    with pytest.raises(ContentUnavailable):
        people.email_of(core.vault, anna)


@pytest.mark.clause("5(1)1")
async def test_a_person_corrects_her_name(core: Core) -> None:
    anna = await people.enrol(core, "anna@example.com", now=NOW)

    def rename(tx, name: str) -> str | None:  # type: ignore[no-untyped-def]
        person = people.by_id(tx, anna.id)
        assert person is not None
        people.rename(tx, core.vault, person, name)
        return people.name_of(core.vault, person)

    assert await core.database.write(rename, "  Anna \n Li ") == "Anna Li"
    for wrong in ("", " ", "x" * 81, "a\u202eb"):
        with pytest.raises(Invalid):
            await core.database.write(rename, wrong)
