"""Staff: two factors, one refusal, and no role before the agreement."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pyotp
import pytest
import time_machine

from core import clock
from core.clock import DAY, MINUTE
from core.identity import Caller, Role, agreement, first_administrator, passwords, recovery, signins, staff
from core.identity.signins import Fresh
from core.identity.staff import Credentials, Enrolled, NewMember, SignInRefused
from core.refusals import Conflict, Invalid, NotAllowed, NotFound, TooMany
from core.services import Core

MEI = NewMember(login="mei", name="Mei", role=Role.AGENT, password="tea in the green cup", team="care")
START_MS = 1_795_000_000_000


@pytest.fixture(autouse=True)
def frozen() -> Iterator[time_machine.Traveller]:
    """The limits' own clock stands still unless a test moves it."""
    with time_machine.travel(START_MS / 1000, tick=False) as traveller:
        yield traveller


def typed(enrolled: Enrolled, *, at_ms: int | None = None) -> Credentials:
    """What Mei types at that time."""
    code = pyotp.TOTP(enrolled.totp_secret).at((at_ms or clock.now()) // 1000)
    return Credentials("mei", MEI.password, code, network="203.0.113.0/24")


async def sign_in(core: Core, credentials: Credentials) -> Fresh:
    return await staff.sign_in(core, credentials, now=clock.now())


async def caller_of(core: Core, fresh: Fresh) -> Caller | None:
    def look_up(tx, *, now: int) -> Caller | None:  # type: ignore[no-untyped-def]
        known = signins.find(tx, fresh.token, "staff", now=now)
        member = staff.by_id(tx, known.caller_id) if known else None
        return staff.caller_of(member, known, now=now) if member and known else None

    return await core.database.read(look_up, now=clock.now())


async def test_password_and_code_sign_in(core: Core) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())

    fresh = await sign_in(core, typed(enrolled))

    caller = await caller_of(core, fresh)
    assert caller is not None
    assert (caller.id, caller.name, caller.team, caller.proof) == (enrolled.id, "Mei", "care", "password_totp")


async def test_a_code_works_once(core: Core) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())
    await sign_in(core, typed(enrolled))

    with pytest.raises(SignInRefused):
        await sign_in(core, typed(enrolled))


@pytest.mark.both_engines
async def test_of_two_sign_ins_with_one_code_at_the_same_instant_one_succeeds(core: Core) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())

    answers = await asyncio.gather(*(sign_in(core, typed(enrolled)) for _ in range(2)), return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["Fresh", "SignInRefused"]


@pytest.mark.parametrize(("seconds", "works"), [(-61, False), (-30, True), (0, True), (30, True), (61, False)])
async def test_a_code_is_good_a_step_before_and_after_its_time(core: Core, seconds: int, works: bool) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())
    credentials = typed(enrolled, at_ms=clock.now() + seconds * 1000)

    if works:
        assert await sign_in(core, credentials)
    else:
        with pytest.raises(SignInRefused):
            await sign_in(core, credentials)


async def test_every_wrong_detail_is_refused_with_the_same_words(core: Core) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())
    right = typed(enrolled)
    disabled = await staff.create(core, replace(MEI, login="left", name="Left"), now=clock.now())
    await core.database.write(staff.disable, core, disabled.id, now=clock.now())
    left = replace(right, login="left", totp=pyotp.TOTP(disabled.totp_secret).at(clock.now() // 1000))

    refusals = []
    for wrong in (
        replace(right, login="nobody"),
        replace(right, password="wrong"),
        replace(right, totp="000000x"),
        replace(right, totp=""),
        left,
    ):
        with pytest.raises(SignInRefused) as refusal:
            await sign_in(core, wrong)
        refusals.append((refusal.value.code, refusal.value.sentence, refusal.value.status))

    assert len(set(refusals)) == 1
    assert await sign_in(core, right)


async def test_an_unknown_login_costs_a_comparison_too(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[str | None] = []
    compare = passwords._compare

    def watch(kept: str | None, password: str) -> bool:
        compared.append(kept)
        return compare(kept, password)

    monkeypatch.setattr(passwords, "_compare", watch)

    with pytest.raises(SignInRefused):
        await sign_in(core, Credentials("nobody", "whatever it is", "123456", "203.0.113.0/24"))

    assert compared == [None]


async def test_five_failures_make_the_sixth_wait_for_known_and_unknown_logins_alike(core: Core) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())
    here = typed(enrolled)
    nobody = replace(here, login="nobody", network="198.51.100.0/24")

    waits = []
    for wrong in (replace(here, password="wrong"), nobody):
        for _ in range(5):
            with pytest.raises(SignInRefused):
                await sign_in(core, wrong)
        with pytest.raises(TooMany) as refusal:
            await sign_in(core, wrong)
        waits.append(refusal.value.retry_ms)

    assert waits == [MINUTE, MINUTE]
    assert await sign_in(core, replace(here, network="192.0.2.0/24"))


async def test_a_recovery_code_signs_in_once_in_place_of_the_second_factor(core: Core) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())
    codes = await recovery.renew(core, enrolled.id)
    lost = replace(typed(enrolled), totp=codes[3].lower().replace("-", ""))

    assert await sign_in(core, lost)

    with pytest.raises(SignInRefused):
        await sign_in(core, lost)
    assert await core.database.read(recovery.left, enrolled.id) == 9


async def test_a_recovery_code_needs_the_password_and_its_own_account(core: Core) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())
    other = await staff.create(core, replace(MEI, login="kai", name="Kai"), now=clock.now())
    hers, his = await recovery.renew(core, enrolled.id), await recovery.renew(core, other.id)
    right = typed(enrolled)

    for wrong in (replace(right, totp=hers[0], password="wrong"), replace(right, totp=his[0])):
        with pytest.raises(SignInRefused):
            await sign_in(core, wrong)

    assert await sign_in(core, replace(right, totp=hers[0]))


