"""Sign-ins: opaque tokens that end by themselves, when told to, and never come back."""

import asyncio

import pytest

from core.clock import DAY, HOUR, MINUTE, SECOND
from core.hub import SIGN_OUT, hint
from core.identity import Role, signins
from core.identity.callers import Kind
from core.identity.signins import Fresh, Held, Holder
from core.services import Core

ANNA = Holder("person", "anna", "email_code")
MEI = Holder("staff", "mei", "password_totp", role=Role.AGENT)
NOW = 1_795_000_000_000


async def start(core: Core, holder: Holder = ANNA, *, now: int = NOW) -> Fresh:
    return await core.database.write(signins.start, core.hub, holder, now=now)


async def find(core: Core, token: str, kind: Kind = "person", *, now: int = NOW) -> Held | None:
    return await core.database.read(signins.find, token, kind, now=now)


async def test_a_token_names_its_sign_in(core: Core) -> None:
    fresh = await start(core)

    known = await find(core, fresh.token)

    assert known is not None
    assert (known.caller_id, known.proven_ms) == ("anna", NOW)


@pytest.mark.parametrize("token", ["", "x", "\ud800", "0" * 10_000])
async def test_any_other_token_names_nothing(core: Core, token: str) -> None:
    await start(core)

    assert await find(core, token) is None


async def test_a_persons_token_is_no_staff_token(core: Core) -> None:
    fresh = await start(core)

    assert await find(core, fresh.token, "staff") is None


@pytest.mark.clause("3(1)")
async def test_the_database_holds_no_token(core: Core) -> None:
    fresh = await start(core)

    raw = b"".join(file.read_bytes() for file in core.settings.data.rglob("*") if file.is_file())

    assert fresh.token.encode() not in raw


@pytest.mark.parametrize(
    ("holder", "idle"),
    [
        (ANNA, 2 * HOUR),
        (Holder("visitor", "g1", "guest"), DAY),
        (MEI, 30 * MINUTE),
        (Holder("staff", "ada", "password_totp", role=Role.ADMIN), 15 * MINUTE),
        (Holder("staff", "otto", "password_totp", role=Role.PRIVACY_OFFICER), 15 * MINUTE),
    ],
)
async def test_a_sign_in_ends_when_it_is_not_used(core: Core, holder: Holder, idle: int) -> None:
    fresh = await start(core, holder)

    assert await find(core, fresh.token, holder.kind, now=NOW + idle - 1)
    assert await find(core, fresh.token, holder.kind, now=NOW + idle) is None


async def test_use_keeps_a_sign_in_alive_but_not_beyond_its_end(core: Core) -> None:
    fresh = await start(core, MEI)
    now = NOW
    while now + 29 * MINUTE < NOW + 12 * HOUR:
        now += 29 * MINUTE
        assert await find(core, fresh.token, "staff", now=now)
        await core.database.write(signins.touch, fresh.id, now=now)

    assert await find(core, fresh.token, "staff", now=NOW + 12 * HOUR) is None


@pytest.mark.both_engines
async def test_a_replaced_token_lasts_thirty_seconds_more(core: Core) -> None:
    fresh = await start(core)
    known = await find(core, fresh.token)
    assert known is not None
    assert signins.is_due(known, now=NOW + 8 * HOUR)
    now = NOW + HOUR

    token = await core.database.write(signins.rotate, known, now=now)

    assert token is not None
    assert await find(core, token, now=now)
    assert await find(core, fresh.token, now=now + 30 * SECOND - 1)
    assert await find(core, fresh.token, now=now + 30 * SECOND) is None


@pytest.mark.both_engines
async def test_of_two_replacements_at_the_same_instant_one_counts(core: Core) -> None:
    fresh = await start(core)
    known = await find(core, fresh.token)
    assert known is not None

    tokens = await asyncio.gather(*(core.database.write(signins.rotate, known, now=NOW) for _ in range(5)))

    assert len([token for token in tokens if token]) == 1


async def test_proving_again_kills_the_old_token_at_once(core: Core) -> None:
    fresh = await start(core)

    token = await core.database.write(signins.prove_again, fresh.id, now=NOW + MINUTE)

    assert token is not None
    assert await find(core, fresh.token, now=NOW + MINUTE) is None
    renewed = await find(core, token, now=NOW + MINUTE)
    assert renewed is not None
    assert renewed.proven_ms == NOW + MINUTE


@pytest.mark.clause("3(3)")
@pytest.mark.both_engines
async def test_a_sixth_sign_in_ends_the_oldest(core: Core) -> None:
    tokens = [(await start(core, now=NOW + number)).token for number in range(6)]

    live = [await find(core, token, now=NOW + 10) is not None for token in tokens]

    assert live == [False, True, True, True, True, True]


async def test_an_ended_sign_in_is_announced_so_that_its_sockets_close(core: Core) -> None:
    heard: list[tuple[str, bytes]] = []
    core.hub.subscribe(lambda channel, packed: heard.append((channel, packed)))
    fresh = await start(core)

    assert await core.database.write(signins.end, core.hub, fresh.id)

    assert await find(core, fresh.token) is None
    assert not await core.database.read(signins.live, [fresh.id], now=NOW)
    assert heard == [(SIGN_OUT, hint(fresh.id))]


async def test_signing_out_everywhere_ends_all_of_hers_and_nobody_elses(core: Core) -> None:
    hers = [await start(core) for _ in range(3)]
    his = await start(core, Holder("person", "boris", "email_code"))

    ended = await core.database.write(signins.end_all, core.hub, "person", "anna")

    assert ended == 3
    assert [await find(core, fresh.token) for fresh in hers] == [None] * 3
    assert await find(core, his.token)


async def test_a_sign_in_of_somebody_else_cannot_be_ended(core: Core) -> None:
    his = await start(core, Holder("person", "boris", "email_code"))

    assert not await core.database.write(signins.end_own, core.hub, "person", "anna", his.id)
    assert await core.database.write(signins.end_own, core.hub, "person", "boris", his.id)


async def test_the_sweep_deletes_what_has_ended_and_nothing_else(core: Core) -> None:
    await start(core, now=NOW - 3 * HOUR)
    alive = await start(core)

    swept = await core.database.write(signins.sweep, now=NOW)

    assert swept == 1
    assert await find(core, alive.token)
