"""The `aftercare` command: every task of the operator, with help, exit codes and `--json` for programs.

Exit codes: 0 done; 1 refused, with the reason; 2 used wrongly; 3 found something wrong (a broken ledger or archive).
"""

import asyncio
import base64
import getpass
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import structlog
import typer
from pydantic import ValidationError
from rich.console import Console

from core import logs, memory
from core.policy import PolicyFault
from core.refusals import Refusal
from core.report import Report
from core.settings import Settings
from core.vault import StartRefused
from support import control
from support.commands import COMMANDS
from support.house import opened
from support.screen import JsonReport, ScreenReport

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they would show what variables hold
    help="Aftercare: sealed customer service for a shop.",
)
orders = typer.Typer(no_args_is_help=True, help="Orders that shoppers can link to their chats.")
staff = typer.Typer(no_args_is_help=True, help="People who work at the desk.")
retention = typer.Typer(no_args_is_help=True, help="Apply the periods of the privacy policy.")
rights = typer.Typer(no_args_is_help=True, help="Rights that people exercise over their data.")
keys = typer.Typer(no_args_is_help=True, help="The keys that wrap every other key.")
ledger = typer.Typer(no_args_is_help=True, help="The record of who did what.")
for name, group in (
    ("orders", orders),
    ("staff", staff),
    ("retention", retention),
    ("rights", rights),
    ("keys", keys),
    ("ledger", ledger),
):
    app.add_typer(group, name=name)

TRY_AGAIN = 75  # EX_TEMPFAIL: a mail server keeps the message
NOT_OPENED = (Refusal, StartRefused, PolicyFault)

AsJson = Annotated[bool, typer.Option("--json", help="Answer with JSON lines for a program to read.")]
errors = Console(stderr=True)


@app.command()
def serve(
    demo: Annotated[bool, typer.Option("--demo", help="Load the demo shop and say where everything is.")] = False,
) -> None:
    """Serve the chat, the support console and the review pages."""
    from support import greeting, server  # noqa: PLC0415  (the other commands start without them)

    settings = _settings()
    logs.set_up()
    try:
        server.serve(settings, greeting.of(settings, with_demo=demo))
    except NOT_OPENED as refused:
        _fail(refused)


@app.command()
def worker() -> None:
    """Run durable jobs (letters, sweeps) beside servers on PostgreSQL."""
    from support.worker import work  # noqa: PLC0415

    settings = _settings()
    logs.set_up()
    if settings.is_embedded:
        errors.print("With SQLite the server runs the jobs itself; there is no separate worker.")
        raise typer.Exit(2)
    _run(work(settings))


@app.command()
def migrate() -> None:
    """Bring the database to this program's schema."""
    from core.database import Database  # noqa: PLC0415
    from support import migrating  # noqa: PLC0415

    database = Database(_settings().database_url)
    try:
        database.open()
        came_from = migrating.migrate(database)
        database.close()
    except NOT_OPENED as refused:
        _fail(refused)
    typer.echo(f"The schema is current (it was at {came_from or 'nothing'}).")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check keys, database, versions, disk and settings, and say what to mend."""
    _command("doctor", {}, as_json=as_json)


@app.command()
def copy(
    subject: Annotated[str, typer.Argument(help="A person's id or e-mail address; or the word `verify`.")],
    file: Annotated[Path | None, typer.Argument(help="With `verify`: the archive to check.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the archive.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Make the signed copy of one person's data, or `copy verify FILE` to check one."""
    if subject == "verify":
        if file is None:
            errors.print("Which file? Use: aftercare copy verify FILE")
            raise typer.Exit(2)
        _command("copy.verify", {"file": str(file.resolve())}, as_json=as_json)
    else:
        _command("copy", {"subject": subject, "out": str(out.resolve())}, as_json=as_json)