async def test_new_recovery_codes_void_the_old(core: Core) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())
    old = await recovery.renew(core, enrolled.id)
    await recovery.renew(core, enrolled.id)

    with pytest.raises(SignInRefused):
        await sign_in(core, replace(typed(enrolled), totp=old[0]))


@pytest.mark.clause("3(2)")
async def test_a_role_takes_effect_with_the_agreement_and_for_a_year(
    core: Core, frozen: time_machine.Traveller
) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())
    before = await caller_of(core, await sign_in(core, typed(enrolled)))
    assert before is not None
    assert before.role is None
    with pytest.raises(NotAllowed):
        staff.require_agreement(before)

    await core.database.write(staff.sign_agreement, before, agreement.VERSION, now=clock.now())

    frozen.shift(364 * DAY / 1000)
    during = await caller_of(core, await sign_in(core, typed(enrolled)))
    frozen.shift(2 * DAY / 1000)
    after = await caller_of(core, await sign_in(core, typed(enrolled)))
    assert during is not None
    assert after is not None
    assert (during.role, after.role) == (Role.AGENT, None)


@pytest.mark.clause("3(2)")
async def test_an_older_text_of_the_agreement_cannot_be_signed(core: Core) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())
    caller = await caller_of(core, await sign_in(core, typed(enrolled)))
    assert caller is not None

    with pytest.raises(Conflict):
        await core.database.write(staff.sign_agreement, caller, "2020-01", now=clock.now())


async def test_disabled_staff_are_signed_out_and_stay_out(core: Core, frozen: time_machine.Traveller) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())
    fresh = await sign_in(core, typed(enrolled))

    await core.database.write(staff.disable, core, enrolled.id, now=clock.now())

    assert await caller_of(core, fresh) is None
    frozen.shift(60)
    with pytest.raises(SignInRefused):
        await sign_in(core, typed(enrolled))


async def test_another_role_ends_every_sign_in(core: Core) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())
    fresh = await sign_in(core, typed(enrolled))

    await core.database.write(staff.change_role, core, enrolled.id, Role.SUPERVISOR, "care")

    assert await caller_of(core, fresh) is None


async def test_nobody_unknown_can_be_changed(core: Core) -> None:
    with pytest.raises(NotFound):
        await core.database.write(staff.disable, core, "nobody", now=clock.now())


async def test_a_login_is_one_persons(core: Core) -> None:
    await staff.create(core, MEI, now=clock.now())

    with pytest.raises(Conflict):
        await staff.create(core, replace(MEI, name="Other"), now=clock.now())


@pytest.mark.parametrize(
    "password",
    ["short", "aaaaaaaaaaaaaaaa", "123456789012", "abcdefghijklmnop", "mei drinks tea", "my password is", "x" * 129],
)
async def test_an_obvious_password_is_refused(core: Core, password: str) -> None:
    with pytest.raises(Invalid) as refusal:
        await staff.create(core, replace(MEI, password=password), now=clock.now())

    assert refusal.value.code == "password_weak"


@pytest.mark.clause("3(1)")
async def test_the_database_holds_neither_password_nor_second_factor(core: Core) -> None:
    enrolled = await staff.create(core, MEI, now=clock.now())

    raw = b"".join(file.read_bytes() for file in core.settings.data.rglob("*") if file.is_file())

    assert MEI.password.encode() not in raw
    assert enrolled.totp_secret.encode() not in raw


async def test_the_hash_is_slow_in_the_way_that_was_decided() -> None:
    kept = await passwords.hash_slowly("tea in the green cup")

    assert kept.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert await passwords.is_right(kept, "tea in the green cup")
    assert not await passwords.is_right(kept, "tea in the red cup")
    assert not await passwords.is_right(None, "tea in the green cup")


async def test_the_first_administrator_is_made_by_a_token_once(core: Core) -> None:
    token = await core.database.write(first_administrator.offer, now=clock.now())
    assert token is not None
    ada = replace(MEI, login="ada", name="Ada")

    await first_administrator.redeem(core, token, ada, now=clock.now())

    made = await core.database.read(staff.by_login, "ada")
    assert made is not None
    assert made.role == Role.ADMIN
    with pytest.raises(NotFound):
        await first_administrator.redeem(core, token, replace(ada, login="eve"), now=clock.now())
    assert await core.database.write(first_administrator.offer, now=clock.now()) is None


async def test_the_first_administrators_token_dies_after_fifteen_minutes_and_with_the_next(core: Core) -> None:
    old = await core.database.write(first_administrator.offer, now=clock.now())
    new = await core.database.write(first_administrator.offer, now=clock.now())
    assert old is not None
    assert new is not None

    with pytest.raises(NotFound):
        await first_administrator.redeem(core, old, MEI, now=clock.now())
    with pytest.raises(NotFound):
        await first_administrator.redeem(core, new, MEI, now=clock.now() + 15 * MINUTE)
    assert await first_administrator.redeem(core, new, MEI, now=clock.now() + 15 * MINUTE - 1)


@pytest.mark.both_engines
async def test_two_first_administrators_at_the_same_instant_are_one(core: Core) -> None:
    token = await core.database.write(first_administrator.offer, now=clock.now())
    assert token is not None

    both = (
        first_administrator.redeem(core, token, replace(MEI, login=login), now=clock.now()) for login in ("ada", "eve")
    )
    answers = await asyncio.gather(*both, return_exceptions=True)

    assert sorted(type(answer).__name__ for answer in answers) == ["Enrolled", "NotFound"]
