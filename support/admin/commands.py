"""The commands about staff."""

from collections.abc import Mapping
from typing import Any

from core import clock, ledger
from core.database import Transaction
from core.identity import SYSTEM, Role, staff
from core.identity.staff import NewMember, Prepared
from core.refusals import Invalid
from core.report import Report
from core.services import Core
from support.house import House


async def add(house: House, report: Report, arguments: Mapping[str, Any]) -> int:  # Any: JSON values
    """`login`, `name`, `role`, `password`: make the account and show its second factor once."""
    member = NewMember(arguments["login"], arguments["name"], _role(arguments["role"]), arguments["password"])
    ready = await staff.prepare(house.core, member)
    try:
        await house.core.database.write(_insert, house.core, ready, now=clock.now())
    except BaseException:
        await house.core.vault.destroy([ready.key.id], reason="unused")
        raise
    report.line(f"{member.name} can sign in as {member.login}.")
    report.line(f"Second factor, shown only now: {ready.enrolled.totp_uri}")
    return 0


def _insert(tx: Transaction, core: Core, ready: Prepared, *, now: int) -> None:
    staff.insert(tx, core, ready, now=now)
    ledger.append(tx, caller=SYSTEM, action="staff.add", object=("staff", ready.enrolled.id), now=now)


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        raise Invalid("role", f"The role is one of {', '.join(Role)}.") from None
