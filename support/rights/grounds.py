"""Grounds: on which a request may be declined (5(2)3) or cannot be met (5(2)4), as the policy names them."""

from core.policy import Policy

MAY_DECLINE = "5(2)3"
CANNOT = "5(2)4"


def declining(policy: Policy) -> tuple[str, ...]:
    """The codes of clause 5(2)3: `REJ_UNRELATED` and so on."""
    return policy.codes("refusals")


def impossible(policy: Policy) -> tuple[str, ...]:
    """The codes of clause 5(2)4 (1) to (6): `REF_DEFENCE` and so on."""
    parts = [clause for number, clause in policy.clauses.items() if number.startswith(f"{CANNOT}(")]
    return tuple(str(clause.values["ground"]) for clause in parts)


def every(policy: Policy) -> frozenset[str]:
    """All of them."""
    return frozenset({*declining(policy), *impossible(policy)})
