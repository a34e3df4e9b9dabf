"""Minors and their guardians: nothing before the guardian agreed, and nothing asked but the guardian's address."""

import re
from collections.abc import Callable

import httpx
import pytest
from sqlmodel import select

from core import clock, mail
from core.database import Transaction
from core.identity import acknowledgements, people
from core.identity.models import Visitor
from core.services import Core
from support.shopper.models import GuardianConsent, Minor
from tests.support.shopper.conftest import Browser, letter_code

PARENT = "parent@example.com"
FORM = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html", "Accept-Language": "en"}
Visit = Callable[[], Browser]


async def token_of(browser: Browser) -> str:
    page = await browser.page("/chat/minor")
    found = re.search(r'name="csrf_token" value="([^"]*)"', page.text)
    assert found
    return found[1]


async def post(browser: Browser, path: str, **fields: str) -> httpx.Response:
    sent = {"csrf_token": await token_of(browser), **fields}
    return await browser.client.post(path, data=sent, headers=FORM)


async def ask(browser: Browser, address: str = PARENT) -> httpx.Response:
    return await post(browser, "/chat/minor", email=address)


async def agree(browser: Browser, core: Core, code: str | None = None, **fields: str) -> httpx.Response:
    given = {"code": code or await letter_code(core), "agreed": "yes", "version": core.policy.version, **fields}
    return await post(browser, "/chat/minor/agree", **given)


def consents(tx: Transaction) -> list[GuardianConsent]:
    return list(tx.session.exec(select(GuardianConsent)))


def minors_on_record(tx: Transaction) -> list[Minor]:
    return list(tx.session.exec(select(Minor)))


@pytest.mark.clause("6(2)")
async def test_reading_the_page_stores_nothing_and_sets_no_cookie(core: Core, visit: Visit) -> None:
    minor = visit()

    page = await minor.page("/chat/minor")

    assert page.status_code == 200
    assert minor.cookies == set()
    assert await core.database.read(lambda tx: list(tx.session.exec(select(Visitor)))) == []


@pytest.mark.clause("6(2)")
async def test_a_minor_is_asked_for_the_guardians_address_and_nothing_else(core: Core, visit: Visit) -> None:
    minor = visit()

    first = await minor.page("/chat/minor")
    await ask(minor)
    second = await minor.page("/chat/minor?step=code")

    for page in (first, second):
        asked = set(re.findall(r'<(?:input|select|textarea)[^>]*name="([^"]+)"', page.text))
        assert asked <= {"csrf_token", "version", "email", "code", "agreed"}
    assert 'name="code"' in second.text


@pytest.mark.clause("6(2)")
async def test_until_the_guardian_agreed_a_declared_minor_can_start_nothing(core: Core, visit: Visit) -> None:
    minor = visit()
    await ask(minor)

    minor.csrf = await token_of(minor)
    started = await minor.post("/shopper/start", policy_version=core.policy.version, agreed=True)
    coded = await minor.post("/shopper/code", email="me@example.com")

    assert (started.status_code, coded.status_code) == (403, 403)
    assert started.json()["error"] == coded.json()["error"] == "guardian_needed"
    (row,) = await core.database.read(minors_on_record)
    assert await core.database.read(acknowledgements.all_of, row.subject) == []


@pytest.mark.clause("6(2)")
async def test_with_the_guardians_code_the_chat_opens_and_the_consent_is_bound_to_the_minor(
    core: Core, visit: Visit
) -> None:
    minor = visit()
    await ask(minor)

    answer = await agree(minor, core)

    (row,) = await core.database.read(minors_on_record)
    (given,) = await core.database.read(consents)
    assert answer.status_code == 303
    assert (given.minor_ref, given.policy_version, given.method) == (row.subject, core.policy.version, "email_code")
    assert given.guardian_mac == people.address_mac(core.vault, PARENT)
    answers = await core.database.read(acknowledgements.all_of, row.subject)
    assert [(each.kind, each.channel) for each in answers] == [("consent", "guardian")]
    chat = await minor.page("/chat")
    assert 'data-view="chat"' in chat.text


