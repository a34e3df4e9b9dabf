"""What core keeps about people: who they are, that they agreed, where they are signed in, letters, jobs, the ledger.

Danger. A person who asked to be forgotten and can still be found by her address, or whose sign-in still opens.

Principle. Hiding a person takes her address hash and her sign-ins away at once; her key follows and makes the sealed
fields noise; the row goes last. What the law makes us keep holds only opaque ids, and the reason is shown.

Boundary. Verbs of one transaction each, repeatable; the caller orders them (core.holdings).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, and_, delete, exists, func, or_, select, update
from sqlmodel import SQLModel

from core import generation, ledger, mail
from core.database import Transaction
from core.holdings import Copying, Due, EraseVerb, Held, Holding, Part, Record, Ref
from core.identity import models, people
from core.jobs import JOB
from core.policy import Policy

IMPERSONAL = {
    "first_administrator": "One token that makes the first account; it belongs to nobody and is deleted when used.",
    "ledger_head": "One row: the number and hash at the end of the chain.",
    "ledger_checkpoint": "Signed lengths of the chain; hashes only.",
    "generation": "One number: how far the data have come.",
}

_tables = SQLModel.metadata.tables
PERSON, VISITOR, SIGN_IN = _tables["person"], _tables["visitor"], _tables["sign_in"]
CODE, ATTEMPT, AGREED = _tables["login_code"], _tables["attempt"], _tables["acknowledgement"]
LETTER = _tables[mail.TABLE]
assert models
assert generation


def holdings() -> list[Holding]:
    """Everything that core keeps."""
    about_people = [_people(), _visitors(), _sign_ins(), _codes(), _attempts(), _agreements(), _staff()]
    return [*about_people, _letters(), _jobs(), _ledger()]


def _people() -> Holding:
    return Holding(
        name="people",
        title="Your profile",
        clause="2(2)",
        tables=("person",),
        classes=("profile",),
        kinds=("person",),
        due=_people_due,
        of=lambda tx, _, subject: _own(tx, PERSON, "person", subject),
        hide=_hide_people,
        keys=lambda tx, refs: list(tx.execute(select(PERSON.c.dek_id).where(PERSON.c.id.in_(_ids(refs)))).scalars()),
        erase=_deleting(PERSON),
        export=_export_profile,
        live=lambda tx: tx.execute(select(func.count()).select_from(PERSON)).scalar_one(),
    )


def _people_due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
    """People who were erased, and those who have not signed in for the whole period."""
    period = policy.expires_ms("profile", 0)
    last = func.coalesce(PERSON.c.verified_ms, PERSON.c.created_ms)
    signed_in = exists().where(SIGN_IN.c.caller_id == PERSON.c.id)
    over = or_(PERSON.c.erased_ms.is_not(None), and_(last <= now - period, ~signed_in))
    rows = tx.execute(select(PERSON.c.id, last.label("last")).where(over).order_by(last).limit(limit))
    return [Due(Ref("person", row.id), f"person:{row.id}", "profile", row.last + period) for row in rows]


def _hide_people(tx: Transaction, refs: Sequence[Ref], *, now: int) -> None:
    shown = PERSON.c.id.in_(_ids(refs)) & PERSON.c.erased_ms.is_(None)
    tx.execute(update(PERSON).where(shown).values(erased_ms=now, email_mac=None))
    tx.execute(delete(SIGN_IN).where(SIGN_IN.c.caller_kind == "person", SIGN_IN.c.caller_id.in_(_ids(refs))))


def _export_profile(copying: Copying) -> Iterator[Part]:
    kind, _, person_id = copying.subject.partition(":")
    person = people.by_id(copying.tx, person_id) if kind == "person" else None
    if person is not None:
        about = {"E-mail": people.email_of(copying.vault, person), "Name": people.name_of(copying.vault, person) or ""}
        yield Record("profile", person.id, person.created_ms, about)


def _visitors() -> Holding:
    def due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
        old = VISITOR.c.created_ms <= now - policy.expires_ms("visitor_chat", 0)
        over = and_(old, ~exists().where(SIGN_IN.c.caller_id == VISITOR.c.id))
        return _dues(tx, policy, _Rows(VISITOR, VISITOR.c.created_ms, "visitor_chat"), over, limit)

    return Holding(
        name="visitors",
        title="Visits",
        clause="2(4)",
        tables=("visitor",),
        classes=("visitor_chat",),
        kinds=("visitor",),
        due=due,
        of=lambda tx, _, subject: _own(tx, VISITOR, "visitor", subject),
        erase=_deleting(VISITOR),
    )


def _sign_ins() -> Holding:
    def of(tx: Transaction, _policy: Policy, subject: str) -> list[Held]:
        kind, _, caller_id = subject.partition(":")
        mine = select(SIGN_IN.c.id).where(SIGN_IN.c.caller_kind == kind, SIGN_IN.c.caller_id == caller_id)
        return [Held(Ref("sign_in", found)) for found in tx.execute(mine).scalars()]

    def export(copying: Copying) -> Iterator[Part]:
        kind, _, caller_id = copying.subject.partition(":")
        mine = select(SIGN_IN).where(SIGN_IN.c.caller_kind == kind, SIGN_IN.c.caller_id == caller_id)
        for row in copying.tx.execute(mine.order_by(SIGN_IN.c.created_ms)):
            yield Record("sign_ins", row.id, row.created_ms, {"Proof": row.proof, "Device": row.device})

    title = "Where you are signed in"
    return _simple("sign_ins", title, "2(2)", _Rows(SIGN_IN, SIGN_IN.c.expires_ms, "sign_in"), of=of, export=export)


def _codes() -> Holding:
    def of(tx: Transaction, _policy: Policy, subject: str) -> list[Held]:
        mac = select(PERSON.c.email_mac).where(PERSON.c.id == subject.removeprefix("person:")).scalar_subquery()
        mine = select(CODE.c.id).where(CODE.c.email_mac == mac)
        return [Held(Ref("login_code", found)) for found in tx.execute(mine).scalars()]

    return _simple(
        "login_codes", "Sign-in codes on their way", "2(2)", _Rows(CODE, CODE.c.created_ms, "login_code"), of=of
    )


def _attempts() -> Holding:
    """Counts of failures under a keyed hash of the address; two columns name a row, so its ref joins them."""

    def due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
        period = policy.expires_ms("login_code", 0)
        old = select(ATTEMPT).where(ATTEMPT.c.last_ms <= now - period, ATTEMPT.c.delayed_until_ms <= now)
        rows = tx.execute(old.order_by(ATTEMPT.c.last_ms).limit(limit))
        return [
            Due(
                Ref("attempt", f"{row.subject.hex()}.{row.network.hex()}"), "system", "login_code", row.last_ms + period
            )
            for row in rows
        ]

    def erase(tx: Transaction, refs: Sequence[Ref], /, *, now: int) -> int:
        gone = 0
        for ref in refs:
            subject, network = (bytes.fromhex(part) for part in ref.id.split("."))
            one = and_(ATTEMPT.c.subject == subject, ATTEMPT.c.network == network, ATTEMPT.c.last_ms <= now)
            gone += len(tx.execute(delete(ATTEMPT).where(one).returning(ATTEMPT.c.failures)).all())
        return gone

    return Holding(
        name="attempts",
        title="Failed sign-ins",
        clause="2(2)",
        tables=("attempt",),
        classes=("login_code",),
        kinds=("attempt",),
        due=due,
        erase=erase,
    )


def _agreements() -> Holding:
    def of(tx: Transaction, policy: Policy, subject: str) -> list[Held]:
        rows = tx.execute(select(AGREED.c.id, AGREED.c.at_ms).where(AGREED.c.subject == subject))
        return [
            Held(Ref("acknowledgement", row.id), "R-PRE-2", policy.expires_ms("acknowledgement", row.at_ms))
            for row in rows
        ]

    def export(copying: Copying) -> Iterator[Part]:
        for row in copying.tx.execute(select(AGREED).where(AGREED.c.subject == copying.subject)):
            about = {"Version": row.policy_version, "Language": row.locale, "Kind": row.kind}
            yield Record("acknowledgements", row.id, row.at_ms, about)

    title = "What you agreed to"
    return _simple(
        "acknowledgements", title, "preface", _Rows(AGREED, AGREED.c.at_ms, "acknowledgement"), of=of, export=export
    )


def _staff() -> Holding:
    """Accounts of staff live as long as the employment; disabling is the desk's, deleting the administrator's."""
    return Holding(name="staff", title="Staff", clause="3(2)", tables=("staff", "recovery_code"), kinds=("staff",))


def _letters() -> Holding:
    """Letters are sealed and deleted when sent; what stays unsent, or in a development mailbox, has a short life."""
    return _simple("letters", "Letters to you", "4(1)6", _Rows(LETTER, LETTER.c.created_ms, "letter"), of=_of_nobody)


def _jobs() -> Holding:
    return _simple("jobs", "Work that failed", "5(1)3", _Rows(JOB, JOB.c.dead_ms, "dead_job"), of=_of_nobody)


def _ledger() -> Holding:
    def of(tx: Transaction, policy: Policy, subject: str) -> list[Held]:
        entries = ledger.ENTRY.c
        newest = tx.execute(select(func.max(entries.at_ms)).where(_about(subject))).scalar_one()
        return [Held(Ref("ledger", subject), "R-3.2d", policy.expires_ms("audit", newest))] if newest else []

    def export(copying: Copying) -> Iterator[Part]:
        hers = select(ledger.ENTRY).where(_about(copying.subject), ledger.is_told())
        for row in copying.tx.execute(hers.order_by(ledger.ENTRY.c.seq)):
            by = "you" if row.actor == copying.subject else row.role or row.actor.partition(":")[0]
            about = {"Act": row.action, "By": by, "Purpose": row.purpose or ""}
            yield Record("ledger", str(row.seq), row.at_ms, about)

    return Holding(
        name="ledger",
        title="Who looked at or changed your records",
        clause="3(2)",
        tables=("ledger_entry",),
        classes=("audit",),
        kinds=("ledger",),
        of=of,
        export=export,
    )


def _about(subject: str) -> ColumnElement[bool]:
    entries = ledger.ENTRY.c
    return or_(entries.actor == subject, entries.object_id == subject.partition(":")[2])


@dataclass(frozen=True)
class _Rows:
    """Rows of one table that end a class's period after one of their times."""

    table: Table
    since: ColumnElement[int]
    kept_as: str


