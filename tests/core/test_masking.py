"""Masking: what staff see until they say why they need more."""

import itertools
import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from benchmarks import masking as scoring
from core import masking
from core.web import i18n


@pytest.mark.clause("3(1)")
@pytest.mark.parametrize(
    ("mask", "value", "shown"),
    [
        (masking.mask_name, "王小明", "王○明"),
        (masking.mask_name, "陳怡", "陳○"),
        (masking.mask_name, "歐陽娜娜", "歐○○娜"),
        (masking.mask_name, "陳", "○"),
        (masking.mask_name, "John Smith", "J*** S."),
        (masking.mask_name, "Cher", "C***"),
        (masking.mask_name, "  ", ""),
        (masking.mask_phone, "0912-345-678", "09**-***-678"),
        (masking.mask_phone, "０９１２３４５６７８", "09**-***-678"),
        (masking.mask_phone, "02 2345 6789", "***-***-789"),
        (masking.mask_phone, "12", "***"),
        (masking.mask_email, "amy@gmail.com", "a***@g***.com"),
        (masking.mask_email, "x@shop.com.tw", "x***@s***.tw"),
        (masking.mask_address, "台北市大安區和平東路一段1號", "台北市大安區***"),
        (masking.mask_address, "106 臺北市大安區和平東路", "臺北市大安區***"),
        (masking.mask_address, "12 High Street, Leeds", "***"),
        (masking.mask_tw_id, "A123456789", "A1*****789"),
        (masking.mask_tw_id, "A1", "***"),
        (masking.mask_card, "4242 4242 4242 4242", "**** 4242"),
        (masking.mask_channel_id, "U1234567890abcdef9f", "U12…9f"),
        (masking.mask_channel_id, "U12", "…"),
    ],
)
def test_a_field_shows_only_what_its_kind_allows(mask, value: str, shown: str) -> None:  # type: ignore[no-untyped-def]
    assert mask(value) == shown


@pytest.mark.parametrize(
    "text",
    [
        "4242424242424242",
        "my card is 4242 4242 4242 4242 thanks",
        "４２４２ ４２４２ ４２４２ ４２４２",
        "卡號4242-4242-4242-4242到期12/28",
        "4242.4242.4242.4242 03/29 123",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "3530111333300000",
        "6011111111111117",
        "30569309025904",
        "6250941006528599",
        "4242\n4242\n4242\n4242",
        "1234 4242 4242 4242 4242",
    ],
)
def test_a_card_number_is_found_however_it_is_written(text: str) -> None:
    stored = masking.mask_cards(text)

    assert "****" in stored
    assert len([sign for sign in stored if sign.isdecimal()]) < len([sign for sign in text if sign.isdecimal()]) - 8


@pytest.mark.parametrize(
    "text",
    [
        "4242 4242 4242 4241",
        "12345678901234567890",
        "#10482",
        "09:00-18:00 02-2345-6789",
        "9999999999999995",
        "",
        "²²²²",
    ],
)
def test_other_numbers_are_stored_as_they_were_typed(text: str) -> None:
    assert masking.mask_cards(text) == text


@given(some.text(max_size=300))
def test_masking_never_fails_and_spans_never_overlap(text: str) -> None:
    spans = masking.find_spans(text)

    assert all(0 <= span.start < span.stop <= len(text) for span in spans)
    assert all(one.stop <= other.start for one, other in itertools.pairwise(spans))


@given(some.randoms(use_true_random=False), some.sampled_from([" ", "-", "", " - "]))
def test_every_visa_number_is_found_and_a_wrong_check_digit_is_not(source: random.Random, between: str) -> None:
    body = "4" + "".join(source.choice("0123456789") for _ in range(14))
    check = next(digit for digit in "0123456789" if masking.is_card(body + digit))
    wrong = str((int(check) + 1) % 10)

    def spaced(digits: str) -> str:
        return between.join(digits[at : at + 4] for at in range(0, 16, 4))

    assert masking.find_cards(f"x {spaced(body + check)} y")
    assert not masking.find_cards(f"x {spaced(body + wrong)} y")


@pytest.mark.parametrize(
    ("number", "is_right"),
    [("A123456789", True), ("a123456789", True), ("A123456788", False), ("A800000014", True), ("A323456789", False)],
)
def test_a_taiwan_id_is_known_by_its_check_digit(number: str, is_right: bool) -> None:
    assert masking.is_tw_id(number) is is_right


@pytest.mark.clause("3(1)")
def test_free_text_is_shown_with_its_kinds_in_place_of_personal_data() -> None:
    text = (
        "我是A123456789，電話0912-345-678，寄到台北市大安區和平東路一段12號3樓，amy@example.com，卡4242424242424242。"
    )

    shown = masking.mask_text(text, lambda msgid: i18n.gettext("zh-Hant", msgid))

    assert shown == "我是［證號］，電話［電話］，寄到［地址］，［電子郵件］，卡［卡號］。"


def test_real_texts_keep_nothing_of_addresses_and_cards(shared_data: Path) -> None:
    texts = json.loads((shared_data / "personal-data" / "presidio-synth.json").read_text())
    emails = [(text, span) for text in texts for span in text["spans"] if span["entity_type"] == "EMAIL_ADDRESS"]
    cards = [
        (text, span)
        for text in texts
        for span in text["spans"]
        if span["entity_type"] == "CREDIT_CARD" and masking.is_card(span["entity_value"])
    ]

    left = [
        span["entity_value"]
        for text, span in (*emails, *cards)
        if span["entity_value"] in masking.mask_text(text["full_text"], str)
    ]

    assert len(emails) == 25
    assert len(cards) > 50
    assert left == []


@pytest.mark.clause("3(1)")
def test_what_shoppers_in_taiwan_write_hides_nothing_wrong_and_shows_nothing_right() -> None:
    scores = scoring.score(scoring.taiwanese(400))

    assert {kind: (each.recall, each.precision) for kind, each in scores.items()} == dict.fromkeys(
        masking.LABELS, (1.0, 1.0)
    )


def test_numbers_of_elsewhere_are_found_as_far_as_they_are_written_as_such(shared_data: Path) -> None:
    scores = scoring.score(scoring.labelled(shared_data / "personal-data" / "presidio-synth.json"))

    assert scores["card"].recall == scores["email"].recall == scores["email"].precision == 1.0
    assert (scores["phone"].recall or 0) > 0.8


@pytest.mark.parametrize(
    "text", ["2026-11-27 13:00", "27.11.2026", "ML-2039-1", "ISBN 978-3-16-148410-0", "NT$ 1 234 567"]
)
def test_dates_and_numbers_of_things_are_no_phone_numbers(text: str) -> None:
    assert masking.find_spans(text) == []
