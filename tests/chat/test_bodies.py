"""What a client may write: limits that both databases and both browsers survive."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import bodies, nesting, protocol
from chat.protocol import BadFrame
from core.refusals import Invalid


@pytest.mark.parametrize(
    "text",
    ["ok", "x" * 4_000, "訊" * 4_000, "e" + "\u0301" * 8, "👩‍👩‍👧‍👦", "\u202eevil", "two\nlines\tand a tab"],
)
def test_what_people_write_is_taken_as_it_is(text: str) -> None:
    assert bodies.check_text(text) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "text_empty"),
        (" \n\t ", "text_empty"),
        ("x" * 4_001, "text_too_long"),
        ("👋" * 4_000 + "!", "text_too_long"),
        ("a\0b", "text_characters"),
        ("\ud800", "text_characters"),
        ("e" + "\u0301" * 9, "text_characters"),
    ],
)
def test_what_cannot_be_stored_is_refused_with_its_reason(text: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        bodies.check_text(text)

    assert refused.value.code == code


@given(st.text())
def test_every_text_is_either_taken_whole_or_refused(text: str) -> None:
    try:
        taken = bodies.check_text(text)
    except Invalid:
        return

    assert taken == text
    assert len(taken.encode()) <= bodies.TEXT_BYTES


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("message", b'{"text": 1}'),
        ("message", b"{}"),
        ("media", b'{"attachment": 7}'),
        ("rating", b'{"score": 6}'),
        ("rating", b'{"score": 4.5}'),
        ("assigned", b'{"to": "me"}'),
        ("erased", b"{}"),
    ],
)
def test_a_body_that_is_not_of_its_kind_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(Invalid):
        bodies.read(kind, body)


@pytest.mark.parametrize("name", ["", "x", "0" * 31, "0" * 33, "A" * 32, "0" * 32 + "\n", "../" * 12])
def test_an_id_that_is_no_uuid_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        bodies.check_client_id(name)


@given(st.text(alphabet='{}[]",:\\ntrue1 ', max_size=200))
def test_no_text_makes_the_parser_do_anything_but_read_or_refuse(text: str) -> None:
    try:
        frames = protocol.parse(text)
    except BadFrame:
        return

    assert isinstance(frames, list)


@given(st.recursive(st.none() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3), max_leaves=30))
def test_nesting_is_told_without_parsing(value: object) -> None:
    def depth(node: object) -> int:
        return 1 + max(map(depth, node), default=0) if isinstance(node, list) else 0

    text = msgspec.json.encode(value).decode()

    assert nesting.is_deeper(text, 3) == (depth(value) > 3)