@app.command()
def backup(
    place: Annotated[str, typer.Argument(help="A new folder for data and media; or the word `keys`.")],
    file: Annotated[Path | None, typer.Argument(help="With `keys`: a new file for a copy of the keystore.")] = None,
    as_json: AsJson = False,
) -> None:
    """Back up data and media into a new folder, also while serving; or `backup keys FILE`, kept apart and for days."""
    if place != "keys":
        _command("backup", {"folder": str(Path(place).resolve())}, as_json=as_json)
    elif file is None:
        errors.print("Which file? Use: aftercare backup keys FILE")
        raise typer.Exit(2)
    else:
        _command("backup.keys", {"file": str(file.resolve())}, as_json=as_json)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `aftercare backup` has made.")],
    as_json: AsJson = False,
) -> None:
    """Put a back-up in place of the present data, which are set aside; stop the server first."""
    from support.backup import commands  # noqa: PLC0415

    report: Report = JsonReport() if as_json else ScreenReport()
    _finish(_run(commands.restore(_settings(), folder.resolve(), report)))


@app.command()
def settle(as_json: AsJson = False) -> None:
    """Take data for restored that you have put back by other means, whatever they look like; stop all servers first."""
    from support.backup import commands  # noqa: PLC0415

    report: Report = JsonReport() if as_json else ScreenReport()
    _finish(_run(commands.settle(_settings(), report)))


@app.command()
def replay(
    files: Annotated[list[Path], typer.Argument(help="Recorded dialogues: retail JSONL, multidogo TSV or abcd JSON.")],
    url: Annotated[str, typer.Option(help="The server to play against.")] = "http://localhost:8000",
    shoppers: Annotated[int, typer.Option(min=1, max=500, help="Conversations at once.")] = 10,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many messages.")] = None,
) -> None:
    """Play recorded dialogues through the real socket, as shoppers and agents."""
    from support.replay import commands  # noqa: PLC0415

    report = ScreenReport()
    _finish(_run(commands.replay(files, report, url=url, shoppers=shoppers, limit=limit)))


@orders.command("import")
def orders_import(
    files: Annotated[list[Path], typer.Argument(exists=True, help="Retail JSON, Shopify JSON or CSV.")],
    as_json: AsJson = False,
) -> None:
    """Take in orders; what is there already stays, bad rows are named and left out."""
    _command("orders.import", {"files": [str(file.resolve()) for file in files]}, as_json=as_json)


@staff.command("add")
def staff_add(
    login: str,
    name: Annotated[str, typer.Option(prompt=True, help="As shoppers see it.")],
    role: Annotated[str, typer.Option(help="agent, supervisor, privacy_officer, admin or auditor")] = "agent",
) -> None:
    """Add a member of staff; the second factor is shown once."""
    password = getpass.getpass("Password (12 characters or more): ") if sys.stdin.isatty() else sys.stdin.readline()
    _command("staff.add", {"login": login, "name": name, "role": role, "password": password.rstrip("\n")})


@retention.command("plan")
def retention_plan(as_json: AsJson = False) -> None:
    """Show what would go now, and why; nothing is changed."""
    _command("retention.plan", {}, as_json=as_json)


