"""A letter to the privacy address becomes a request: on time, sealed, and as nobody's proof of anything."""

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.database import Transaction
from core.identity import people
from core.refusals import TooLarge
from core.services import Core
from support.rights import deadlines, intake, requests, steps
from support.rights.models import Channel, Kind, Level
from tests.support.rights.conftest import NOW, Person, count, letters, row

ARRIVED = "from mx.example.net by mail.shop.example; Mon, 23 Nov 2026 09:30:00 +0800"


def message(
    words: str = "Please delete what you know of me.", *, sender: str = "Ann Lee <Ann@Example.com>", **headers: str
) -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    made["Received"] = ARRIVED
    made["From"] = sender
    made["Subject"] = "My data"
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(words)
    return made


@pytest.mark.clause("5(1)1(2)", "7(3)")
async def test_a_letter_is_a_question_that_is_due_from_when_our_server_took_it(core: Core, ann: Person) -> None:
    received = await intake.take(core, message().as_bytes(), now=NOW)

    assert received is not None
    stands = await row(core, received.id)
    arrived = int(datetime.fromisoformat("2026-11-23T09:30:00+08:00").timestamp() * 1000)
    assert (stands.kind, stands.channel, stands.received_ms) == (Kind.QUESTION, Channel.MAIL, arrived)
    assert stands.due_ms == deadlines.due_ms(arrived, 15, "Asia/Taipei")
    assert steps.open_(core, stands, "words") == "My data\n\nPlease delete what you know of me."


@pytest.mark.clause("5(1)1(2)")
async def test_the_topmost_received_header_counts_and_none_of_the_senders(core: Core, ann: Person) -> None:
    forged = b"Received: by me; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    raw = message().as_bytes()
    topmost, rest = raw.split(b"\r\n", 1)

    received = await intake.take(core, topmost + b"\r\n" + forged + rest, now=NOW)

    assert received is not None
    assert received.due_ms == deadlines.due_ms(NOW, 15, "Asia/Taipei")


@pytest.mark.clause("5(1)1(2)")
@pytest.mark.parametrize("header", ["", "nonsense", "by us; tomorrow", "by us; Mon, 23 Nov 2099 09:30:00 +0800"])
async def test_a_time_that_cannot_be_is_now(core: Core, ann: Person, header: str) -> None:
    made = message()
    made.replace_header("Received", header)

    received = await intake.take(core, made.as_bytes(), now=NOW)

    assert received is not None
    assert (await row(core, received.id)).received_ms == NOW


@pytest.mark.clause("5(2)1")
async def test_a_senders_address_is_no_proof(core: Core, ann: Person) -> None:
    received = await intake.take(core, message().as_bytes(), now=NOW)

    assert received is not None
    stands = await row(core, received.id)
    assert (stands.subject, stands.identity_level) == (ann.caller.ref, Level.I0)


@pytest.mark.clause("5(1)1(2)")
async def test_a_stranger_is_answered_and_a_second_letter_joins_the_first(core: Core) -> None:
    raw = message(sender="stranger@example.org").as_bytes()

    first = await intake.take(core, raw, now=NOW)
    again = await intake.take(core, raw, now=NOW + 1)

    assert first is not None
    assert again is not None
    assert (again.is_merged, again.id) == (True, first.id)
    assert (await row(core, first.id)).subject.startswith("writer:")
    assert [letter.to for letter in await letters(core)] == ["stranger@example.org"]


@pytest.mark.clause("5(1)3")
async def test_a_letter_of_somebody_erased_brings_nobody_back(core: Core, ann: Person) -> None:
    def forget(tx: Transaction) -> None:
        person = people.by_id(tx, ann.caller.id)
        assert person is not None
        person.erased_ms, person.email_mac = NOW, None

    await core.database.write(forget)

    received = await intake.take(core, message().as_bytes(), now=NOW)

    assert received is not None
    stands = await row(core, received.id)
    assert stands.subject.startswith("writer:")
    assert await core.database.read(people.by_email, core.vault, ann.email) is None
    assert await core.database.read(requests.of_subject, ann.caller.ref) == []


@pytest.mark.clause("2(4)")
async def test_attachments_are_counted_and_left_out(core: Core) -> None:
    made = message()
    made.add_attachment(b"%PDF-1.7 Zwetschgenkuchen", maintype="application", subtype="pdf", filename="me.pdf")
    made.add_attachment("notes", filename="notes.txt")

    read = intake.read(made.as_bytes())

    assert read.attachments == 2
    assert "Zwetschgenkuchen" not in read.words
    assert read.words.endswith("[2 attachments were left out]")


@pytest.mark.clause("2(3)")
async def test_a_card_number_is_masked_before_it_is_kept(core: Core) -> None:
    received = await intake.take(core, message("Charge 4111 1111 1111 1111").as_bytes(), now=NOW)

    assert received is not None
    assert "4111 1111 1111 1111" not in steps.open_(core, await row(core, received.id), "words")


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Return_Path": "<>"},
        {"List_Id": "<news.example.org>"},
    ],
)
async def test_what_a_machine_sent_is_no_request_and_gets_no_letter(core: Core, headers: dict[str, str]) -> None:
    received = await intake.take(core, message(**headers).as_bytes(), now=NOW)

    assert received is None
    assert await count(core) == (0, 0)
    assert await letters(core) == []


def test_a_message_above_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge):
        intake.read(b"Subject: x\r\n\r\n" + b"x" * intake.LARGEST)


def test_a_page_is_read_as_its_text() -> None:
    made = message()
    made.set_content("<head><style>p{}</style></head><p>Delete &amp; forget</p><script>evil()</script>", subtype="html")

    assert intake.read(made.as_bytes()).words == "My data\n\nDelete & forget"


def test_a_chinese_letter_is_answered_in_chinese() -> None:
    assert intake.read(message("請刪除我的資料").as_bytes()).locale == "zh-Hant"


@pytest.mark.parametrize("sender", ["a@example.com, b@example.com", "nobody", "usеr@example.com", ""])
def test_an_odd_sender_is_nobody(sender: str) -> None:
    raw = f"From: {sender}\r\nSubject: Hello\r\n\r\nText".encode()

    assert intake.read(raw).sender is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", b"From: ", b"Received: by x; ", b"Content-Type: ", b"Subject: "]))
def test_no_message_breaks_the_reader(noise: bytes, header: bytes) -> None:
    read = intake.read(header + noise)

    assert len(read.words) <= steps.LONGEST_WORDS
