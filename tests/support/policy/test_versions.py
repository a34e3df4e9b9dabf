"""Versions of the policy: published for good by two people, in force on their day, and refused when edited."""

import hashlib

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from sqlmodel import select

from core import clock, policy
from core.clock import DAY
from core.database import Transaction
from core.identity import Role
from core.identity.callers import Caller
from core.ledger import LedgerEntry
from core.refusals import Conflict, Invalid, NotFound, Refusal, Unavailable
from core.services import Core
from core.settings import ROOT, Settings
from support.house import opened
from support.policy import changes, versions
from support.policy.models import PolicyVersion
from support.policy.versions import Reason
from tests.support.policy.conftest import FIRST, LONGER, NARROW, NEXT, NewVersion

ADMIN = Caller("staff", "a" * 32, role=Role.ADMIN)
OFFICER = Caller("staff", "b" * 32, role=Role.PRIVACY_OFFICER)
REASON = Reason("We say more clearly what we keep.", "我們把保存的內容說得更清楚一些。")


async def propose(core: Core, *, by: Caller = ADMIN) -> None:
    await core.database.write(versions.propose, core, by, NEXT, REASON, now=clock.now())


async def publish(core: Core, *, by: Caller = OFFICER) -> PolicyVersion:
    sha256 = hashlib.sha256((core.settings.policy.parent / f"{NEXT}.toml").read_bytes()).hexdigest()
    return await core.database.write(versions.publish, core, by, NEXT, sha256, now=clock.now())


async def refusal_of_publishing(core: Core, *, by: Caller = OFFICER) -> str:
    with pytest.raises(Refusal) as caught:
        await publish(core, by=by)
    return caught.value.code


@pytest.mark.clause("preface")
async def test_a_new_shops_first_version_is_published_by_its_first_start_once(core: Core) -> None:
    first = versions.settle(core.database, core.settings, now=1)
    again = versions.settle(core.database, core.settings, now=2)

    (row,) = await core.database.read(versions.every)
    assert (row.version, row.sha256, row.published_ms) == (FIRST, first.sha256, 1)
    assert row.effective_ms == versions.midnight(first.effective, core.settings)
    assert again.sha256 == first.sha256


@pytest.mark.clause("preface")
@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("A published version is never edited.", "A published version is seldom edited.", "preface.rule.en"),
        ("values.answer_days = 15", "values.answer_days = 14", "5(2)2.title.en"),
        ("days = 365\nat_most_days = 730", "days = 366\nat_most_days = 730", "retention.service_chat.days"),
        ('about = { en = "Keeps a customer', 'about = { en = "Tracks a customer', "cookie.__Host-cs.about.en"),
    ],
)
async def test_a_start_refuses_a_published_version_that_was_edited_and_says_what_to_do(
    shop: Core, old: str, new: str, where: str
) -> None:
    file = shop.settings.policy
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new, 1))

    with pytest.raises(Unavailable) as refused:
        versions.settle(shop.database, shop.settings, now=clock.now())

    assert refused.value.code == "policy_edited"
    assert where in refused.value.sentence
    assert "put its file back as it was" in refused.value.sentence
    assert "/policy/versions" in refused.value.sentence


@pytest.mark.clause("preface")
async def test_a_whole_house_does_not_open_with_an_edited_policy(settings: Settings) -> None:
    async with opened(settings):
        pass
    settings.policy.write_text(settings.policy.read_text().replace("never edited", "often edited", 1))

    with pytest.raises(Unavailable, match="policy_edited"):
        async with opened(settings):
            pytest.fail("it opened")


@pytest.mark.clause("preface")
async def test_a_start_refuses_when_the_file_of_a_published_version_is_gone(
    shop: Core, new_version: NewVersion
) -> None:
    path = new_version()
    await propose(shop)
    await publish(shop)
    path.unlink()

    with pytest.raises(Unavailable, match="policy_missing"):
        versions.settle(shop.database, shop.settings, now=clock.now())


