"""Versions: which policy is in force, and how the next one comes to be (preface, 7(2)).

Danger. A published text that is edited afterwards, so that people agreed to words nobody can show any more; a wider
use that begins before it was announced; one person who changes the rules alone.

Principle. A version is a file in the policy's folder and, once published, a row that nothing can change: what it says
and every value it sets stand in the row. A start refuses a file that says something else. An administrator proposes
with a reason, the privacy officer sees every difference and publishes, and the file's own date must leave the whole
notice period. Which version is in force follows from the rows and the clock alone.

Boundary. Proposing and publishing are one transaction each, with their entry in the ledger. Letters follow from a job.
"""

import asyncio
import datetime
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import structlog
from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import SQLModel, col, select

from core import clock, jobs, ledger, policy
from core.clock import DAY
from core.database import Database, Transaction, insert_ignore
from core.identity import Caller, permissions
from core.identity.permissions import Operation, Resource
from core.policy import Policy, PolicyFault
from core.refusals import Conflict, Invalid, NotFound, Refusal, Unavailable
from core.services import Core
from core.settings import Settings
from support.policy import changes
from support.policy.changes import Change, Facts
from support.policy.models import PolicyProposal, PolicyVersion

log = structlog.get_logger("policy")

NOTICES = "policy.notices"
LONGEST_REASON = 600
LOOK_SECONDS = 30.0
FIRST = ("The first version.", "第一個版本。")
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,39}")


@dataclass(frozen=True, slots=True)
class Published:
    """A version as it was published, and what was different from the one before."""

    row: PolicyVersion
    changes: Sequence[Change]

    def reason(self, lang: str) -> str:
        """Why it was changed, in the reader's language."""
        return self.row.reason_zh_hant if lang.startswith("zh") else self.row.reason_en


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that is not published: what it would change, and what keeps it from being published now."""

    version: str
    effective: datetime.date
    changes: Sequence[Change]
    wider: Sequence[str]
    proposal: PolicyProposal | None
    earliest: datetime.date


@dataclass(frozen=True, slots=True)
class File:
    """A file that can be obeyed."""

    path: Path
    policy: Policy


@dataclass(frozen=True)
class Shelf:
    """The files of the policy's folder: those that can be obeyed, by version, and what is wrong with the others.

    A version may have several files, such as a draft that is a copy: what was published says which of them counts, and
    for one that is not published the first.
    """

    versions: Mapping[str, Sequence[File]]
    unreadable: Mapping[str, Sequence[str]]


def shelf(settings: Settings) -> Shelf:
    """Read the policy's folder, the settings' own file first, for no shop in particular: two shops read the same."""
    versions: dict[str, list[File]] = {}
    unreadable: dict[str, Sequence[str]] = {}
    paths = (settings.policy, *sorted(settings.policy.parent.glob("*.toml")))
    for file in dict.fromkeys(Path(os.path.realpath(path)) for path in paths):
        try:
            read = policy.load(file)
        except PolicyFault as fault:
            unreadable[file.name] = fault.faults
            continue
        if not _VERSION.fullmatch(read.version) or read.version in versions:
            unreadable[file.name] = [f"{read.version} is no name for a version, or another file has it"]
        if _VERSION.fullmatch(read.version):
            versions.setdefault(read.version, []).append(File(file, read))
    return Shelf(versions, unreadable)


def settle(database: Database, settings: Settings, *, now: int) -> Policy:
    """The version in force; the first one of a new shop is published by its first start.

    Raises:
        PolicyFault: the first version cannot be obeyed.
        Unavailable: the file of a published version was edited or is gone; says what to do.
    """
    found = shelf(settings)
    first = policy.load(settings.policy)
    database.write_now(_publish_first, settings, first, now=now)
    return database.read_now(in_force, settings, found, now=now)


def in_force(tx: Transaction, settings: Settings, found: Shelf, *, now: int) -> Policy:
    """The newest published version whose day has come. Raises: Unavailable, when it is not what was published."""
    rows = every(tx)
    files = [_as_published(row, settings, found) for row in rows]
    current = current_of(rows, now=now)
    row = rows[current]
    read = policy.load(files[current].path, controller=settings.controller_name, contact=settings.contact_email)
    return replace(read, sha256=row.sha256, follows=_followed(rows[: current + 1]))


def current_of(rows: Sequence[PolicyVersion], *, now: int) -> int:
    """Which of the published versions is in force: the newest whose day has come."""
    return max((at for at, row in enumerate(rows) if row.effective_ms <= now), default=0)


async def keep_current(core: Core) -> None:
    """For ever: when the day of the next version comes, it is in force, in every process.

    Until its file is what was published, the version before stays in force: nothing wider begins by mistake.
    """
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await enter_next(core, now=clock.now())
        except (Refusal, PolicyFault, SQLAlchemyError) as error:
            log.warning("policy_stays", kind=type(error).__name__, code=getattr(error, "code", ""))


async def enter_next(core: Core, *, now: int) -> None:
    """Put the version in force whose day has come. Raises: Unavailable, when its file is not what was published."""
    rows = await core.database.read(every)
    if rows[current_of(rows, now=now)].version != core.policy.version:
        found = await asyncio.to_thread(shelf, core.settings)
        core.policy = await core.database.read(in_force, core.settings, found, now=now)


def every(tx: Transaction) -> list[PolicyVersion]:
    """Every published version, in the order in which they come into force."""
    order = (col(PolicyVersion.effective_ms), col(PolicyVersion.version))
    return list(tx.session.exec(select(PolicyVersion).order_by(*order)))


def history(tx: Transaction) -> list[Published]:
    """Every published version with its differences, the newest first."""
    rows = every(tx)
    before: list[Facts] = [{}, *(facts_of(row) for row in rows[:-1])]
    return [
        Published(row, changes.between(old, facts_of(row)) if old else ())
        for row, old in zip(reversed(rows), reversed(before), strict=True)
    ]


def coming(tx: Transaction, *, now: int) -> PolicyVersion | None:
    """The published version whose day has not come yet; the next one, if there are several."""
    return next((row for row in every(tx) if row.effective_ms > now), None)


def drafts(tx: Transaction, core: Core, *, now: int) -> list[Draft]:
    """The files that are not published yet, compared with the newest published version."""
    rows = every(tx)
    newest = facts_of(rows[-1])
    published = {row.version for row in rows}
    files = [files[0].policy for files in shelf(core.settings).versions.values()]
    earliest = _day(now + core.policy.days("change_notice") * DAY, core.settings) + datetime.timedelta(days=1)
    return [
        Draft(
            version=file.version,
            effective=file.effective,
            changes=changes.between(newest, file.facts()),
            wider=changes.wider(newest, file.facts()),
            proposal=tx.session.get(PolicyProposal, file.version),
            earliest=earliest,
        )
        for file in files
        if file.version not in published
    ]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the policy changes, as everybody will read it."""

    en: str
    zh_hant: str

    def __post_init__(self) -> None:
        for words in (self.en, self.zh_hant):
            if not 10 <= len(words.strip()) <= LONGEST_REASON:
                raise Invalid("reason", "Say in both languages why the policy changes: 10 to 600 letters each.")