@retention.command("run")
def retention_run(
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Go on although the brake (an unusual amount) would stop it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what the policy says is due, with a certificate in the ledger."""
    _command("retention.run", {"confirm": confirm}, as_json=as_json)


@rights.command("erase")
def rights_erase(
    person: Annotated[str, typer.Argument(help="A person's id or e-mail address.")],
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would go and what stays.")] = False,
) -> None:
    """Erase one person: keys destroyed, rows and files deleted, a certificate kept."""
    _command("rights.erase", {"subject": person, "plan_only": plan})


@rights.command("list")
def rights_list(
    everything: Annotated[bool, typer.Option("--all", help="Answered ones too.")] = False, as_json: AsJson = False
) -> None:
    """Requests that are not answered yet, the first due first."""
    _command("rights.list", {"everything": everything}, as_json=as_json)


@rights.command("show")
def rights_show(
    request: Annotated[str, typer.Argument(help="A request's id, or its reference such as R-7F2A-19C4.")],
    as_json: AsJson = False,
) -> None:
    """Where one request stands and what was done with it; nothing that anybody wrote is shown."""
    _command("rights.show", {"request": request}, as_json=as_json)


@rights.command("due")
def rights_due(as_json: AsJson = False) -> None:
    """Look at every clock now: ring what is due; exit code 3 when a day was missed."""
    _command("rights.due", {}, as_json=as_json)


@rights.command("mail")
def rights_mail(
    file: Annotated[str, typer.Argument(help="A file that holds one message, or - for standard input.")],
) -> None:
    """Take in one message that came to the shop's privacy address, as a mail server hands it over.

    Exit code 1 refuses a message for ever because it is too large; 75 asks the mail server to try again later.
    """
    from support.rights.intake import LARGEST  # noqa: PLC0415

    with sys.stdin.buffer if file == "-" else Path(file).open("rb") as source:
        message = source.read(LARGEST + 1)
    if len(message) > LARGEST:
        errors.print("This message is too large.")
        raise typer.Exit(1)
    try:
        _command("rights.mail", {"message": base64.b64encode(message).decode()})
    except typer.Exit as ended:
        raise typer.Exit(TRY_AGAIN if ended.exit_code == 1 else ended.exit_code) from None
    except Exception as fault:  # whatever it is, the mail server must keep the message
        errors.print(f"The message was not taken in ({type(fault).__name__}).")
        raise typer.Exit(TRY_AGAIN) from None


@keys.command("rotate")
def keys_rotate(as_json: AsJson = False) -> None:
    """Wrap every key anew and destroy the epoch before the last; the server does it by itself every week."""
    _command("keys.rotate", {}, as_json=as_json)


@keys.command("status")
def keys_status(as_json: AsJson = False) -> None:
    """Show which epochs there are and how many keys lie under each."""
    _command("keys.status", {}, as_json=as_json)


@keys.command("verify")
def keys_verify(as_json: AsJson = False) -> None:
    """Open every key and compare its check value; names the first that does not open."""
    _command("keys.verify", {}, as_json=as_json)


@ledger.command("verify")
def ledger_verify(
    checkpoints: Annotated[Path | None, typer.Option(help="A folder of checkpoints that was kept elsewhere.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check the chain of the ledger; names the first bad entry."""
    beside = {"checkpoints": str(checkpoints.resolve())} if checkpoints else {}
    _command("ledger.verify", beside, as_json=as_json)


@ledger.command("checkpoint")
def ledger_checkpoint() -> None:
    """Sign how long the ledger is now and write that beside the data, to be kept on another machine."""
    _command("ledger.checkpoint", {})


def _command(name: str, arguments: Mapping[str, Any], *, as_json: bool = False) -> None:
    """Carry out a command here, or in the server that has the data open."""
    report: Report = JsonReport() if as_json else ScreenReport()
    _finish(_run(_carry_out(_settings(), name, arguments, report)))


async def _carry_out(settings: Settings, name: str, arguments: Mapping[str, Any], report: Report) -> int:
    socket = control.socket_path(settings.data)
    if settings.is_embedded and socket.exists():
        try:
            return await control.ask(socket, name, arguments, report)
        except (ConnectionRefusedError, FileNotFoundError):
            pass  # left behind by a server that was killed
    async with opened(settings) as house:
        return await COMMANDS[name](house, report, arguments)


def _run(work: Any) -> int:  # Any: a coroutine of an exit code or of nothing
    try:
        return asyncio.run(work) or 0
    except NOT_OPENED as refused:
        _fail(refused)
    except KeyboardInterrupt:
        return 130


def _finish(code: int) -> None:
    if code:
        raise typer.Exit(code)


def _fail(refused: Exception) -> NoReturn:
    sentence = refused.sentence if isinstance(refused, Refusal) else str(refused)
    errors.print(sentence, style="red", markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def _settings() -> Settings:
    beside_the_answer = structlog.PrintLoggerFactory(sys.stderr)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30), logger_factory=beside_the_answer)
    try:
        return Settings()
    except ValidationError as error:
        for problem in error.errors(include_input=False, include_url=False):
            setting = "_".join(str(part) for part in problem["loc"]).upper()
            errors.print(f"Setting {setting}: {problem['msg']}.")
        raise typer.Exit(2) from None


def main() -> None:
    """The entry point; whatever it writes is its own account's alone, and its memory is never written."""
    os.umask(0o077)
    memory.forbid_dumps()
    app()


if __name__ == "__main__":
    main()
