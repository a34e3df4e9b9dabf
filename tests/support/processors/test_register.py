"""Nothing goes to anybody who is not in the register today, and never more than was agreed."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import select

from core import clock, ids
from core.clock import DAY
from core.database import Transaction
from core.identity import Role
from core.identity.callers import SYSTEM, Caller
from core.identity.permissions import Purpose
from core.ledger import ENTRY
from core.refusals import Invalid, NotAllowed, NotFound
from core.services import Core
from support.processors import register, web
from support.processors.models import Processor
from support.processors.register import Agreement, Delivery
from tests.support.desk.house import app_of, browser, member

NOW = 1_795_400_000_000
P2 = Purpose.P2_CONTRACT_AFTERSALES
OFFICER = Caller("staff", ids.new(), role=Role.PRIVACY_OFFICER, proof="password_totp")
CARRIER = Agreement("Fast Parcels", P2, ("order_number", "address"), "Taiwan", "C-2026-4", "ISO 27001, TLS", 365)


async def agreed(core: Core, agreement: Agreement = CARRIER) -> Processor:
    return await core.database.write(register.add, OFFICER, agreement, now=NOW)


async def delivered(core: Core, processor: str, *, now: int = NOW, purpose: Purpose = P2, **payload: str) -> object:
    delivery = Delivery(processor, ("order", "o1"), purpose, payload)
    return await core.database.write(register.passing, SYSTEM, delivery, now=now)


def entries(core: Core) -> list[tuple[str, str, str]]:
    def read(tx: Transaction) -> list[tuple[str, str, str]]:
        rows = tx.execute(select(ENTRY.c.action, ENTRY.c.object_id, ENTRY.c.result).order_by(ENTRY.c.seq))
        return [(row.action, row.object_id, row.result) for row in rows]

    return core.database.read_now(read)


@pytest.mark.both_engines
@pytest.mark.clause("3(4)")
async def test_a_delivery_within_the_agreement_passes_and_leaves_an_entry_without_content(core: Core) -> None:
    carrier = await agreed(core)

    sent = await delivered(core, carrier.id, order_number="10482", address="Tea Street 1")

    assert sent == {"order_number": "10482", "address": "Tea Street 1"}
    assert entries(core)[-1] == ("delivery.pass", "o1", f"to-{carrier.id}.fields-2")
    assert "10482" not in str(entries(core))


@pytest.mark.clause("4(1)9")
async def test_one_field_more_than_agreed_stops_the_whole_delivery(core: Core) -> None:
    carrier = await agreed(core)

    with pytest.raises(NotAllowed, match="processor_fields"):
        await delivered(core, carrier.id, order_number="10482", text="what she wrote")

    assert entries(core)[-1][0] == "processor.add"


@pytest.mark.clause("4(1)8")
async def test_a_partner_gets_nothing_for_another_purpose(core: Core) -> None:
    carrier = await agreed(core)

    with pytest.raises(NotAllowed, match="processor_purpose"):
        await delivered(core, carrier.id, purpose=Purpose.P3_MARKETING, order_number="10482")


@pytest.mark.clause("3(4)")
async def test_nothing_goes_to_somebody_who_is_not_in_the_register(core: Core) -> None:
    with pytest.raises(NotAllowed, match="processor_missing"):
        await delivered(core, ids.new(), order_number="10482")


@pytest.mark.clause("4(1)9")
async def test_nothing_goes_out_from_the_day_on_which_the_agreement_ends(core: Core) -> None:
    carrier = await agreed(core)

    await delivered(core, carrier.id, now=NOW + 365 * DAY - 1, order_number="10482")
    with pytest.raises(NotAllowed, match="processor_expired"):
        await delivered(core, carrier.id, now=NOW + 365 * DAY, order_number="10482")


@pytest.mark.clause("4(1)9")
async def test_nothing_goes_out_after_the_connection_was_closed(core: Core) -> None:
    carrier = await agreed(core)
    await core.database.write(register.end, OFFICER, carrier.id, now=NOW)

    with pytest.raises(NotAllowed, match="processor_expired"):
        await delivered(core, carrier.id, order_number="10482")
    with pytest.raises(NotFound):
        await core.database.write(register.end, OFFICER, carrier.id, now=NOW)


@pytest.mark.clause("3(4)")
@pytest.mark.parametrize(
    "wrong",
    [
        {"name": " "},
        {"region": ""},
        {"security": ""},
        {"contract": "see mail of Ann"},
        {"fields": ()},
        {"fields": ("everything, please",)},
        {"purpose": "P9"},
        {"days": 0},
        {"days": 4000},
    ],
)
async def test_an_agreement_must_say_everything(core: Core, wrong: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        await agreed(core, replace(CARRIER, **wrong))  # type: ignore[arg-type]  # one wrong value each

    await agreed(core)


@pytest.mark.clause("4(2)2")
@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR])
async def test_only_an_officer_opens_and_closes_connections(core: Core, role: Role) -> None:
    carrier = await agreed(core)
    other = Caller("staff", ids.new(), role=role, proof="password_totp")

    with pytest.raises(NotFound):
        await core.database.write(register.add, other, CARRIER, now=NOW)
    with pytest.raises(NotFound):
        await core.database.write(register.end, other, carrier.id, now=NOW)


@pytest_asyncio.fixture
async def page(core: Core) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app_of(core, web.routes)) as client:
        yield client


@pytest.mark.clause("3(4)")
async def test_an_officer_adds_and_closes_on_the_page_and_an_administrator_reads(
    core: Core, page: httpx.AsyncClient
) -> None:
    iris, ada = await member(core, "iris", Role.PRIVACY_OFFICER), await member(core, "ada", Role.ADMIN)
    fields = {**vars(CARRIER), "fields": "order_number, address", "days": "365", "csrf_token": iris.csrf}

    added = await page.post("/processors", data=fields, headers=iris.page)
    wrong = await page.post("/processors", data={**fields, "contract": "none at all"}, headers=iris.page)
    read = await page.get("/processors", headers=ada.page)
    (row,) = core.database.read_now(register.every, SYSTEM)
    refused = await page.post(f"/processors/{row.id}/end", data={"csrf_token": ada.csrf}, headers=ada.page)
    closed = await page.post(f"/processors/{row.id}/end", data={"csrf_token": iris.csrf}, headers=iris.page)

    assert (added.status_code, wrong.status_code, refused.status_code, closed.status_code) == (303, 422, 404, 303)
    assert "Fast Parcels" in read.text
    assert f"/processors/{row.id}/end" not in read.text
    assert not core.database.read_now(register.every, SYSTEM)[0].is_valid(now=clock.now())


@pytest.mark.clause("4(2)2")
@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPERVISOR])
async def test_others_do_not_find_the_register(core: Core, page: httpx.AsyncClient, role: Role) -> None:
    kim = await member(core, "kim", role)

    assert (await page.get("/processors", headers=kim.page)).status_code == 404
