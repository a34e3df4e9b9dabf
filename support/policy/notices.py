"""Notices: everybody who agreed to an earlier version is told of the next one, and it is on record who was (7(2)).

Danger. A letter that says in clear who wrote to this shop about what; somebody who is never told, or told every hour.

Principle. A letter names the version, its day and the reason, and nothing of the person. Being told is a row, unique
for person, version and channel, written in the transaction that posts the letter: a campaign that stops goes on where
it stopped. Guests have no address and are told on the page of their chat.

Boundary. A batch of people is one transaction; the letters go out by the jobs of mail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, exists, func
from sqlmodel import SQLModel, col, select

from core import clock, ids, jobs, mail
from core.database import Transaction, insert_ignore
from core.identity import people
from core.identity.acknowledgements import AGREEING
from core.identity.models import Acknowledgement, Person
from core.mail import SealedLetter
from core.services import Core
from core.vault.refusals import ContentUnavailable
from core.web.i18n import Formats
from support.policy import versions
from support.policy.models import PolicyNotice, PolicyVersion

JOB = versions.NOTICES
EVERY_MS = clock.HOUR
BATCH = 100
MOST_SHOWN = 200

Channel = Literal["letter", "page", "unreachable"]


@dataclass(frozen=True, slots=True)
class Told:
    """One person of a campaign; `answered` is how she took the version, if she has come back since."""

    subject: str
    letter_ms: int | None
    is_waiting: bool
    page_ms: int | None
    answered: str | None
    answered_ms: int | None


@dataclass(frozen=True, slots=True)
class Campaign:
    """How far the telling of one version is."""

    version: str
    people: int
    letters: int
    waiting: int
    unreachable: int
    pages: int
    answered: int


def handlers(core: Core) -> dict[str, jobs.Handler]:
    """What the runner of jobs calls; let `JOB` come again every `EVERY_MS`."""

    async def run(_: jobs.Job) -> None:
        await tell_everyone(core, now=clock.now())

    return {JOB: run}


async def tell_everyone(core: Core, *, now: int) -> int:
    """Write to everybody who has not been written to about a version that is coming; returns how many letters."""
    version = await core.database.read(versions.coming, now=now)
    letters = 0
    while version is not None:
        told, written = await core.database.write(_tell_some, core, version.version, now=now)
        letters += written
        if told < BATCH:
            break
    return letters


def _tell_some(tx: Transaction, core: Core, version: str, *, now: int) -> tuple[int, int]:
    row = tx.session.get(PolicyVersion, version)
    assert row is not None, "a published version stays"
    untold = select(Person).where(col(Person.erased_ms).is_(None), _has_agreed_before(version), ~_was_written(version))
    found = tx.session.exec(untold.order_by(col(Person.id)).limit(BATCH)).all()
    return len(found), sum(_tell(tx, core, person, row, now=now) for person in found)


def _tell(tx: Transaction, core: Core, person: Person, row: PolicyVersion, *, now: int) -> bool:
    """One letter and its row. Whoever's address cannot be opened is on record as not reached."""
    subject = f"person:{person.id}"
    try:
        address = people.email_of(core.vault, person)
    except ContentUnavailable:
        note(tx, subject, row.version, "unreachable", now=now)
        return False
    lang = _language(tx, subject)
    letter = mail.post(tx, core, to=address, template="policy", locale=lang, context=_context(core, row, lang), now=now)
    note(tx, subject, row.version, "letter", letter=letter, now=now)
    return True


def _context(core: Core, row: PolicyVersion, lang: str) -> dict[str, object]:
    formats = Formats(lang, core.settings.time_zone, core.settings.currency)
    reason = row.reason_zh_hant if lang == "zh-Hant" else row.reason_en
    address = f"{core.settings.public_url}/policy/changes/{row.version}?lang={lang}"
    return {"day": formats.day(row.effective_ms), "reason": reason, "is_wider": row.is_wider, "address": address}


