"""Notices of a change: everybody who agreed before is told once, and going on counts only where it may."""

import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from core import clock, mail
from core.clock import DAY
from core.database import Transaction
from core.identity import Role, acknowledgements, people
from core.identity.acknowledgements import Shown
from core.identity.callers import Caller
from core.refusals import NotAllowed
from core.services import Core
from support.policy import notices, versions, web
from support.policy.models import PolicyVersion
from support.policy.versions import Reason
from support.shopper import news, page, start
from support.shopper.start import Agreement
from tests.support.desk.house import app_of, browser, field, member
from tests.support.policy.conftest import FIRST, LONGER, NARROW, NEXT, NewVersion

ADMIN = Caller("staff", "a" * 32, role=Role.ADMIN)
OFFICER = Caller("staff", "b" * 32, role=Role.PRIVACY_OFFICER)
REASON = Reason("We say more clearly what we keep.", "我們把保存的內容說得更清楚一些。")


async def published(core: Core, new_version: NewVersion, change: tuple[str, str] = NARROW) -> PolicyVersion:
    sha256 = hashlib.sha256(new_version(change).read_bytes()).hexdigest()
    await core.database.write(versions.propose, core, ADMIN, NEXT, REASON, now=clock.now())
    return await core.database.write(versions.publish, core, OFFICER, NEXT, sha256, now=clock.now())


async def agreed(core: Core, email: str, locale: str = "en") -> Caller:
    """Somebody who agreed to the version in force."""
    person = await people.enrol(core, email, name="林小美", now=clock.now())
    caller = Caller("person", person.id, proof="email_code")
    shown = Shown(core.policy.version, core.policy.sha256, locale, "chat", clock.now())
    await core.database.write(acknowledgements.record, caller.ref, shown, now=clock.now())
    return caller


async def letters(core: Core) -> list[mail.Letter]:
    return await core.database.read(mail.kept, core, now=clock.now())


async def gone_on(core: Core, caller: Caller) -> bool:
    shown = Shown(core.policy.version, core.policy.sha256, "en", "chat", clock.now())
    return await core.database.write(news.go_on, core, caller, shown, now=clock.now())


async def has_agreed(core: Core, caller: Caller) -> bool:
    return await core.database.read(start.has_agreed, core, caller)


@pytest.mark.clause("7(2)")
@pytest.mark.both_engines
async def test_everybody_who_agreed_before_gets_one_letter_in_her_language(shop: Core, new_version: NewVersion) -> None:
    await agreed(shop, "anna@example.com")
    await agreed(shop, "mei@example.com", "zh-Hant")
    await people.enrol(shop, "stranger@example.com", now=clock.now())
    await published(shop, new_version)

    sent = await notices.tell_everyone(shop, now=clock.now())
    again = await notices.tell_everyone(shop, now=clock.now())

    found = {letter.to: letter.text for letter in await letters(shop)}
    assert (sent, again) == (2, 0)
    assert set(found) == {"anna@example.com", "mei@example.com"}
    assert REASON.en in found["anna@example.com"]
    assert REASON.zh_hant in found["mei@example.com"]
    assert f"/policy/changes/{NEXT}" in found["anna@example.com"]


@pytest.mark.clause("4(1)6")
async def test_the_letter_holds_nothing_of_the_person(shop: Core, new_version: NewVersion) -> None:
    anna = await agreed(shop, "anna@example.com")
    await published(shop, new_version)

    await notices.tell_everyone(shop, now=clock.now())

    (letter,) = await letters(shop)
    for personal in ("林小美", "anna@example.com", anna.id):
        assert personal not in letter.subject + letter.text + letter.html