def propose(tx: Transaction, core: Core, caller: Caller, version: str, reason: Reason, *, now: int) -> None:
    """Ask the privacy officer to publish the file of this version. Raises: NotFound, Invalid, Conflict."""
    permissions.require(caller, Operation.DRAFT_RETENTION, Resource("policy", version))
    file = _unpublished(tx, core, version)
    tx.execute(delete(PolicyProposal).where(col(PolicyProposal.version) == version))
    tx.session.add(
        PolicyProposal(
            version=version,
            sha256=file.sha256,
            reason_en=reason.en.strip(),
            reason_zh_hant=reason.zh_hant.strip(),
            proposed_by=caller.ref,
            proposed_ms=now,
        )
    )
    ledger.append(tx, caller=caller, action="policy.propose", object=("policy", version), reason="R-7.2a", now=now)


def publish(tx: Transaction, core: Core, caller: Caller, version: str, sha256: str, *, now: int) -> PolicyVersion:
    """Publish a proposed version, exactly as the officer was shown it; from now on it cannot be changed.

    Raises:
        NotFound: nobody proposed it, or the caller may not.
        Conflict: `policy_edited`: the file is not the one that was proposed and shown;
            `notice_too_short`: its day would come before everybody had the whole notice period.
    """
    permissions.require(caller, Operation.APPROVE_RETENTION, Resource("policy", version))
    file, proposal = _unpublished(tx, core, version), tx.session.get(PolicyProposal, version)
    if proposal is None or proposal.proposed_by == caller.ref:
        raise NotFound
    if not proposal.sha256 == sha256 == file.sha256:
        raise Conflict("policy_edited", "The file was edited since it was proposed. Please look at it again.")
    rows = every(tx)
    effective_ms = midnight(file.effective, core.settings)
    if effective_ms < max(now + core.policy.days("change_notice") * DAY, rows[-1].effective_ms + 1):
        raise Conflict("notice_too_short", "The day it names is too soon: people must have the whole notice period.")
    row = _row(file, effective_ms=effective_ms, now=now)
    row.reason_en, row.reason_zh_hant = proposal.reason_en, proposal.reason_zh_hant
    row.proposed_by, row.approved_by = proposal.proposed_by, caller.ref
    row.is_wider = bool(changes.wider(facts_of(rows[-1]), file.facts()))
    tx.session.add(row)
    tx.session.delete(proposal)
    jobs.enqueue(tx, NOTICES, {}, run_ms=now, key=version)
    ledger.append(tx, caller=caller, action="policy.publish", object=("policy", version), reason="R-PRE-3", now=now)
    return row