async def test_a_comment_and_a_value_that_a_release_adds_are_no_edit(shop: Core) -> None:
    facts = policy.load(shop.settings.policy).facts()
    shop.settings.policy.write_text(f"# a comment\n{shop.settings.policy.read_text()}")

    settled = versions.settle(shop.database, shop.settings, now=clock.now())

    assert settled.sha256 == shop.policy.sha256
    assert changes.broken(facts, facts | {"5(2)2.values.new_limit": "3"}) == []
    assert changes.broken(facts, facts | {"cookie.__Host-ad.purpose": "login"}) == ["cookie.__Host-ad.purpose"]


@pytest.mark.clause("preface")
@pytest.mark.both_engines
@pytest.mark.parametrize("verb", ["UPDATE policy_version SET reason_en = sha256", "DELETE FROM policy_version"])
async def test_the_database_itself_refuses_to_change_a_published_version(shop: Core, verb: str) -> None:
    def tamper(tx: Transaction) -> None:
        tx.execute(text(verb))

    with pytest.raises(DatabaseError, match="never changed"):
        await shop.database.write(tamper)

    assert len(await shop.database.read(versions.every)) == 1


@pytest.mark.clause("7(2)")
async def test_a_version_needs_an_administrator_and_the_officer(shop: Core, new_version: NewVersion) -> None:
    new_version()
    unproposed = await refusal_of_publishing(shop)
    await propose(shop)
    by_the_same = await refusal_of_publishing(shop, by=ADMIN)
    with pytest.raises(NotFound):
        await propose(shop, by=OFFICER)

    row = await publish(shop)

    assert (unproposed, by_the_same) == ("not_found", "not_found")
    assert (row.proposed_by, row.approved_by) == (ADMIN.ref, OFFICER.ref)
    assert (row.reason_en, row.reason_zh_hant) == (REASON.en, REASON.zh_hant)


@pytest.mark.clause("7(2)")
async def test_both_acts_are_in_the_ledger(shop: Core, new_version: NewVersion) -> None:
    new_version()

    await propose(shop)
    await publish(shop)

    def acts(tx: Transaction) -> list[tuple[str, str, str]]:
        return [(row.action, row.actor, row.object_id) for row in tx.session.exec(select(LedgerEntry)).all()]

    assert await shop.database.read(acts) == [
        ("policy.propose", ADMIN.ref, NEXT),
        ("policy.publish", OFFICER.ref, NEXT),
    ]


@pytest.mark.clause("7(2)")
@pytest.mark.parametrize(
    ("days", "code"), [(13, "notice_too_short"), (1, "notice_too_short"), (-3, "notice_too_short")]
)
async def test_a_version_that_would_come_too_soon_is_refused(
    shop: Core, new_version: NewVersion, days: int, code: str
) -> None:
    new_version(days=days)
    await propose(shop)

    assert await refusal_of_publishing(shop) == code
    assert len(await shop.database.read(versions.every)) == 1


@pytest.mark.clause("7(2)")
async def test_what_is_published_is_what_the_officer_was_shown(shop: Core, new_version: NewVersion) -> None:
    path = new_version()
    await propose(shop)
    path.write_text(path.read_text().replace("with care", "or not"))

    assert await refusal_of_publishing(shop) == "policy_edited"


async def test_a_published_version_is_not_proposed_again(shop: Core, new_version: NewVersion) -> None:
    new_version()
    await propose(shop)
    await publish(shop)

    with pytest.raises(Conflict, match="policy_published"):
        await propose(shop)


@pytest.mark.clause("7(2)")
@pytest.mark.parametrize(
    ("en", "zh_hant"), [("", "我們把保存的內容說得更清楚一些。"), ("We say it more clearly.", " ")]
)
def test_a_change_without_a_reason_in_both_languages_is_refused(en: str, zh_hant: str) -> None:
    with pytest.raises(Invalid, match="reason"):
        Reason(en, zh_hant)


@pytest.mark.clause("7(2)")
async def test_the_next_version_is_in_force_from_its_day_and_not_before(shop: Core, new_version: NewVersion) -> None:
    new_version(days=30)
    await propose(shop)
    row = await publish(shop)

    await versions.enter_next(shop, now=row.effective_ms - 1)
    before = shop.policy.version
    await versions.enter_next(shop, now=row.effective_ms)

    assert (before, shop.policy.version) == (FIRST, NEXT)
    assert shop.policy.sha256 == row.sha256
    assert "with care" in shop.policy.clause("preface").text.en


