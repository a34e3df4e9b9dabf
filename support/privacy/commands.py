"""Commands of the privacy room: plain functions that say what they do and return an exit code."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from core import clock, ids, ledger
from core.database import Transaction
from core.holdings import Due, Held, Holding
from core.identity import acknowledgements, people
from core.refusals import Conflict, NotFound
from core.report import Report
from core.services import Core
from support.privacy import copies, erasure, retention, verifying

DONE, WRONG = 0, 3
CHECKPOINTS = "checkpoints"
SHOWN = 20


async def plan(core: Core, holdings: Sequence[Holding], report: Report) -> int:
    """Show what a sweep would delete now and why."""
    planned = await core.database.read(retention.plan, holdings, core.policy, now=clock.now())
    sums = planned.sums()
    rows = []
    for name, count in sorted(sums.items()):
        kept = core.policy.retention_class(name)
        rows.append([name, str(count), f"{kept.days} days after {kept.since}", kept.clause, kept.title.en])
    report.table(["Class", "Objects", "Period", "Clause", "What"], rows)
    first = [due for each in planned.holdings for due in each.due][:SHOWN]
    objects = [[*due.object, due.retention_class, _ended(due), due.reason] for due in first]
    report.table(["Kind", "Id", "Class", "Ended", "Rule"], objects)
    for each in planned.holdings:
        if each.is_unusual(core.policy):
            report.line(f"The brake would stop this: {len(each.due)} of {each.live} {each.holding.name} are due.")
    if held := sum(len(each.held) for each in planned.holdings):
        report.line(f"{held} objects more have ended and stay, because they are held.")
    report.line(f"{planned.total} objects are due; nothing was changed.")
    return DONE


async def run(core: Core, holdings: Sequence[Holding], report: Report, *, confirmed: bool = False) -> int:
    """Delete what is due. Raises: Conflict, when the brake stops it."""
    now = clock.now()
    resumed = await erasure.resume(core, holdings, now=now)
    ended = await retention.run(core, holdings, report, confirmed=confirmed, now=now)
    if resumed:
        report.line(f"{resumed} interrupted erasures were finished.")
    report.line(f"{ended.objects} objects ended: {ended.rows} rows, {ended.keys} keys, {ended.files} files.")
    return DONE


async def copy(
    core: Core, holdings: Sequence[Holding], report: Report, *, who: str, out: Path, locale: str = ""
) -> int:
    """Write the signed copy of a person (by id or e-mail) into the folder `out`."""
    subject = await subject_of(core, who)
    now = clock.now()
    target = out / f"copy-{subject.partition(':')[2][:8]}-{datetime.fromtimestamp(now / 1000, UTC):%Y%m%d-%H%M%S}.zip"
    asked = copies.Request(subject, locale or await core.database.read(_language, subject))
    try:
        contents = await copies.write(core, holdings, asked, target, report, now=now)
    except FileExistsError:
        raise Conflict("file_exists", f"{target.name} is there already; nothing was overwritten.") from None
    report.table(["Section", "Records"], [[name, str(count)] for name, count in contents.counts.items()])
    report.line(
        f"Written: {target} ({len(contents.files)} files). It is readable: hand it over safely, then delete it."
    )
    return DONE


async def verify(core: Core, report: Report, *, file: Path) -> int:
    """Check a copy; names the entry that is not what was signed."""
    try:
        found = verifying.verify(file, lambda message, signature: core.vault.verify("export", message, signature))
    except verifying.Spoiled as spoiled:
        report.line(f"Not as signed: {spoiled}.")
        return WRONG
    report.line(f"Whole and signed by this shop: {found.entries} entries, made {_day(found.created_ms)}.")
    return DONE


async def erase(core: Core, holdings: Sequence[Holding], report: Report, *, who: str, plan_only: bool = False) -> int:
    """Erase a person, or only say what would go and what stays."""
    subject = await subject_of(core, who)
    planned = await core.database.read(erasure.plan, holdings, core.policy, subject)
    report.table(["Goes", "Objects", "Clause"], [[h.title, str(len(held)), h.clause] for h, held in planned.goes])
    report.table(["Stays", "Objects", "Rule", "Until"], [[h.title, *_stay(held)] for h, held in planned.stays])
    if plan_only:
        report.line("Nothing was changed.")
        return DONE
    done = await erasure.run(core, holdings, subject, now=clock.now())
    report.line(f"Erased: {done.objects} objects, {done.rows} rows, {done.keys} keys, {done.files} files.")
    if done.finished_ms is None:
        report.line(f"{done.held} objects are held: they are hidden, and go by themselves when the hold is lifted.")
        return DONE
    days = core.policy.days("key_backup")
    report.line(f"Certificate {done.id}. After {days} days no key back-up can open what is left in data back-ups.")
    return DONE


async def ledger_verify(core: Core, report: Report, *, beside: Path | None = None) -> int:
    """Check the chain, its checkpoints, those kept in a folder `beside`, and what the keystore knows of its end."""
    witnesses = []
    for note in _notes(core.settings.data / CHECKPOINTS, *([beside] if beside else [])):
        told = ledger.witness(note.read_text("utf-8", errors="replace"), core.vault)
        if told is None:
            report.line(f"The checkpoint {note.name} was not signed by this shop, or was changed.")
            return WRONG
        witnesses.append(told)
    anchor = await core.vault.anchor()
    if anchor.ledger_seq:
        witnesses.append(ledger.Witness(anchor.ledger_seq, anchor.ledger_hash, anchor.at_ms))
    verdict = await core.database.read(ledger.verify, vault=core.vault, witnesses=witnesses)
    if verdict.is_whole:
        report.line(f"The ledger is whole: {verdict.entries} entries.")
        for gap in await core.database.read(ledger.gaps):
            report.line(
                f"A restore is recorded at entry {gap.seq}: {gap.result}. Checkpoints of what was lost stay true."
            )
        return DONE
    report.line(f"Entry {verdict.first_bad} cannot be believed ({verdict.why}); {verdict.entries} before it are whole.")
    return WRONG


def _notes(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.glob("*.txt"))


async def checkpoint(core: Core, report: Report) -> int:
    """Sign how long the ledger is and write that beside the data, one file each, to be copied elsewhere."""

    def sign(tx: Transaction) -> str | None:
        return ledger.checkpoint(tx, core.vault, origin=f"aftercare/{core.settings.tenant}", now=clock.now())

    note = await core.database.write(sign)
    if note is None:
        return DONE
    folder = core.settings.data / CHECKPOINTS
    folder.mkdir(mode=0o700, exist_ok=True)
    size = note.split("\n")[1]
    name = f"{int(size):012}"
    if (folder / f"{name}.txt").exists():  # signed before a restore: it proves what was there, and stays
        name += f"-{clock.now()}"
    (folder / f"{name}.txt").write_text(note)
    report.line(f"Checkpoint at entry {size}.")
    return DONE


async def subject_of(core: Core, who: str) -> str:
    """`person:<id>` for a person's id, reference or e-mail address. Raises: NotFound, Invalid."""

    def find(tx: Transaction) -> str | None:
        person_id = who.removeprefix("person:")
        known = people.by_id(tx, person_id) if ids.is_id(person_id) else None
        if known is None and "@" in who:
            known = people.by_email(tx, core.vault, people.normalise(who))
        return known.id if known else None

    found = await core.database.read(find)
    if found is None:
        raise NotFound("no_such_person", "There is no person with this id or e-mail address.")
    return f"person:{found}"


def _language(tx: Transaction, subject: str) -> str:
    """The language in which the person last agreed to the policy."""
    agreed = acknowledgements.all_of(tx, subject)
    return max(agreed, key=lambda each: each.at_ms).locale if agreed else "en"


def _stay(held: Sequence[Held]) -> list[str]:
    longest = max((each.until_ms or 0 for each in held), default=0)
    return [str(len(held)), ", ".join(sorted({each.stays or "" for each in held})), _day(longest)]


def _ended(due: Due) -> str:
    """The day on which the period ended; what was hidden already waits for its end whatever its period."""
    return _day(due.expires_ms) if due.expires_ms else "hidden"


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d}"
