"""Her own page: what is kept, and a button for every wish, for herself alone; what is weighty needs a fresh code."""

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlmodel import select

from core import clock, limits, mail
from core.database import Transaction
from core.identity import people, signins
from core.identity.signins import Holder
from core.services import Core
from support.house import House
from support.privacy import verifying
from support.rights.models import RightsRequest
from tests.support.mydata.conftest import Visit, work
from tests.support.privacy.conftest import CANARY, shopper
from tests.support.shopper.conftest import letter_code

Open = Callable[[], Visit]
COPY = re.compile(r'action="(/my-data)(/copy/[0-9a-f]{32})')
TAKE_BACK = re.compile(r'action="(/my-data)(/deletions/[0-9a-f]{32}/take-back)')
END = re.compile(r'action="(/my-data)(/sign-ins/[0-9a-f]{32}/end)')


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address may be written to as often as a test needs."""

    async def spend(*_: object) -> None:
        return None

    monkeypatch.setattr(limits.Limits, "spend", spend)


async def requested(house: House, subject: str) -> list[tuple[str, str, str]]:
    def read(tx: Transaction) -> list[tuple[str, str, str]]:
        rows = tx.session.exec(select(RightsRequest).where(RightsRequest.subject == subject))
        return [(row.kind, row.channel, row.state) for row in rows]

    return await house.core.database.read(read)


@pytest.mark.clause("5(1)1(1)")
async def test_whoever_is_not_signed_in_is_told_nothing_and_may_sign_in(house: House, visit: Open) -> None:
    await shopper(house, "ann@example.com", now=clock.now())
    ann = visit()

    before = await ann.see()
    after = await ann.enter("ann@example.com")

    assert "ann@example.com" not in before
    assert "Send code" in before
    assert "ann@example.com" in after
    assert "A late parcel" in after
    assert "王小明" in after


@pytest.mark.clause("5(1)1(1)")
async def test_the_page_says_what_is_kept_and_for_how_long(house: House, visit: Open) -> None:
    await shopper(house, "ann@example.com", now=clock.now())

    page = await visit().enter("ann@example.com")

    for words in ("Your conversations", "Pictures you sent and received", "365 days", "Version 2023-10-11", "Agreed"):
        assert words in page
    assert f"within {house.core.policy.days('answer')} days" in page


@pytest.mark.clause("5(1)1(1)")
async def test_she_reads_her_own_conversation_and_no_note_and_nobody_elses(house: House, visit: Open) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    bea = await shopper(house, "bea@example.com", "Apfelstrudel", now=clock.now())
    her = visit()
    await her.enter("ann@example.com")

    hers = await her.see(f"/my-data/conversations/{ann.conversation.id}")
    other = await her.see(f"/my-data/conversations/{bea.conversation.id}")

    assert CANARY in hers
    assert f"/media/{ann.attachment}/thumb" in hers
    assert "internal: difficult" not in hers
    assert "Apfelstrudel" not in other


@pytest.mark.parametrize("lang", ["en", "zh-Hant"])
@pytest.mark.clause("5(1)1(1)")
async def test_every_sentence_of_the_page_is_in_both_languages(house: House, visit: Open, lang: str) -> None:
    await shopper(house, "ann@example.com", now=clock.now())
    ann = visit()
    await ann.enter("ann@example.com")

    pages = [await ann.see(f"{path}?lang={lang}") for path in ("/my-data", "/my-data/delete")]

    for page in pages:
        assert f'<html lang="{lang}"' in page
        words = re.sub(r"<[^>]+>|&#?\w+;", " ", re.sub(r"(?s)<head>.*?</head>|<nav class=\"row\".*?</nav>", "", page))
        assert bool(re.search("[a-z]{4,} [a-z]{3,} [a-z]{2,}", words)) == (lang == "en")


@pytest.mark.clause("3(3)")
async def test_she_ends_a_sign_in_that_is_not_hers_any_more(house: House, visit: Open) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    lost = Holder("person", ann.caller.id, "email_code", device="Lost phone")
    core = house.core
    await core.database.write(signins.start, core.hub, lost, now=clock.now() - clock.HOUR)
    her = visit()
    page = await her.enter("ann@example.com")

    paths = [path for _, path in END.findall(page)]
    answer = await her.press(paths[1])

    assert "Lost phone" in page
    assert len(paths) == 2
    assert "Lost phone" not in answer.text
    assert "That sign-in is ended." in answer.text


@pytest.mark.clause("3(3)")
async def test_nobody_ends_the_sign_in_of_another(house: House, visit: Open) -> None:
    await shopper(house, "ann@example.com", now=clock.now())
    bea = await shopper(house, "bea@example.com", now=clock.now())
    core = house.core
    hers = await core.database.write(
        signins.start, core.hub, Holder("person", bea.caller.id, "email_code"), now=clock.now()
    )
    her = visit()
    await her.enter("ann@example.com")

    answer = await her.press(f"/sign-ins/{hers.id}/end")

    assert answer.status_code == 404
    left = await core.database.read(signins.live, [hers.id], now=clock.now())
    assert left == {hers.id}


@pytest.mark.clause("5(1)2")
async def test_the_whole_way_of_a_copy(house: House, visit: Open, tmp_path: Path) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    her = visit()
    await her.enter("ann@example.com")

    asked = await her.press("/copy")
    await work(house)
    ready = await her.see()
    found = COPY.search(ready)
    assert found
    fetched = await her.press(found[2])

    assert "Your copy is being made." in asked.text
    assert "3 times more" in ready
    assert fetched.headers["cache-control"] == "no-store"
    assert fetched.headers["content-disposition"].startswith("attachment")
    assert "2 times more" in await her.see()
    (tmp_path / "ann.zip").write_bytes(fetched.content)
    core = house.core
    verifying.verify(tmp_path / "ann.zip", lambda message, signed: core.vault.verify("export", message, signed))
    with zipfile.ZipFile(io.BytesIO(fetched.content)) as archive:
        assert CANARY in archive.read("index.html").decode()
    assert await requested(house, ann.caller.ref) == [("copy", "my_data", "closed")]


@pytest.mark.parametrize(
    ("path", "step", "back"), [("/copy", "copy", "#copy"), ("/stop", "stop", "#stop"), ("/delete", "delete", "#delete")]
)
@pytest.mark.usefixtures("at_once")
@pytest.mark.clause("5(2)1")
async def test_what_is_weighty_needs_a_fresh_code_for_just_that(
    house: House, visit: Open, path: str, step: str, back: str
) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    her = visit()
    await her.enter("ann@example.com")
    await her.grow_stale()

    asked = await her.press(path)
    nothing_yet = await requested(house, ann.caller.ref)
    wrong = await her.press("/confirm", step=step, code="0000 0000")
    code = await letter_code(house.core)
    other = await her.press("/confirm", step="delete" if step != "delete" else "copy", code=code)
    right = await her.press("/confirm", step=step, code=code)
    done = await her.press(path)

    assert 'autocomplete="one-time-code"' in asked.text
    assert nothing_yet == []
    assert "That code does not work here." in wrong.text
    assert "That code does not work here." in other.text
    assert "Confirmed." in right.text
    assert back in str(right.url)
    assert done.status_code == 200
    assert len(await requested(house, ann.caller.ref)) == 1


@pytest.mark.usefixtures("at_once")
@pytest.mark.clause("5(2)1")
async def test_a_copy_is_not_fetched_without_a_fresh_code(house: House, visit: Open) -> None:
    await shopper(house, "ann@example.com", now=clock.now())
    her = visit()
    await her.enter("ann@example.com")
    await her.press("/copy")
    await work(house)
    found = COPY.search(await her.see())
    assert found
    await her.grow_stale()

    fetched = await her.press(found[2])

    assert fetched.headers["content-type"].startswith("text/html")
    assert 'autocomplete="one-time-code"' in fetched.text
    assert "3 times more" in await her.see()


@pytest.mark.clause("5(1)1(1)")
async def test_she_corrects_her_name_and_it_is_a_request_that_is_answered(house: House, visit: Open) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    her = visit()
    await her.enter("ann@example.com")

    answer = await her.press("/name", name="王大明")
    empty = await her.press("/name", name="   ")

    assert 'value="王大明"' in answer.text
    assert "Your profile is corrected." in answer.text
    assert "Please give a name" in empty.text
    assert await requested(house, ann.caller.ref) == [("correct", "my_data", "closed")]


async def person_of(core: Core, email: str) -> str | None:
    def find(tx: Transaction) -> str | None:
        found = people.by_email(tx, core.vault, email)
        return found.id if found else None

    return await core.database.read(find)


@pytest.mark.usefixtures("at_once")
@pytest.mark.clause("5(1)1(1)")
async def test_a_new_address_needs_a_code_to_the_old_one_and_a_code_to_the_new_one(house: House, visit: Open) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    core, her, thief = house.core, visit(), visit()
    await thief.enter("ann@example.com")
    await her.enter("ann@example.com")

    await her.press("/address", email="anna@example.com")
    first = await letter_code(core)
    page = (await her.press("/address", email="anna@example.com", code=first)).text
    until, proof = (re.search(rf'name="{name}" value="(\w+)"', page) for name in ("until", "proof"))
    assert until
    assert proof
    still = await person_of(core, "ann@example.com")
    passed = {"email": "anna@example.com", "until": until[1], "proof": proof[1]}
    wrong = await her.press("/address", **passed, code=first)
    second = await letter_code(core)
    done = await her.press("/address", **passed, code=second)

    assert still == ann.caller.id
    assert "That code does not work here." in wrong.text
    assert "anna@example.com" in done.text
    assert await person_of(core, "anna@example.com") == ann.caller.id
    assert await person_of(core, "ann@example.com") is None
    assert "Send code" in await thief.see()
    letters = await core.database.read(mail.kept, core, now=clock.now())
    (told,) = [letter for letter in letters if "address" in letter.subject]
    assert told.to == "ann@example.com"
    assert "anna@example.com" not in told.text + told.html


@pytest.mark.parametrize("path", ["/copy", "/stop", "/delete"])
@pytest.mark.clause("5(2)1")
async def test_with_a_new_address_a_code_is_too_little_and_the_desk_goes_on(
    house: House, visit: Open, path: str
) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    core, her = house.core, visit()

    def moved(tx: Transaction, at_ms: int) -> None:
        person = people.by_id(tx, ann.caller.id)
        assert person is not None
        people.move(tx, core.vault, person, "anna@example.com", now=at_ms)

    await core.database.write(moved, clock.now() - 29 * clock.DAY)
    await her.enter("anna@example.com")
    early = await her.press(path)
    asked = await requested(house, ann.caller.ref)

    assert early.status_code == 409
    assert "a code is not enough" in early.text
    assert asked == [(path[1:], "my_data", "received")]


@pytest.mark.usefixtures("at_once")
@pytest.mark.clause("5(1)1(1)")
async def test_no_code_but_the_old_addresss_own_moves_an_account(house: House, visit: Open) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    core, her = house.core, visit()
    await her.enter("ann@example.com")
    await her.press("/address", email="anna@example.com")
    first = await letter_code(core)
    await her.press("/address", email="anna@example.com", code=first)
    second = await letter_code(core)

    forged = {"email": "anna@example.com", "until": str(clock.now() + clock.HOUR), "proof": "0" * 64}
    answer = await her.press("/address", **forged, code=second)

    assert "That code does not work here." in answer.text
    assert await person_of(core, "ann@example.com") == ann.caller.id


@pytest.mark.clause("5(1)2")
async def test_she_stops_and_lets_go_on(house: House, visit: Open) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    her = visit()
    await her.enter("ann@example.com")

    stopped = await her.press("/stop")
    again = await her.press("/go-on")

    assert "Stopped since" in stopped.text
    assert "Stop using my data" in again.text
    assert await requested(house, ann.caller.ref) == [("stop", "my_data", "closed")]


@pytest.mark.clause("5(1)3")
async def test_a_deletion_is_shown_first_waits_and_is_taken_back(house: House, visit: Open) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    her = visit()
    await her.enter("ann@example.com")

    shown = await her.see("/my-data/delete")
    asked = await her.press("/delete", conversation="")
    found = TAKE_BACK.search(asked.text)
    assert found
    back = await her.press(found[2])

    for words in ("This goes", "This stays, and why", "Proof that you agreed to the policy", "24 hours"):
        assert words in shown
    assert "Waiting for its day" in asked.text
    assert "Taken back" in back.text
    assert await requested(house, ann.caller.ref) == [("delete", "my_data", "withdrawn")]


@pytest.mark.clause("5(1)3")
async def test_a_form_of_another_page_changes_nothing(house: House, visit: Open) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    her = visit()
    await her.enter("ann@example.com")
    her.token = "0" * 64

    for path in ("/stop", "/delete", "/copy", "/name", "/address"):
        assert (await her.press(path, name="x", email="evil@example.com")).status_code == 403

    assert await requested(house, ann.caller.ref) == []


@pytest.mark.parametrize(("device", "letters"), [("Firefox, Android", 1), ("", 0)])
@pytest.mark.usefixtures("at_once")
@pytest.mark.clause("3(3)")
async def test_a_sign_in_on_another_device_is_told_by_mail(
    house: House, visit: Open, device: str, letters: int
) -> None:
    ann = await shopper(house, "ann@example.com", now=clock.now())
    core = house.core
    other = Holder("person", ann.caller.id, "email_code", device=device)
    await core.database.write(signins.start, core.hub, other, now=clock.now())

    await visit().enter("ann@example.com")

    found = await core.database.read(mail.kept, core, now=clock.now())
    told = [letter for letter in found if letter.subject.startswith("New sign-in")]
    assert len(told) == letters
    assert all("/my-data" in letter.text for letter in told)