@pytest.mark.clause("7(2)")
async def test_a_version_whose_file_was_edited_does_not_come_into_force(shop: Core, new_version: NewVersion) -> None:
    path = new_version()
    await propose(shop)
    row = await publish(shop)
    path.write_text(path.read_text().replace("with care", "or not"))

    with pytest.raises(Unavailable, match="policy_edited"):
        await versions.enter_next(shop, now=row.effective_ms)

    assert shop.policy.version == FIRST


@pytest.mark.clause("7(2)")
@pytest.mark.parametrize(
    ("change", "is_wider"),
    [
        (NARROW, False),
        (LONGER, True),
        (('since = "close"\ndays = 365', 'since = "close"\ndays = 300'), False),
        (("values.answer_days = 15", "values.answer_days = 10"), False),
        (("to fulfil your order, deliver it", "to fulfil your order, advertise it"), True),
        (('["login", "quality", "ux"]', '["login", "quality", "ux", "advertising"]'), True),
        (("affiliates, suppliers and contractors", "affiliates, brokers and contractors"), True),
        (('name = "__Host-cv"', 'name = "__Host-cw"'), True),
    ],
)
async def test_a_new_purpose_recipient_or_longer_period_reaches_further(
    shop: Core, new_version: NewVersion, change: tuple[str, str], is_wider: bool
) -> None:
    new_version(change)
    await propose(shop)

    row = await publish(shop)
    await versions.enter_next(shop, now=row.effective_ms)

    assert row.is_wider is is_wider
    assert shop.policy.follows == (frozenset() if is_wider else {FIRST})
    assert ("continued_use" in shop.policy.answers) is not is_wider


async def test_the_officer_is_shown_every_difference_and_no_other(shop: Core, new_version: NewVersion) -> None:
    new_version(LONGER)

    (draft,) = await shop.database.read(versions.drafts, shop, now=clock.now())

    places = {change.where for change in draft.changes}
    assert "retention.service_chat.days" in places
    assert places - {"version", "effective"} <= {
        "retention.service_chat.days",
        "notice.lead.en",
        "notice.lead.zh_Hant",
    }
    assert draft.wider == ["retention.service_chat.days"]


async def test_a_draft_that_cannot_be_obeyed_stops_no_start_and_is_named(shop: Core) -> None:
    (shop.settings.policy.parent / "broken.toml").write_text('version = "broken"')

    settled = versions.settle(shop.database, shop.settings, now=clock.now() + DAY)

    assert settled.version == FIRST
    assert "broken.toml" in versions.shelf(shop.settings).unreadable


@pytest.mark.clause("preface")
@pytest.mark.parametrize("prefix", ["0", "9"])
async def test_a_draft_with_the_version_of_a_published_file_does_not_stand_in_its_place(
    shop: Core, new_version: NewVersion, prefix: str
) -> None:
    path = new_version()
    await propose(shop)
    row = await publish(shop)
    for file in (shop.settings.policy, path):
        draft = file.read_text().replace("A published version is never edited.", "It is seldom edited.", 1)
        (file.parent / f"{prefix}-{file.stem}.toml").write_text(draft)

    settled = versions.settle(shop.database, shop.settings, now=row.effective_ms)

    assert (settled.version, settled.sha256) == (NEXT, row.sha256)
    assert "never edited" in settled.clause("preface").rule.en
    assert len(versions.shelf(shop.settings).unreadable) == 2


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
async def test_a_stray_draft_that_is_no_text_or_vanished_stops_no_start(shop: Core, content: bytes | None) -> None:
    stray = shop.settings.policy.parent / "0.toml"
    if content is None:
        stray.symlink_to(stray.with_name("vanished.toml"))
    else:
        stray.write_bytes(content)

    settled = versions.settle(shop.database, shop.settings, now=clock.now())

    assert settled.version == FIRST
    assert len(versions.shelf(shop.settings).unreadable) == 1


def test_the_delivered_folder_holds_versions_that_can_be_obeyed() -> None:
    found = versions.shelf(Settings(public_url="http://localhost:8000"))

    assert found.unreadable == {}
    assert [file.path for file in found.versions[FIRST]] == [ROOT / "policy" / f"{FIRST}.toml"]
    assert all(file.path.is_relative_to(ROOT) for files in found.versions.values() for file in files)
