"""Codes: eight digits by e-mail prove that somebody reads an address, once, here, for one thing."""

import asyncio
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import time_machine
from sqlmodel import func, select

from core import clock, mail
from core.clock import DAY, HOUR, MINUTE, SECOND
from core.identity import attempts, codes, login, people
from core.identity.codes import Asker, CodePurpose, Typed, WrongCode
from core.identity.models import LoginCode, Person, SignIn
from core.refusals import Invalid, NotAllowed, TooMany
from core.services import Core

HOME = Asker(network="203.0.113.0/24", device="Firefox, Linux")
ANNA = "anna@example.com"
START_MS = 1_795_000_000_000


@pytest.fixture(autouse=True)
def frozen() -> Iterator[time_machine.Traveller]:
    """The limits' own clock stands still unless a test moves it."""
    with time_machine.travel(START_MS / 1000, tick=False) as traveller:
        yield traveller


async def ask(
    core: Core, address: str = ANNA, asker: Asker = HOME, purpose: CodePurpose = CodePurpose.LOGIN
) -> tuple[Asker, str]:
    """Ask for a code; the browser that asked, and the digits out of the letter (none sent: empty)."""
    before = {letter.id for letter in await letters(core)}
    issued = await codes.request(core, address, asker, purpose, now=clock.now())
    new = [letter for letter in await letters(core) if letter.id not in before]
    found = re.search(r"\d{4} \d{4}", new[0].text) if new else None
    return replace(asker, challenge=issued.challenge), found.group() if found else ""


async def letters(core: Core) -> list[mail.Letter]:
    return await core.database.read(mail.kept, core, now=clock.now())


async def count(core: Core, table: type[LoginCode] | type[Person] | type[SignIn]) -> int:
    return await core.database.read(lambda tx: tx.session.exec(select(func.count()).select_from(table)).one())


def other(code: str) -> str:
    """Eight digits that are not these."""
    return f"{(int(code.replace(' ', '')) + 1) % 10**8:08d}"


@pytest.mark.clause("2(2)")
async def test_the_code_from_the_letter_signs_its_reader_in(core: Core) -> None:
    browser, code = await ask(core)

    signed_in = await login.confirm(core, Typed(browser, code), now=clock.now())

    assert signed_in.is_new
    assert signed_in.caller.proof == "email_code"
    assert signed_in.caller.name == "a***@e***.com"
    assert await count(core, SignIn) == 1


async def test_the_second_time_the_same_address_is_the_same_person(core: Core, frozen: time_machine.Traveller) -> None:
    browser, code = await ask(core)
    first = await login.confirm(core, Typed(browser, code), now=clock.now())
    frozen.shift(120)
    browser, code = await ask(core, "ANNA@Example.COM")

    second = await login.confirm(core, Typed(browser, code), now=clock.now())

    assert second.caller.id == first.caller.id
    assert not second.is_new
    assert second.fresh.token != first.fresh.token


@pytest.mark.clause("2(2)")
@pytest.mark.both_engines
async def test_a_code_works_once(core: Core) -> None:
    browser, code = await ask(core)
    await login.confirm(core, Typed(browser, code), now=clock.now())

    with pytest.raises(WrongCode):
        await login.confirm(core, Typed(browser, code), now=clock.now())


async def test_an_expired_code_is_refused(core: Core) -> None:
    browser, code = await ask(core)

    with pytest.raises(WrongCode):
        await login.confirm(core, Typed(browser, code), now=clock.now() + 10 * MINUTE)

    await login.confirm(core, Typed(browser, code), now=clock.now() + 10 * MINUTE - 1)


@pytest.mark.clause("2(2)")
async def test_asking_again_makes_new_digits_and_voids_the_old(core: Core, frozen: time_machine.Traveller) -> None:
    browser, old = await ask(core)
    frozen.shift(60)
    again, new = await ask(core, asker=browser)

    with pytest.raises(WrongCode):
        await login.confirm(core, Typed(browser, old), now=clock.now())

    assert new != old
    assert await login.confirm(core, Typed(again, new), now=clock.now())


