"""Commands: everything an operator may ask of the house by name, here or through the control socket."""

from collections.abc import Mapping
from pathlib import Path

import support.admin.commands as admin
import support.backup.commands as backup
import support.keys.commands as keys
import support.orders.commands as orders
import support.privacy.commands as privacy
import support.replay.commands as replay
import support.rights.commands as requests
from core.report import Report
from support import doctor
from support.control import Arguments, Command
from support.house import House


async def plan(house: House, report: Report, _: Arguments) -> int:
    """Show what retention would delete now, and why."""
    return await privacy.plan(house.core, house.holdings, report)


async def run(house: House, report: Report, arguments: Arguments) -> int:
    """Delete what is due."""
    return await privacy.run(house.core, house.holdings, report, confirmed=bool(arguments["confirm"]))


async def copy(house: House, report: Report, arguments: Arguments) -> int:
    """Write the signed copy of one person's data into a folder."""
    out = Path(arguments["out"])
    return await privacy.copy(house.core, house.holdings, report, who=arguments["subject"], out=out)


async def verify(house: House, report: Report, arguments: Arguments) -> int:
    """Check a copy."""
    return await privacy.verify(house.core, report, file=Path(arguments["file"]))


async def erase(house: House, report: Report, arguments: Arguments) -> int:
    """Erase one person, or say what would go."""
    who, plan_only = arguments["subject"], bool(arguments["plan_only"])
    return await privacy.erase(house.core, house.holdings, report, who=who, plan_only=plan_only)


async def rights_list(house: House, report: Report, arguments: Arguments) -> int:
    """Every request that is not answered yet, or all."""
    return await requests.list_(house.core, report, everything=bool(arguments["everything"]))


async def rights_show(house: House, report: Report, arguments: Arguments) -> int:
    """One request, without anything that anybody wrote."""
    return await requests.show(house.core, report, which=arguments["request"])


async def rights_due(house: House, report: Report, _: Arguments) -> int:
    """Look at the clocks now."""
    return await requests.due(house.core, report)


async def rights_mail(house: House, report: Report, arguments: Arguments) -> int:
    """Take in one letter of the mailbox."""
    return await requests.mail(house.core, report, message=arguments["message"])


async def ledger_verify(house: House, report: Report, arguments: Arguments) -> int:
    """Check the chain of the ledger, also against checkpoints that were kept elsewhere."""
    beside = arguments.get("checkpoints")
    return await privacy.ledger_verify(house.core, report, beside=Path(beside) if beside else None)


async def ledger_checkpoint(house: House, report: Report, _: Arguments) -> int:
    """Sign how long the ledger is now."""
    return await privacy.checkpoint(house.core, report)


COMMANDS: Mapping[str, Command] = {
    "doctor": doctor.examine,
    "orders.import": orders.import_orders,
    "staff.add": admin.add,
    "retention.plan": plan,
    "retention.run": run,
    "rights.erase": erase,
    "rights.list": rights_list,
    "rights.show": rights_show,
    "rights.due": rights_due,
    "rights.mail": rights_mail,
    "copy": copy,
    "copy.verify": verify,
    "ledger.verify": ledger_verify,
    "ledger.checkpoint": ledger_checkpoint,
    "backup": backup.make,
    "backup.keys": backup.copy_keys,
    "keys.rotate": keys.rotate,
    "keys.status": keys.status,
    "keys.verify": keys.verify,
    "demo.staff": replay.tell_staff,
}
