"""The confidentiality agreement: a year, and a fortnight for signing a new text."""

import pytest

from core.clock import DAY
from core.identity import agreement
from core.identity.agreement import Text

SINCE = 1_000 * DAY
NEW = Text("2027-01", "bb" * 32, SINCE, ("2026-01", "aa" * 32))


@pytest.mark.clause("3(2)")
@pytest.mark.parametrize(
    ("signed", "signed_day", "day", "is_in_force"),
    [
        (("2027-01", "bb" * 32), 1_000, 1_001, True),
        (("2027-01", "bb" * 32), 1_000, 1_364, True),
        (("2027-01", "bb" * 32), 1_000, 1_365, False),
        (("2026-01", "aa" * 32), 900, 1_013, True),
        (("2026-01", "aa" * 32), 900, 1_014, False),
        (("2026-01", "aa" * 32), 640, 1_006, False),
        (("2026-01", "cc" * 32), 900, 1_001, False),
        (("2025-01", "aa" * 32), 900, 1_001, False),
        ((None, None), None, 1_001, False),
    ],
)
def test_a_signature_counts_for_a_year_and_an_older_text_for_a_fortnight(
    signed: tuple[str | None, str | None], signed_day: int | None, day: int, is_in_force: bool
) -> None:
    signed_ms = None if signed_day is None else signed_day * DAY

    assert agreement.is_in_force(*signed, signed_ms, now=day * DAY, text=NEW) is is_in_force