async def test_a_code_for_something_else_is_refused(core: Core) -> None:
    browser, code = await ask(core, purpose=CodePurpose.STEPUP_DELETE)

    with pytest.raises(WrongCode):
        await login.confirm(core, Typed(browser, code), now=clock.now())


async def test_a_code_typed_in_another_browser_is_refused(core: Core) -> None:
    browser, code = await ask(core)
    elsewhere, _ = await ask(core, "boris@example.com")

    for asker in (elsewhere, replace(browser, challenge="stolen"), replace(browser, challenge=None)):
        with pytest.raises(WrongCode):
            await login.confirm(core, Typed(asker, code), now=clock.now())

    assert await login.confirm(core, Typed(browser, code), now=clock.now())


async def test_every_code_that_does_not_work_is_refused_with_the_same_words(core: Core) -> None:
    browser, code = await ask(core)
    wrong = [
        Typed(browser, other(code)),
        Typed(browser, "12"),
        Typed(browser, "not a code"),
        Typed(browser, code, CodePurpose.GUARDIAN),
        Typed(replace(browser, challenge=None), code),
        Typed(replace(browser, challenge="x" * 5_000), code),
    ]

    refusals = []
    for typed in wrong:
        with pytest.raises(WrongCode) as refusal:
            await login.confirm(core, typed, now=clock.now())
        refusals.append((refusal.value.code, refusal.value.sentence, dict(refusal.value.fields), refusal.value.status))

    assert len(set(map(str, refusals))) == 1


async def test_the_sixth_try_is_refused_even_with_the_right_digits(core: Core) -> None:
    browser, code = await ask(core)
    for _ in range(5):
        with pytest.raises(WrongCode):
            await login.confirm(core, Typed(browser, other(code)), now=clock.now())

    with pytest.raises(WrongCode):
        await login.confirm(core, Typed(browser, code), now=clock.now())


@pytest.mark.both_engines
async def test_a_hundred_tries_at_the_same_instant_are_five(core: Core) -> None:
    browser, code = await ask(core)
    wrong = Typed(browser, other(code))

    tries = (core.database.write(codes.redeem, core, wrong, now=clock.now()) for _ in range(100))
    answers = await asyncio.gather(*tries)

    failures = await core.database.read(attempts.failures, codes.address_subject(core, ANNA))
    assert answers == [None] * 100
    assert failures == 5
    assert await core.database.write(codes.redeem, core, Typed(browser, code), now=clock.now()) is None


@pytest.mark.both_engines
async def test_of_a_hundred_right_tries_at_the_same_instant_one_signs_in(core: Core) -> None:
    browser, code = await ask(core)
    right = Typed(browser, code)

    tries = (core.database.write(codes.redeem, core, right, now=clock.now()) for _ in range(100))
    answers = await asyncio.gather(*tries)

    assert [answer for answer in answers if answer] == [ANNA]


