"""The roster: who works here, joining it and leaving it, each with an entry in the ledger."""

import secrets
from dataclasses import dataclass

from core import ledger
from core.database import Transaction
from core.identity import Caller, Role, permissions, staff
from core.identity.permissions import Operation, Resource
from core.identity.staff import NewMember, Prepared
from core.refusals import NotFound
from core.services import Core
from support.desk.badges import ROLE_LABELS

SYLLABLES = "bcdfghjkmnpqrstvwxz", "aeiou"


@dataclass(frozen=True)
class Line:
    """One member of staff on the list."""

    id: str
    login: str
    name: str
    role_label: str
    team: str | None
    agreement_ms: int | None
    has_used_factor: bool
    is_disabled: bool


@dataclass(frozen=True)
class Added:
    """A member just added; the password and the key are told once."""

    name: str
    login: str
    password: str
    totp_secret: str


def read(tx: Transaction, caller: Caller, *, now: int) -> list[Line]:
    """Everyone, by name; an agreement that has run out counts as none."""
    permissions.require(caller, Operation.READ_ROSTER, Resource("roster", "all"))
    return [
        Line(
            id=member.id,
            login=member.login,
            name=member.name,
            role_label=ROLE_LABELS[Role(member.role)],
            team=member.team,
            agreement_ms=member.agreement_ms if staff.has_agreed(member, now=now) else None,
            has_used_factor=member.totp_last > 0,
            is_disabled=member.disabled_ms is not None,
        )
        for member in staff.everyone(tx)
    ]


async def add(core: Core, caller: Caller, member: NewMember, *, now: int) -> Added:
    """Make the account; the entry in the ledger stands or falls with it.

    Raises:
        Invalid: login or name are not fit. Conflict: the login is taken.
    """
    permissions.require(caller, Operation.MANAGE_STAFF, Resource("staff", "new"))
    ready = await staff.prepare(core, member)
    try:
        await core.database.write(_insert, core, caller, ready, now=now)
    except BaseException:
        await core.vault.destroy([ready.key.id], reason="unused")
        raise
    return Added(member.name, member.login, member.password, ready.enrolled.totp_secret)


def disable(tx: Transaction, core: Core, caller: Caller, staff_id: str, *, now: int) -> None:
    """Close an account and everything that is open under it; nobody closes their own."""
    if staff.by_id(tx, staff_id) is None:
        raise NotFound
    permissions.require(caller, Operation.MANAGE_STAFF, Resource("staff", staff_id))
    staff.disable(tx, core, staff_id, now=now)
    ledger.append(tx, caller=caller, action="staff.disable", object=("staff", staff_id), now=now)


def temporary_password() -> str:
    """Six spoken syllables in three words and a number: about 70 bits, easy to read out."""
    words = ["".join(secrets.choice(SYLLABLES[place % 2]) for place in range(6)) for _ in range(3)]
    return f"{'-'.join(words)}-{secrets.randbelow(9000) + 1000}"


def _insert(tx: Transaction, core: Core, caller: Caller, ready: Prepared, *, now: int) -> None:
    staff.insert(tx, core, ready, now=now)
    ledger.append(tx, caller=caller, action="staff.add", object=("staff", ready.enrolled.id), now=now)
