"""The shapes are pure: whatever comes in, an order or a reason comes out."""

import io
import re
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.web import i18n
from support.orders.detail import Rejected, ShopOrder, Status, decode, encode
from support.orders.orders import LABELS
from support.orders.shapes import retail, shopify, table
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "orders-csv.md"
BREAKS = ',"\r\n'
CELLS = st.one_of(st.text(max_size=30), st.sampled_from(["1", "USD", "pending", "a@example.com", "A-1", '"', "a=b"]))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
ORDER_JSON = st.fixed_dictionaries(
    {
        "id": st.integers() | JSON,
        "name": st.text(max_size=5) | JSON,
        "currency": st.sampled_from(["USD", "TWD", "usd", "?"]) | JSON,
        "total_price": st.sampled_from(["1.00", "-1", "1.001", "NaN", "1e400", "x"]) | JSON,
        "created_at": st.sampled_from(["2008-01-10T11:00:00-05:00", "2008-01-10", "0001-01-01T00:00:00+14:00"]) | JSON,
        "email": st.sampled_from(["a@example.com", "", None]) | JSON,
        "line_items": JSON,
        "financial_status": JSON,
    }
)


def read_table(text: str) -> list[ShopOrder | Rejected]:
    return list(table.read(io.StringIO(text, newline=""), zone="Asia/Taipei"))


@given(st.lists(st.lists(CELLS, max_size=8), max_size=5))
def test_any_csv_gives_orders_or_reasons(rows: list[list[str]]) -> None:
    text = ",".join(table.REQUIRED) + ",quantity,options\n" + "\n".join(",".join(row) for row in rows)

    found = read_table(text)

    assert all(isinstance(entry, ShopOrder | Rejected) for entry in found)


@given(ORDER_JSON)
def test_any_shopify_payload_gives_an_order_or_a_reason(payload: object) -> None:
    [found] = shopify.read([msgspec.Raw(msgspec.json.encode(payload))])

    assert isinstance(found, ShopOrder | Rejected)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3), st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_any_retail_export_gives_orders_or_reasons(orders: dict[str, object], users: dict[str, object]) -> None:
    raw_orders = {name: msgspec.Raw(msgspec.json.encode(order)) for name, order in orders.items()}
    raw_users = {name: msgspec.Raw(msgspec.json.encode(user)) for name, user in users.items()}

    found = list(retail.read(raw_orders, raw_users, currency="USD"))

    assert len(found) == len(orders)


@given(st.text(max_size=200))
def test_a_reason_never_repeats_what_the_record_says(secret: str) -> None:
    marked = "canary" + "".join(sign for sign in secret if sign not in BREAKS)
    text = ",".join(table.REQUIRED) + f"\nA-1,a@example.com,{marked},Cup,{marked},USD\n"

    [entry] = read_table(text)

    assert isinstance(entry, Rejected)
    assert "canary" not in entry.why


def test_lines_with_the_same_number_are_one_order_wherever_they_stand() -> None:
    text = (
        "order_number,email,status,item,unit_price,currency,quantity\n"
        "A-1,a@example.com,pending,Cup,4.50,USD,2\n"
        "B-1,b@example.com,pending,Pot,9,USD,1\n"
        "#a-1,a@example.com,pending,Lid,0.55,USD,1\n"
    )

    first, second = read_table(text)

    assert isinstance(first, ShopOrder)
    assert isinstance(second, ShopOrder)
    assert [line.name for line in first.detail.lines] == ["Cup", "Lid"]
    assert first.detail.total == Decimal("9.55")
    assert second.detail.number == "B-1"


def test_cells_may_hold_commas_quotes_and_line_ends() -> None:
    text = 'order_number,email,status,item,unit_price,currency\nA-1,a@example.com,pending,"Cup, ""tall""\nblue",1,USD\n'

    [order] = read_table(text)

    assert isinstance(order, ShopOrder)
    assert order.detail.lines[0].name == 'Cup, "tall"\nblue'


@pytest.mark.parametrize(
    ("written", "placed_ms"),
    [
        ("2026-11-24", 1_795_449_600_000 + 0),
        ("2026-11-24T14:05", 1_795_500_300_000),
        ("2026-11-24T14:05+00:00", 1_795_529_100_000),
    ],
)
def test_dates_without_a_zone_are_the_shops(written: str, placed_ms: int) -> None:
    text = (
        f"order_number,email,status,item,unit_price,currency,placed_at\nA-1,a@example.com,pending,Cup,1,USD,{written}\n"
    )

    [order] = read_table(text)

    assert isinstance(order, ShopOrder)
    assert order.placed_ms == placed_ms


def test_the_page_about_csv_names_every_column_and_no_other() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", PAGE.read_text(), re.MULTILINE)

    named = {name for row in rows for name in re.findall(r"`([a-z0-9_]+)`", row)}

    assert named == {*table.REQUIRED, *table.OPTIONAL}


def test_the_example_on_the_page_about_csv_can_be_imported() -> None:
    examples = re.findall(r"```csv\n(.*?)```", PAGE.read_text(), re.DOTALL)

    [[order]] = [read_table(example) for example in examples]

    assert isinstance(order, ShopOrder)
    assert order.detail.total == Decimal(1920)


def test_an_order_is_the_same_after_it_was_sealed_and_opened() -> None:
    text = "order_number,email,status,item,unit_price,currency\nA-1,a@example.com,pending,杯子,0.10,USD\n"
    [order] = read_table(text)
    assert isinstance(order, ShopOrder)

    assert decode(encode(order.detail)) == order.detail


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_words_in_both_languages(status: Status) -> None:
    words = LABELS[status]

    assert i18n.gettext("zh-Hant", words) != words