@pytest.mark.clause("6(2)")
@pytest.mark.parametrize(
    ("fields", "status"),
    [({"code": "00000000"}, 422), ({"agreed": ""}, 422), ({"version": "1999-01-01"}, 409)],
)
async def test_a_wrong_code_no_tick_or_another_version_opens_nothing(
    core: Core, visit: Visit, fields: dict[str, str], status: int
) -> None:
    minor = visit()
    await ask(minor)

    answer = await agree(minor, core, **fields)

    assert answer.status_code == status
    assert await core.database.read(consents) == []


@pytest.mark.clause("6(2)")
async def test_a_sign_in_code_is_no_guardians_code(core: Core, visit: Visit) -> None:
    adult, minor = visit(), visit()
    await adult.start(core)
    await adult.post("/shopper/code", email="other@example.com")
    await ask(minor)
    guardians = await letter_code(core)

    as_login = await adult.post("/shopper/verify", code=guardians)
    (login_letter,) = [
        letter for letter in await core.database.read(mail.kept, core, now=clock.now()) if letter.to != PARENT
    ]
    digits = re.search(r"\b(\d{4}) ?(\d{4})\b", login_letter.text)
    assert digits
    as_guardian = await agree(minor, core, "".join(digits.groups()))

    assert (as_login.status_code, as_guardian.status_code) == (422, 422)


@pytest.mark.clause("6(2)")
async def test_a_minors_own_address_is_no_guardians(core: Core, visit: Visit) -> None:
    minor = visit()
    conversation = await minor.start(core)
    await minor.prove(core, "me@example.com", conversation)

    answer = await ask(minor, "Me@Example.com")

    assert answer.status_code == 422
    assert await core.database.read(minors_on_record) == []


@pytest.mark.clause("6(2)")
async def test_who_says_so_in_the_middle_of_a_chat_is_stopped_there(core: Core, visit: Visit) -> None:
    minor = visit()
    await minor.start(core)
    before = dict(minor.client.cookies)

    await ask(minor)

    page = await minor.page("/chat")
    assert 'data-view="notice"' in page.text
    assert dict(minor.client.cookies)["__Host-cv"] != before["__Host-cv"]


@pytest.mark.clause("6(2)")
async def test_the_guardians_consent_goes_with_the_minor_when_an_address_is_proven(core: Core, visit: Visit) -> None:
    minor = visit()
    await ask(minor)
    await agree(minor, core)
    page = await minor.page("/chat")
    conversation = re.search(r'"conversation":\{"id":"([^"]+)"', page.text)
    assert conversation
    minor.csrf = await token_of(minor)

    proven = await minor.prove(core, "me@example.com", conversation[1])

    assert proven.json()["has_agreed"] is True
    refs = {row.subject.partition(":")[0] for row in await core.database.read(minors_on_record)}
    assert refs == {"visitor", "person"}


@pytest.mark.clause("6(2)")
async def test_who_turns_out_to_be_her_own_guardian_has_none(core: Core, visit: Visit) -> None:
    minor = visit()
    await ask(minor, "me@example.com")
    await agree(minor, core)
    page = await minor.page("/chat")
    conversation = re.search(r'"conversation":\{"id":"([^"]+)"', page.text)
    assert conversation
    minor.csrf = await token_of(minor)

    await minor.prove(core, "me@example.com", conversation[1])

    found = await core.database.read(consents)
    assert [row.minor_ref.partition(":")[0] for row in found] == ["visitor"]


@pytest.mark.clause("6(2)")
async def test_the_guardians_letter_holds_nothing_of_the_minor(core: Core, visit: Visit) -> None:
    minor = visit()

    await ask(minor)

    (letter,) = await core.database.read(mail.kept, core, now=clock.now())
    (row,) = await core.database.read(minors_on_record)
    assert letter.to == PARENT
    assert row.subject.partition(":")[2] not in letter.text + letter.html
    assert "/policy?lang=en" in letter.text


@pytest.mark.clause("6(2)")
async def test_the_next_version_needs_the_guardian_again(core: Core, visit: Visit) -> None:
    minor = visit()
    await ask(minor)
    await agree(minor, core)

    def forget_version(tx: Transaction) -> None:
        for given in consents(tx):
            given.policy_version = "1999-01-01"
            tx.session.add(given)

    await core.database.write(forget_version)
    page = await minor.page("/chat")

    assert 'data-view="notice"' in page.text
    assert "/chat/minor" in page.text