async def test_a_browser_that_leaves_in_the_middle_leaves_a_readable_person(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser, code = await ask(core)
    queued, may_go_on, write = asyncio.Event(), threading.Event(), core.database.write
    busy = asyncio.create_task(write(lambda _: may_go_on.wait(10)))

    async def watched(*args: Any, **kwargs: Any) -> Any:  # Any: whatever is written
        asyncio.get_running_loop().call_soon(queued.set)
        return await write(*args, **kwargs)

    monkeypatch.setattr(core.database, "write", watched)
    confirming = asyncio.create_task(login.confirm(core, Typed(browser, code), now=clock.now()))
    await queued.wait()
    confirming.cancel()
    may_go_on.set()
    await asyncio.gather(busy, confirming, return_exceptions=True)
    await write(lambda _: None)

    person = await core.database.read(people.by_email, core.vault, ANNA)
    assert confirming.cancelled()
    assert person is not None
    assert people.email_of(core.vault, person) == ANNA


async def test_a_wrong_code_makes_neither_a_person_nor_a_sign_in(core: Core) -> None:
    browser, code = await ask(core)

    with pytest.raises(WrongCode):
        await login.confirm(core, Typed(browser, other(code)), now=clock.now())

    assert await count(core, Person) == 0
    assert await count(core, SignIn) == 0


@pytest.mark.parametrize("form", ["{0}{1}", " {0} {1} ", "{0}-{1}", "{0}\u3000{1}"])
async def test_the_digits_may_be_typed_as_they_come(core: Core, form: str) -> None:
    browser, code = await ask(core)
    wide = code.translate({ord(digit): chr(ord(digit) + 0xFEE0) for digit in "0123456789"})

    assert codes.plain_digits(form.format(*wide.split())) == code.replace(" ", "")
    assert await login.confirm(core, Typed(browser, form.format(*code.split())), now=clock.now())


async def test_known_and_unknown_addresses_get_the_same_answer_and_a_letter(core: Core) -> None:
    await people.enrol(core, ANNA, now=clock.now())

    known = await codes.request(core, ANNA, HOME, CodePurpose.LOGIN, now=clock.now())
    unknown = await codes.request(core, "nobody@example.com", HOME, CodePurpose.LOGIN, now=clock.now())

    assert (known.resend_ms, known.expires_ms) == (unknown.resend_ms, unknown.expires_ms)
    assert len(known.challenge) == len(unknown.challenge)
    assert sorted(letter.to for letter in await letters(core)) == [ANNA, "nobody@example.com"]


async def test_the_same_browser_is_told_to_wait_before_asking_again(core: Core) -> None:
    browser, _ = await ask(core)

    with pytest.raises(TooMany) as refusal:
        await ask(core, asker=browser)

    assert 59 * SECOND <= refusal.value.retry_ms <= 61 * SECOND


async def test_a_stranger_who_floods_a_mailbox_sees_the_usual_page_and_sends_nothing(core: Core) -> None:
    await ask(core)

    for _ in range(5):
        _, code = await ask(core, asker=replace(HOME, network="198.51.100.0/24"))
        assert code == ""

    assert len(await letters(core)) == 1


async def test_tags_and_dots_do_not_get_a_mailbox_more_letters(core: Core) -> None:
    await ask(core, "a.n.na@gmail.com")

    _, code = await ask(core, "anna+x@gmail.com")

    assert code == ""


async def test_one_network_asks_twenty_times_an_hour(core: Core) -> None:
    for number in range(20):
        await ask(core, f"shopper{number}@example.com")

    with pytest.raises(TooMany):
        await ask(core, "shopper20@example.com")
    assert (await ask(core, "shopper20@example.com", replace(HOME, network="198.51.100.0/24")))[1]


async def test_ten_failures_in_a_row_make_this_network_wait_and_no_other(core: Core) -> None:
    for _ in range(10):
        guesser = codes.guesser(core, ANNA, HOME.network)
        await core.database.write(attempts.record_failure, guesser, attempts.CODES, now=clock.now())

    with pytest.raises(TooMany) as refusal:
        await ask(core)
    _, code = await ask(core, asker=replace(HOME, network="198.51.100.0/24"))

    assert refusal.value.code == "wait_after_failures"
    assert refusal.value.retry_ms == MINUTE
    assert code


async def test_fifty_failures_from_many_networks_make_every_network_wait(core: Core) -> None:
    for number in range(50):
        guesser = codes.guesser(core, ANNA, f"198.51.{number}.0/24")
        await core.database.write(attempts.record_failure, guesser, attempts.CODES, now=clock.now())

    with pytest.raises(TooMany):
        await ask(core)


@pytest.mark.parametrize(
    ("failures", "wait"), [(9, 0), (10, MINUTE), (11, 2 * MINUTE), (15, 32 * MINUTE), (16, HOUR), (5_000, HOUR)]
)
def test_the_wait_doubles_up_to_an_hour(failures: int, wait: int) -> None:
    assert attempts.wait_ms(failures, attempts.CODES.here) == wait


async def test_a_hundred_failures_stop_letters_until_support_has_checked(
    core: Core, frozen: time_machine.Traveller
) -> None:
    guesser = codes.guesser(core, ANNA, "198.51.100.0/24")
    for _ in range(100):
        await core.database.write(attempts.record_failure, guesser, attempts.CODES, now=clock.now())
    frozen.shift(2 * 3_600)

    _, stopped = await ask(core)
    await core.database.write(attempts.forgive, guesser.subject)
    frozen.shift(61)
    _, sent = await ask(core)

    assert stopped == ""
    assert sent


async def test_success_ends_the_row_of_failures(core: Core) -> None:
    browser, code = await ask(core)
    await core.database.write(codes.redeem, core, Typed(browser, other(code)), now=clock.now())

    await login.confirm(core, Typed(browser, code), now=clock.now())

    assert await core.database.read(attempts.failures, codes.address_subject(core, ANNA)) == 0


@pytest.mark.clause("3(1)")
async def test_the_database_holds_neither_the_digits_nor_the_address_nor_the_challenge(core: Core) -> None:
    browser, code = await ask(core)
    assert browser.challenge is not None

    raw = b"".join(file.read_bytes() for file in core.settings.data.rglob("*") if file.is_file())

    for secret in (code, code.replace(" ", ""), ANNA, browser.challenge):
        assert secret.encode() not in raw


@pytest.mark.both_engines
async def test_old_codes_are_gone_when_the_next_is_made(core: Core) -> None:
    await ask(core)
    later = clock.now() + DAY

    await core.database.write(codes.issue, core, "boris@example.com", HOME, CodePurpose.LOGIN, now=later)

    assert await count(core, LoginCode) == 1


@pytest.mark.parametrize("text", ["My code is {0}.", "{0}", "請看：{1}，謝謝", "{2} {0}", "x{1}y"])
async def test_a_live_code_is_hidden_in_what_somebody_writes(core: Core, text: str) -> None:
    _, code = await ask(core)
    written = text.format(code, code.replace(" ", ""), other(code))

    hidden = core.database.read_now(codes.hide_live, core, written, now=clock.now())

    assert codes.may_hold_code(written)
    assert code not in hidden
    assert code.replace(" ", "") not in hidden
    assert "••••••••" in hidden
    if "{2}" in text:
        assert other(code) in hidden


async def test_other_digits_and_dead_codes_stay_as_they_were_written(core: Core) -> None:
    _, code = await ask(core)

    def hidden(text: str, now: int) -> str:
        return core.database.read_now(codes.hide_live, core, text, now=now)

    assert hidden(other(code), clock.now()) == other(code)
    assert hidden(code, clock.now() + 10 * MINUTE) == code
    assert not codes.may_hold_code("Order 10482, ０９１２３４５６７８, 12345 67890")


async def test_a_step_up_code_renews_the_token_of_its_own_person_only(
    core: Core, frozen: time_machine.Traveller
) -> None:
    browser, code = await ask(core)
    anna = await login.confirm(core, Typed(browser, code), now=clock.now())
    browser, code = await ask(core, "boris@example.com")
    boris = await login.confirm(core, Typed(browser, code), now=clock.now())
    frozen.shift(61)
    issued = await login.ask_again(core, anna.caller, HOME, CodePurpose.STEPUP_EXPORT, now=clock.now())
    digits = re.search(r"\d{4} \d{4}", (await letters(core))[0].text)
    assert digits is not None
    typed = Typed(replace(HOME, challenge=issued.challenge), digits.group(), CodePurpose.STEPUP_EXPORT)

    with pytest.raises(WrongCode):
        await login.step_up(core, boris.caller, replace(typed, text=other(digits.group())), now=clock.now())
    token = await login.step_up(core, anna.caller, typed, now=clock.now())

    assert token != anna.fresh.token


@pytest.mark.clause("5(2)1")
async def test_weighty_things_need_a_proof_of_the_last_ten_minutes(core: Core) -> None:
    browser, code = await ask(core)
    anna = (await login.confirm(core, Typed(browser, code), now=clock.now())).caller

    login.require_fresh_proof(core, anna, now=clock.now() + 10 * MINUTE - 1)

    for caller, later in ((anna, 10 * MINUTE), (replace(anna, kind="visitor"), 0), (replace(anna, proven_ms=None), 0)):
        with pytest.raises(NotAllowed) as refusal:
            login.require_fresh_proof(core, caller, now=clock.now() + later)
        assert refusal.value.code == "proof_needed"


async def test_what_is_no_address_is_refused_before_anything_happens(core: Core) -> None:
    with pytest.raises(Invalid) as refusal:
        await ask(core, "anna@example.com, boris@example.com")

    assert refusal.value.code == "email_syntax"
    assert await letters(core) == []