@pytest.mark.clause("7(2)")
async def test_a_campaign_that_stopped_goes_on_where_it_stopped(
    shop: Core, new_version: NewVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(5):
        await agreed(shop, f"p{at}@example.com")
    await published(shop, new_version)
    monkeypatch.setattr(notices, "BATCH", 2)
    await shop.database.write(notices._tell_some, shop, NEXT, now=clock.now())

    rest = await notices.tell_everyone(shop, now=clock.now())

    campaign = await shop.database.read(notices.campaign, NEXT)
    assert rest == 3
    assert (campaign.people, campaign.letters, campaign.waiting, campaign.answered) == (5, 5, 5, 0)


@pytest.mark.clause("7(2)")
async def test_the_record_says_of_each_person_when_she_was_told_and_what_she_answered(
    shop: Core, new_version: NewVersion
) -> None:
    anna = await agreed(shop, "anna@example.com")
    row = await published(shop, new_version)
    await notices.tell_everyone(shop, now=clock.now())
    await versions.enter_next(shop, now=row.effective_ms)
    await gone_on(shop, anna)

    (told,) = await shop.database.read(notices.told, NEXT)

    assert told.subject == anna.ref
    assert told.letter_ms is not None
    assert told.answered == "continued_use"


@pytest.mark.clause("7(2)")
async def test_going_on_is_enough_for_a_narrow_change_and_whoever_was_told(shop: Core, new_version: NewVersion) -> None:
    anna, untold = await agreed(shop, "anna@example.com"), Caller("visitor", "g" * 32)
    shown = Shown(shop.policy.version, shop.policy.sha256, "en", "chat", 1)
    await shop.database.write(acknowledgements.record, untold.ref, shown, now=1)
    row = await published(shop, new_version)
    await notices.tell_everyone(shop, now=clock.now())
    before = await gone_on(shop, anna)
    await versions.enter_next(shop, now=row.effective_ms)
    asked_again = await has_agreed(shop, anna)

    taken = await gone_on(shop, anna), await gone_on(shop, untold)

    assert (before, asked_again, taken) == (False, False, (True, False))
    assert await has_agreed(shop, anna)
    assert not await has_agreed(shop, untold)


@pytest.mark.clause("7(2)")
async def test_going_on_is_never_consent_to_a_change_that_reaches_further(shop: Core, new_version: NewVersion) -> None:
    anna = await agreed(shop, "anna@example.com")
    row = await published(shop, new_version, LONGER)
    await notices.tell_everyone(shop, now=clock.now())
    await versions.enter_next(shop, now=row.effective_ms)

    taken = await gone_on(shop, anna)
    shown = Shown(shop.policy.version, shop.policy.sha256, "en", "chat", 1)
    await shop.database.write(acknowledgements.record, anna.ref, shown, "continued_use", now=1)

    assert not taken
    assert not await has_agreed(shop, anna)
    with pytest.raises(NotAllowed, match="policy_unread"):
        await shop.database.read(start.require_agreement, shop, anna)


@pytest.mark.clause("7(2)")
@pytest.mark.parametrize(("change", "kind"), [(LONGER, "consent"), (NARROW, "agreed")])
async def test_a_tap_on_agree_is_consent_of_its_own_when_the_version_reaches_further(
    shop: Core, new_version: NewVersion, change: tuple[str, str], kind: str
) -> None:
    anna = await agreed(shop, "anna@example.com")
    row = await published(shop, new_version, change)
    await versions.enter_next(shop, now=row.effective_ms)

    await start.start(shop, anna, Agreement(NEXT, "en", "chat", clock.now()), None, "", now=clock.now())

    answers = await shop.database.read(acknowledgements.all_of, anna.ref)
    assert [(each.policy_version, each.kind) for each in answers] == [(FIRST, "agreed"), (NEXT, kind)]
    assert await has_agreed(shop, anna)


@pytest.mark.clause("7(2)")
async def test_her_page_tells_her_before_the_day_and_asks_or_informs_after_it(
    shop: Core, new_version: NewVersion
) -> None:
    anna = await agreed(shop, "anna@example.com")
    row = await published(shop, new_version)

    def seen(tx: Transaction, now: int) -> news.News | None:
        return page.look(tx, shop, anna, "zh-Hant", now=now).news

    before = await shop.database.read(seen, clock.now())
    await versions.enter_next(shop, now=row.effective_ms)
    asked = await shop.database.read(seen, row.effective_ms)
    await shop.database.write(notices.note, anna.ref, NEXT, "page", now=clock.now())
    await gone_on(shop, anna)
    after = await shop.database.read(seen, row.effective_ms + DAY)

    assert [each.kind if each else None for each in (before, asked, after)] == ["coming", "asks", "goes_on"]
    assert before is not None
    assert before.reason == REASON.zh_hant


async def test_a_stranger_is_told_no_news(shop: Core, new_version: NewVersion) -> None:
    await published(shop, new_version)

    looked = await shop.database.read(page.look, shop, Caller("visitor", "g" * 32), now=clock.now())

    assert looked.news is None


@pytest_asyncio.fixture
async def pages(shop: Core) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app_of(shop, web.routes)) as client:
        yield client