def _simple(
    name: str,
    title: str,
    clause: str,
    rows: _Rows,
    *,
    of: Callable[[Transaction, Policy, str], list[Held]],
    export: Callable[[Copying], Iterator[Part]] | None = None,
) -> Holding:
    """A holding of one table whose rows end a class's period after one of its times, and need no hiding or keys."""

    def due(tx: Transaction, policy: Policy, *, now: int, limit: int) -> list[Due]:
        return _dues(tx, policy, rows, rows.since <= now - policy.expires_ms(rows.kept_as, 0), limit)

    return Holding(
        name=name,
        title=title,
        clause=clause,
        tables=(rows.table.name,),
        classes=(rows.kept_as,),
        kinds=(rows.table.name,),
        due=due,
        of=of,
        erase=_deleting(rows.table),
        export=export or (lambda _: iter(())),
    )


def _dues(tx: Transaction, policy: Policy, rows: _Rows, over: ColumnElement[bool], limit: int) -> list[Due]:
    oldest = select(rows.table.c.id, rows.since.label("since")).where(over).order_by(rows.since).limit(limit)
    return [
        Due(Ref(rows.table.name, row.id), "system", rows.kept_as, policy.expires_ms(rows.kept_as, row.since))
        for row in tx.execute(oldest)
    ]


def _deleting(table: Table) -> EraseVerb:
    def erase(tx: Transaction, refs: Sequence[Ref], /, *, now: int) -> int:
        assert now
        return len(tx.execute(delete(table).where(table.c.id.in_(_ids(refs))).returning(table.c.id)).all())

    return erase


def _own(tx: Transaction, table: Table, kind: str, subject: str) -> list[Held]:
    """The one row of a subject that is itself the object."""
    named, _, own_id = subject.partition(":")
    found = tx.execute(select(table.c.id).where(table.c.id == own_id)).scalar() if named == kind else None
    return [Held(Ref(kind, found))] if found else []


def _of_nobody(_tx: Transaction, _policy: Policy, _subject: str) -> list[Held]:
    return []


def _ids(refs: Sequence[Ref]) -> list[str]:
    return [ref.id for ref in refs]
