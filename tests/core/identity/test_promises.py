"""Promises: the numbers that identity works with are the ones the policy names."""

import pytest
from limits import parse_many

from core import policy
from core.clock import HOUR, SECOND
from core.identity import access, agreement, signins
from core.identity.purposes import Purpose
from core.limits import LIMITS
from core.policy import Policy
from core.settings import Settings


@pytest.fixture
def rules(settings: Settings) -> Policy:
    return policy.load(settings.policy)


@pytest.mark.clause("2(2)")
def test_codes_are_sent_as_often_as_the_policy_says(rules: Policy) -> None:
    per_address = {rate.get_expiry() * SECOND: rate.amount for rate in parse_many(LIMITS["codes.address"].rates)}
    per_network = {rate.get_expiry() * SECOND: rate.amount for rate in parse_many(LIMITS["codes.network"].rates)}

    assert per_address == {
        rules.span_ms("code_resend"): 1,
        HOUR: rules.number("codes_per_hour"),
        24 * HOUR: rules.number("codes_per_day"),
    }
    assert per_network == {HOUR: rules.number("codes_per_network_hour")}


@pytest.mark.clause("2(2)")
def test_a_shoppers_sign_in_lasts_as_long_as_the_policy_says(rules: Policy) -> None:
    lifetime = signins.LIFETIMES["person"]

    assert lifetime.idle_ms == rules.span_ms("sign_in_idle")
    assert lifetime.absolute_ms == rules.span_ms("sign_in_absolute")
    assert rules.number("sign_ins_at_once") == signins.MOST_AT_ONCE


@pytest.mark.clause("3(2)")
def test_staff_sign_ins_and_the_agreement_last_as_long_as_the_policy_says(rules: Policy) -> None:
    lifetime = signins.LIFETIMES["staff"]

    assert lifetime.idle_ms == rules.span_ms("staff_idle")
    assert lifetime.absolute_ms == rules.span_ms("staff_absolute")
    assert rules.value("agreement_version") == agreement.VERSION
    assert rules.span_ms("agreement") == agreement.RENEWED_AFTER_MS
    assert rules.span_ms("agreement_resign") == agreement.SIGNED_AGAIN_WITHIN_MS


@pytest.mark.clause("2(5)")
def test_the_cookies_are_those_of_the_policys_register(rules: Policy) -> None:
    ours = {(cookie.name, cookie.purpose) for cookie in access.COOKIES.values()}

    assert {(cookie.name, cookie.purpose) for cookie in rules.cookies} == ours
    assert access.COOKIES["challenge"].seconds == rules.span_ms("code_valid") // SECOND


@pytest.mark.clause("1(1)")
def test_the_purposes_are_the_policys_six(rules: Policy) -> None:
    named = {str(value.values["purpose"]) for value in rules.clauses.values() if "purpose" in value.values}

    assert {purpose.value for purpose in Purpose} == named
