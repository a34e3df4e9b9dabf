"""The Caller: who is asking, as every verb above the edge is told."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

Kind = Literal["visitor", "person", "staff", "system"]
Proof = Literal["guest", "email_code", "password_totp", "system"]


class Role(StrEnum):
    """What a member of staff is here for; nobody holds two."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    PRIVACY_OFFICER = "privacy_officer"
    ADMIN = "admin"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone who is known to us by a sign-in, or the system itself.

    `role` is None for everyone but staff, and for staff until their confidentiality agreement is in force; every
    permission of staff hangs on a role, so nothing opens before the agreement (clause 3(2)).
    """

    kind: Kind
    id: str
    role: Role | None = None
    team: str | None = None
    name: str = ""
    sign_in: str | None = None
    proof: Proof = "guest"
    proven_ms: int | None = None
    ref: str = field(init=False, compare=False)
    """`person:<id>`: the sender in a log, the owner of a key, the actor in the ledger."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ref", f"{self.kind}:{self.id}")  # asked for at every step of every message

    @property
    def is_staff(self) -> bool:
        """Whether this is a member of staff, with or without a role in force."""
        return self.kind == "staff"


SYSTEM = Caller(kind="system", id="aftercare", name="", proof="system")