@pytest.mark.clause("7(2)")
async def test_an_administrator_proposes_and_the_officer_publishes_on_the_page(
    shop: Core, pages: httpx.AsyncClient, new_version: NewVersion
) -> None:
    new_version(LONGER)
    root, noa = await member(shop, "root.lin", Role.ADMIN), await member(shop, "noa.lin", Role.PRIVACY_OFFICER)
    words = {"csrf_token": root.csrf, "reason_en": REASON.en, "reason_zh_hant": REASON.zh_hant}

    proposed = await pages.post(f"/policy/versions/{NEXT}/propose", data=words, headers=root.page)
    shown = await pages.get("/policy/versions", headers=noa.page)
    sent = {"csrf_token": noa.csrf, "sha256": field(shown.text, "sha256")}
    done = await pages.post(f"/policy/versions/{NEXT}/publish", data=sent, headers=noa.page)

    assert (proposed.status_code, done.status_code) == (303, 303)
    assert "retention.service_chat.days" in shown.text
    assert REASON.en in shown.text
    everyone = await pages.get(f"/policy/changes/{NEXT}", headers={"Accept": "text/html"})
    assert everyone.status_code == 200
    for words_shown in (REASON.en, "retention.service_chat.days", "365", "400"):
        assert words_shown in everyone.text
    assert "set-cookie" not in everyone.headers


@pytest.mark.clause("7(2)")
async def test_a_reason_that_is_too_short_is_said_on_the_page(
    shop: Core, pages: httpx.AsyncClient, new_version: NewVersion
) -> None:
    new_version()
    root = await member(shop, "root.lin", Role.ADMIN)
    words = {"csrf_token": root.csrf, "reason_en": "Why", "reason_zh_hant": ""}

    answer = await pages.post(f"/policy/versions/{NEXT}/propose", data=words, headers=root.page)

    assert answer.status_code == 422
    assert "Say in both languages why the policy changes" in answer.text


@pytest.mark.clause("7(2)")
@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN])
async def test_nobody_but_the_officer_publishes(
    shop: Core, pages: httpx.AsyncClient, new_version: NewVersion, role: Role
) -> None:
    new_version()
    await shop.database.write(versions.propose, shop, ADMIN, NEXT, REASON, now=clock.now())
    other = await member(shop, "kai.wu", role)

    answer = await pages.post(
        f"/policy/versions/{NEXT}/publish", data={"csrf_token": other.csrf, "sha256": ""}, headers=other.page
    )

    assert answer.status_code == 404
    assert len(await shop.database.read(versions.every)) == 1


async def test_person_by_person_is_for_the_officer_and_the_auditor(
    shop: Core, pages: httpx.AsyncClient, new_version: NewVersion
) -> None:
    anna = await agreed(shop, "anna@example.com")
    await published(shop, new_version)
    await notices.tell_everyone(shop, now=clock.now())
    noa, lee = await member(shop, "noa.lin", Role.PRIVACY_OFFICER), await member(shop, "lee.lin", Role.SUPERVISOR)

    shown = await pages.get(f"/policy/versions/{NEXT}/told", headers=noa.page)
    hidden = await pages.get(f"/policy/versions/{NEXT}/told", headers=lee.page)

    assert (shown.status_code, hidden.status_code) == (200, 404)
    assert anna.id[:8] in shown.text
    assert "anna@example.com" not in shown.text
