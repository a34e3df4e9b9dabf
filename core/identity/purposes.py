"""Purposes: the six of clause 1, and which of them open what."""

from enum import StrEnum


class Purpose(StrEnum):
    """Why personal data is touched; every staff look at content names one."""

    P1_LEGAL = "P1_LEGAL"
    P2_CONTRACT_AFTERSALES = "P2_CONTRACT_AFTERSALES"
    P3_MARKETING = "P3_MARKETING"
    P4_NOTICE_ANALYTICS = "P4_NOTICE_ANALYTICS"
    P5_SECURITY_QUALITY = "P5_SECURITY_QUALITY"
    P6_FRAUD_HARM = "P6_FRAUD_HARM"


# Chat content is closed to marketing (1(3)) and to analysis row by row (1(4)).
FOR_CONTENT = frozenset(
    {Purpose.P1_LEGAL, Purpose.P2_CONTRACT_AFTERSALES, Purpose.P5_SECURITY_QUALITY, Purpose.P6_FRAUD_HARM}
)
# A named case comes first: wider access against fraud or harm is opened by a case (1(6)).
NEEDS_CASE = frozenset({Purpose.P6_FRAUD_HARM})