def note(tx: Transaction, subject: str, version: str, channel: Channel, *, letter: str | None = None, now: int) -> None:
    """Keep that somebody was told; telling her again changes nothing."""
    table = SQLModel.metadata.tables["policy_notice"]
    row = {
        "id": ids.new(),
        "subject": subject,
        "version": version,
        "channel": channel,
        "letter_id": letter,
        "at_ms": now,
    }
    insert_ignore(tx, table, [row], ("subject", "version", "channel"))


def was_told(tx: Transaction, subject: str, version: str) -> bool:
    """Whether this person was told of this version, by letter or on her page."""
    mine = select(PolicyNotice.id).where(PolicyNotice.subject == subject, PolicyNotice.version == version)
    return tx.session.exec(mine.where(col(PolicyNotice.channel) != "unreachable")).first() is not None


def campaign(tx: Transaction, version: str) -> Campaign:
    """The sums of a campaign."""
    of_version = PolicyNotice.version == version

    def count(*where: ColumnElement[bool]) -> int:
        return tx.session.exec(select(func.count()).select_from(PolicyNotice).where(of_version, *where)).one()

    concerned = select(func.count()).select_from(Person).where(col(Person.erased_ms).is_(None))
    answered = select(func.count(func.distinct(Acknowledgement.subject))).where(
        Acknowledgement.policy_version == version
    )
    return Campaign(
        version=version,
        people=tx.session.exec(concerned.where(_has_agreed_before(version))).one(),
        letters=count(col(PolicyNotice.channel) == "letter"),
        waiting=count(exists().where(col(SealedLetter.id) == col(PolicyNotice.letter_id))),
        unreachable=count(col(PolicyNotice.channel) == "unreachable"),
        pages=count(col(PolicyNotice.channel) == "page"),
        answered=tx.session.exec(answered).one(),
    )


def told(tx: Transaction, version: str) -> list[Told]:
    """Who was told and what each answered, the last first; opaque ids only."""
    rows = tx.session.exec(select(PolicyNotice).where(PolicyNotice.version == version)).all()
    subjects = sorted({row.subject for row in rows}, key=lambda subject: -max(_times(rows, subject)))[:MOST_SHOWN]
    return [_told(tx, [row for row in rows if row.subject == subject]) for subject in subjects]


def _told(tx: Transaction, rows: Sequence[PolicyNotice]) -> Told:
    at = {row.channel: row for row in rows}
    letter, page = at.get("letter"), at.get("page")
    answers = select(Acknowledgement).where(
        Acknowledgement.subject == rows[0].subject, Acknowledgement.policy_version == rows[0].version
    )
    answer = tx.session.exec(answers.order_by(col(Acknowledgement.at_ms))).first()
    return Told(
        subject=rows[0].subject,
        letter_ms=letter.at_ms if letter else None,
        is_waiting=bool(letter and letter.letter_id and tx.session.get(SealedLetter, letter.letter_id)),
        page_ms=page.at_ms if page else None,
        answered=answer.kind if answer else None,
        answered_ms=answer.at_ms if answer else None,
    )


def _times(rows: Sequence[PolicyNotice], subject: str) -> list[int]:
    return [row.at_ms for row in rows if row.subject == subject]


def _has_agreed_before(version: str) -> ColumnElement[bool]:
    """Of a person's row: whether she agreed to any other version."""
    return exists().where(
        col(Acknowledgement.subject) == "person:" + col(Person.id),
        col(Acknowledgement.policy_version) != version,
        col(Acknowledgement.kind).in_((*AGREEING, "continued_use")),
    )


def _was_written(version: str) -> ColumnElement[bool]:
    return exists().where(
        col(PolicyNotice.subject) == "person:" + col(Person.id),
        col(PolicyNotice.version) == version,
        col(PolicyNotice.channel) != "page",
    )


def _language(tx: Transaction, subject: str) -> str:
    """The language in which she last agreed."""
    newest = select(Acknowledgement.locale).where(Acknowledgement.subject == subject)
    return tx.session.exec(newest.order_by(col(Acknowledgement.at_ms).desc())).first() or "en"