def decline(tx: Transaction, caller: Caller, version: str, *, now: int) -> None:
    """Send a proposal back; the file stays a draft. Raises: NotFound."""
    permissions.require(caller, Operation.APPROVE_RETENTION, Resource("policy", version))
    proposal = tx.session.get(PolicyProposal, version)
    if proposal is None:
        raise NotFound
    tx.session.delete(proposal)
    ledger.append(tx, caller=caller, action="policy.decline", object=("policy", version), result="declined", now=now)


def facts_of(row: PolicyVersion) -> dict[str, str]:
    """What a published version says."""
    return msgspec.json.decode(row.facts, type=dict[str, str])


def midnight(day: datetime.date, settings: Settings) -> int:
    """The first moment of a day in the shop's zone."""
    return int(datetime.datetime.combine(day, datetime.time(), ZoneInfo(settings.time_zone)).timestamp() * 1000)


def _publish_first(tx: Transaction, settings: Settings, first: Policy, *, now: int) -> None:
    if every(tx):
        return
    row = _row(first, effective_ms=midnight(first.effective, settings), now=now)
    insert_ignore(tx, SQLModel.metadata.tables["policy_version"], [row.model_dump()], ["version"])


def _row(file: Policy, *, effective_ms: int, now: int) -> PolicyVersion:
    return PolicyVersion(
        version=file.version,
        sha256=file.sha256,
        facts=msgspec.json.encode(file.facts()),
        effective_ms=effective_ms,
        is_wider=True,
        reason_en=FIRST[0],
        reason_zh_hant=FIRST[1],
        proposed_by="system:aftercare",
        approved_by="system:aftercare",
        published_ms=now,
    )


def _unpublished(tx: Transaction, core: Core, version: str) -> Policy:
    if tx.session.get(PolicyVersion, version) is not None:
        raise Conflict("policy_published", "This version is published already and cannot be changed.")
    if (files := shelf(core.settings).versions.get(version)) is None:
        raise NotFound
    return files[0].policy


def _as_published(row: PolicyVersion, settings: Settings, found: Shelf) -> File:
    """The file of this version that is what was published, to the letter if there is one. Raises: Unavailable."""
    folder = settings.policy.parent
    files = sorted(found.versions.get(row.version, ()), key=lambda file: file.policy.sha256 != row.sha256)
    if not files:
        raise Unavailable(
            "policy_missing",
            f"Version {row.version} of the policy was published, and there is no file in {folder} that can be read as "
            "this version. Put its file back as it was: people agreed to what it says.",
        )
    edited = [changes.broken(facts_of(row), file.policy.facts()) for file in files]
    if all(edited):
        raise Unavailable(
            "policy_edited",
            f"Version {row.version} of the policy was edited after it was published ({', '.join(edited[0][:3])}). "
            f"A published version is never changed: put its file back as it was, write the change into a new file "
            f"in {folder} with a version and a day of its own, and publish that at /policy/versions.",
        )
    return next(file for file, wrong in zip(files, edited, strict=True) if not wrong)


def _followed(rows: Sequence[PolicyVersion]) -> frozenset[str]:
    """The versions whose agreement carries on into the last of these by going on."""
    followed: set[str] = set()
    for row, before in zip(reversed(rows), reversed(rows[:-1]), strict=False):
        if row.is_wider:
            break
        followed.add(before.version)
    return frozenset(followed)


def _day(at_ms: int, settings: Settings) -> datetime.date:
    return datetime.datetime.fromtimestamp(at_ms / 1000, ZoneInfo(settings.time_zone)).date()
