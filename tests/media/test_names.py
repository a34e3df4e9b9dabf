"""A name is a harmless label and its extension tells the truth."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media import names
from media.types import JPEG, PNG


@pytest.mark.parametrize(
    ("declared", "label"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd.jpg"),
        ("..\\x", "x.jpg"),
        ("C:\\a", "a.jpg"),
        ("a\0b.jpg", "ab.jpg"),
        ("CON", "_CON.jpg"),
        ("con.jpg", "_con.jpg"),
        (".htaccess", "htaccess.jpg"),
        ("photo\u202egpj.exe", "photogpj.exe.jpg"),
        ("", "image.jpg"),
        ("生日照片.JPG", "生日照片.JPG"),
        ("e\u0301.jpg", "\u00e9.jpg"),
    ],
)
def test_a_name_is_made_harmless(declared: str, label: str) -> None:
    assert names.clean(declared, JPEG) == label


@given(st.text(max_size=5_000))
def test_whatever_was_declared_the_label_is_short_and_visible(declared: str) -> None:
    label = names.clean(declared, PNG)

    assert 0 < len(label) <= 120
    assert label.isprintable()
    assert label.lower().endswith((".png", ".apng"))
    assert not set(label) & set('/\\<>:"|?*')
    assert names.disposition("attachment", label).isascii()
