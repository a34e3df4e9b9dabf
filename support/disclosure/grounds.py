"""The grounds of a disclosure, and what each of them demands before anybody may approve (clauses 4(3)1 to 7, 4(1)7)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

LAW, CONTRACT, COURT, AGENCY, PUBLIC, HARM, BENEFIT, HAZARD = (
    "LAW",
    "CONTRACT",
    "COURT",
    "AGENCY",
    "PUBLIC",
    "HARM",
    "BENEFIT",
    "HAZARD",
)
CONTENT: Final = frozenset({"conversation", "attachment", "order"})


@dataclass(frozen=True)
class Ground:
    """What a case on this ground must say, whether the demand itself must be in it, and what it may hold."""

    clause: str
    facts: tuple[str, ...]
    document: bool = False
    kinds: frozenset[str] = CONTENT


GROUNDS: Final[Mapping[str, Ground]] = MappingProxyType(
    {
        LAW: Ground("4(3)1", ("requester", "scope", "article"), document=True),
        CONTRACT: Ground("4(3)2", ("requester", "scope")),
        COURT: Ground("4(3)3", ("requester", "scope", "docket"), document=True),
        AGENCY: Ground("4(3)4", ("requester", "scope", "agency", "statute", "officer", "callback"), document=True),
        PUBLIC: Ground("4(3)5", ("requester", "scope", "reasoning")),
        HARM: Ground("4(3)6", ("requester", "scope", "reasoning")),
        BENEFIT: Ground("4(3)7", ("requester", "scope", "reasoning")),
        HAZARD: Ground("4(1)7", ("requester", "scope", "reasoning"), kinds=frozenset({"metadata"})),
    }
)
FACTS: Final = tuple(dict.fromkeys(name for ground in GROUNDS.values() for name in ground.facts))


def missing(ground: str, facts: Mapping[str, str], *, has_document: bool) -> list[str]:
    """What the case does not say yet: names of facts, or `document`."""
    needed = GROUNDS[ground]
    lacking = [name for name in needed.facts if not facts.get(name, "").strip()]
    return [*lacking, *(["document"] if needed.document and not has_document else [])]
