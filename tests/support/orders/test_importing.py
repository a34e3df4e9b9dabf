"""Taking the shop's orders in."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from core.identity import people
from core.ids import PersonId
from core.services import Core
from support.orders import orders
from support.orders.documents import Kind
from support.orders.importing import Tally, import_files
from support.orders.orders import OrderView
from tests.support.orders.conftest import HeardReport

NOW = 1_800_000_000_000
HEADER = "order_number,email,status,item,quantity,unit_price,currency,options,payment_brand,payment_last4\n"


def person_id(core: Core, email: str) -> PersonId:
    person = core.database.read_now(people.by_email, core.vault, email)
    assert person is not None
    return PersonId(person.id)


def orders_of(core: Core, email: str) -> list[OrderView]:
    return core.database.read_now(orders.of_person, core.vault, person_id(core, email))


def one_by_number(core: Core, number: str) -> OrderView:
    [order] = core.database.read_now(orders.by_number, core.vault, number)
    return order


@pytest.mark.both_engines
async def test_every_order_of_the_retail_export_goes_in(core: Core, report: HeardReport, shared_data: Path) -> None:
    files = [shared_data / "retail" / "orders.json"]

    tally = await import_files(core, files, report, currency="USD", now=NOW)

    recorded = json.loads(files[0].read_text())
    assert tally == Tally(added=len(recorded))
    assert len(recorded) > 600
    assert report.steps[-1] == ("orders.json", len(recorded), len(recorded))


async def test_an_imported_order_says_what_the_shop_said_to_the_last_cent(
    core: Core, report: HeardReport, shared_data: Path
) -> None:
    await import_files(core, [shared_data / "retail" / "orders.json"], report, currency="USD", now=NOW)

    order = one_by_number(core, "#W4817420")

    assert order.total == Decimal("1380.79")
    assert [line.unit_price for line in order.lines][:2] == [Decimal("47.76"), Decimal("463.04")]
    assert order.lines[0].options == {"capacity": "750ml", "material": "stainless steel", "color": "red"}
    assert order.recipient.address == "996 Cedar Street, Suite 656, San Antonio, TX 78234, USA"
    assert order.shipments[0].tracking == ["490313116609"]
    assert order.status_label == "Delivered"


async def test_all_orders_of_a_buyer_are_hers_and_nobody_elses(
    core: Core, report: HeardReport, shared_data: Path
) -> None:
    folder = shared_data / "retail"
    users = [user for user in json.loads((folder / "users.json").read_text()).values() if user["orders"]]
    await import_files(core, [folder / "orders.json"], report, currency="USD", now=NOW)

    found = {user["email"]: {order.number for order in orders_of(core, user["email"])} for user in users}

    assert found == {user["email"]: set(user["orders"]) for user in users}


async def test_a_second_import_changes_nothing(core: Core, report: HeardReport, shared_data: Path) -> None:
    files = [shared_data / "retail" / "orders.json"]
    first = await import_files(core, files, report, currency="USD", now=NOW)

    second = await import_files(core, files, report, currency="USD", now=NOW + 1)

    assert second == Tally(unchanged=first.added)


async def test_a_changed_order_is_changed_in_place(core: Core, report: HeardReport, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(HEADER + "A-1,ann@example.com,pending,Cup,1,10,USD,,,\n")
    await import_files(core, [file], report, now=NOW)
    before = one_by_number(core, "A-1")
    file.write_text(HEADER + "A-1,ann@example.com,shipped,Cup,2,10,USD,,,\n")

    tally = await import_files(core, [file], report, now=NOW + 1)

    after = one_by_number(core, "A-1")
    assert tally == Tally(changed=1)
    assert (after.id, after.status, after.total) == (before.id, "shipped", Decimal(20))


async def test_an_order_that_changes_its_buyer_leaves_the_first_one(
    core: Core, report: HeardReport, tmp_path: Path
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(HEADER + "A-1,ann@example.com,pending,Cup,1,10,USD,,,\n")
    await import_files(core, [file], report, now=NOW)
    file.write_text(HEADER + "A-1,bea@example.com,pending,Cup,1,10,USD,,,\n")

    await import_files(core, [file], report, now=NOW + 1)

    assert orders_of(core, "ann@example.com") == []
    assert [order.number for order in orders_of(core, "bea@example.com")] == ["A-1"]


async def test_an_imported_buyer_has_proved_nothing_yet(core: Core, report: HeardReport, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(HEADER + "A-1,Ann@Example.com,pending,Cup,1,10,USD,,,\n")

    await import_files(core, [file], report, now=NOW)

    person = core.database.read_now(people.by_email, core.vault, "ann@example.com")
    assert person is not None
    assert person.verified_ms is None


async def test_shopify_payloads_go_in_and_a_listing_without_articles_takes_none_away(
    core: Core, report: HeardReport, shared_data: Path
) -> None:
    files = [shared_data / "shopify" / "order.json", shared_data / "shopify" / "orders.json"]

    tally = await import_files(core, files, report, now=NOW)

    order = one_by_number(core, "1001")
    assert tally == Tally(added=1, changed=1)
    assert order.total == Decimal("598.94")
    assert [line.name for line in order.lines] == ["IPod Nano - 8gb"] * 3
    assert order.placed_ms == 1_199_980_800_000


@pytest.mark.clause("2(3)")
async def test_of_a_card_only_the_last_four_digits_are_kept(
    core: Core, report: HeardReport, shared_data: Path, tmp_path: Path
) -> None:
    document = json.loads((shared_data / "shopify" / "order.json").read_text())
    document["order"]["payment_details"]["credit_card_number"] = "4242424242424242"
    document["order"]["line_items"][0]["properties"] = [{"name": "note", "value": "card 4111 1111 1111 1111 please"}]
    file = tmp_path / "order.json"
    file.write_text(json.dumps(document))

    await import_files(core, [file], report, now=NOW)

    order = one_by_number(core, "1001")
    assert order.payments[0].last_four == "4242"
    assert order.lines[0].options["note"] == "card **** 1111 please"


@pytest.mark.clause("2(3)")
async def test_a_card_number_in_the_column_of_last_digits_is_refused_without_repeating_it(
    core: Core, report: HeardReport, tmp_path: Path
) -> None:
    file = tmp_path / "orders.csv"
    file.write_text(HEADER + "A-1,ann@example.com,pending,Cup,1,10,USD,,visa,4242424242424242\n")

    tally = await import_files(core, [file], report, now=NOW)

    assert tally == Tally(rejected=1)
    assert "4242" not in "".join(report.lines)


@pytest.mark.parametrize(
    ("line", "where", "why"),
    [
        ("A-1,not an address,pending,Cup,1,10,USD,,,", "line 2", "e-mail"),
        ("A-1,ann@example.com,flying,Cup,1,10,USD,,,", "line 2", "status"),
        ("A-1,ann@example.com,pending,Cup,1,ten,USD,,,", "line 2", "not a number"),
        ("A-1,ann@example.com,pending,Cup,1,NaN,USD,,,", "line 2", "not a number"),
        ("A-1,ann@example.com,pending,Cup,1,-3,USD,,,", "line 2", "negative"),
        ("A-1,ann@example.com,pending,Cup,1,1e999999,USD,,,", "line 2", "too large"),
        ("A-1,ann@example.com,pending,Cup,1,1.005,USD,,,", "line 2", "decimals"),
        ("A-1,ann@example.com,pending,Cup,1,10,DOGE,,,", "line 2", "Expected `str` matching regex"),
        ("A-1,ann@example.com,pending,Cup,1,10,QQQ,,,", "line 2", "currency"),
        ("A-1,ann@example.com,pending,Cup,0,10,USD,,,", "line 2", "quantity"),
        ("A-1,ann@example.com,pending,Cup,two,10,USD,,,", "line 2", "quantity"),
        ("A-1,ann@example.com,pending,Cup,1,10,USD,red,,", "line 2", "options"),
        ("A-1,ann@example.com,pending,,1,10,USD,,,", "line 2", "item is empty"),
        ("#,ann@example.com,pending,Cup,1,10,USD,,,", "line 2", "order number"),
        ("A-1,ann@example.com,pending", "line 2", "3 cells under 10 headings"),
        ('A-1,"ann@example.com', "line 2", "cannot be read from here"),
    ],
)
async def test_a_bad_line_is_named_with_its_reason_and_the_others_go_in(
    core: Core, report: HeardReport, tmp_path: Path, line: str, where: str, why: str
) -> None:
    file = tmp_path / "orders.csv"
    good = "B-2,bea@example.com,pending,Cup,1,10,USD,,,\n"
    is_broken_quote = line.endswith('"ann@example.com')
    file.write_text(HEADER + line + "\n" + ("" if is_broken_quote else good))

    tally = await import_files(core, [file], report, now=NOW)

    assert tally == Tally(added=0 if is_broken_quote else 1, rejected=1)
    assert where in report.lines[0]
    assert why in report.lines[0]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("orders.json", b"[1, 2"),
        ("orders.json", b"[]"),
        ("orders.json", b'{"orders": 7}'),
        ("orders.json", b'{"a": {"b": 1}}'),
        ("orders.json", b"\xff\xfe\x00"),
        ("orders.json", b"[" * 100_000),
        ("orders.json", b'{"#1": {"order_id": "#1"}}'),
        ("orders.csv", b"a,b,c\n1,2,3\n"),
        ("orders.csv", b""),
        ("orders.csv", "訂單".encode("big5")),
    ],
)
async def test_a_file_that_is_no_file_of_orders_is_named_with_a_reason(
    core: Core, report: HeardReport, tmp_path: Path, name: str, content: bytes
) -> None:
    file = tmp_path / name
    file.write_bytes(content)

    tally = await import_files(core, [file], report, now=NOW)

    assert tally == Tally(rejected=1)
    assert report.lines[0].startswith(f"{name}, file: left out, ")


@pytest.mark.parametrize("kind", list(Kind))
async def test_a_forced_kind_that_does_not_fit_is_a_reason_and_not_a_crash(
    core: Core, report: HeardReport, tmp_path: Path, kind: Kind
) -> None:
    file = tmp_path / "file.json"
    file.write_text('{"a": 1}')

    tally = await import_files(core, [file], report, kind=kind, now=NOW)

    assert tally.total == tally.rejected == 1


async def test_a_missing_file_is_a_reason_too(core: Core, report: HeardReport, tmp_path: Path) -> None:
    tally = await import_files(core, [tmp_path / "nothing.csv"], report, now=NOW)

    assert tally == Tally(rejected=1)


async def test_bad_records_of_a_json_file_are_left_out_one_by_one(
    core: Core, report: HeardReport, shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "retail"
    recorded = json.loads((folder / "orders.json").read_text())
    names = list(recorded)[:5]
    some = {name: recorded[name] for name in names}
    some[names[1]]["user_id"] = "nobody"
    some[names[2]]["status"] = "lost at sea"
    del some[names[3]]["items"]
    file = tmp_path / "orders.json"
    file.write_text(json.dumps(some))

    tally = await import_files(core, [file, folder / "users.json"], report, currency="USD", now=NOW)

    assert tally == Tally(added=2, rejected=3)
    assert [line.split(": ")[0] for line in report.lines] == [f"orders.json, record {n}" for n in (2, 3, 4)]


async def test_a_payload_of_something_else_is_not_taken_for_orders(
    core: Core, report: HeardReport, shared_data: Path
) -> None:
    files = [shared_data / "shopify" / name for name in ("refund.json", "customer.json", "draft_order.json")]

    tally = await import_files(core, files, report, now=NOW)

    assert tally == Tally(rejected=3)
    assert all("not a file of orders" in line for line in report.lines)


async def test_users_and_products_named_beside_the_orders_are_passed_over(
    core: Core, report: HeardReport, shared_data: Path
) -> None:
    folder = shared_data / "retail"
    files = [folder / name for name in ("products.json", "users.json", "orders.json")]

    tally = await import_files(core, files, report, currency="USD", now=NOW)

    assert tally.rejected == 0
    assert tally.added > 600


async def test_a_buyer_who_turns_up_meanwhile_keeps_her_own_key(
    core: Core, report: HeardReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between making a new person's key and writing her order she may sign in for herself."""
    file = tmp_path / "orders.csv"
    file.write_text(HEADER + "A-1,ann@example.com,pending,Cup,1,10,USD,,,\n")
    make_keys = core.vault.create_many

    async def while_she_signs_in(pairs: list[tuple[str, str]]) -> object:
        keys = await make_keys(pairs)
        monkeypatch.undo()
        await people.enrol(core, "ann@example.com", now=NOW)
        return keys

    monkeypatch.setattr(core.vault, "create_many", while_she_signs_in)
    await import_files(core, [file], report, now=NOW)

    assert [order.number for order in orders_of(core, "ann@example.com")] == ["A-1"]
    assert [stone.reason for stone in await core.vault.tombstones()] == ["unused"]


@pytest.mark.clause("3(1)")
async def test_nothing_that_the_orders_say_lies_readable_on_disk(
    core: Core, report: HeardReport, shared_data: Path, tmp_path: Path
) -> None:
    await import_files(core, [shared_data / "retail" / "orders.json"], report, currency="USD", now=NOW)
    canaries = [b"W4817420", b"ava.moore6020", b"Ava Moore", b"996 Cedar Street", b"Water Bottle", b"490313116609"]

    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    found = [(file.name, canary) for file in files for canary in canaries if canary in file.read_bytes()]

    assert found == []
    assert any(file.stat().st_size > 100_000 for file in files)
