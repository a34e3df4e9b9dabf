"""Nothing can be changed in the ledger without the check naming the place."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from core import ids, ledger
from core.database import Database, Transaction
from core.identity.callers import SYSTEM, Caller, Role
from core.ledger import CHECKPOINT, ENTRY, HEAD, Verdict
from core.refusals import Invalid
from core.settings import Settings
from core.vault.keystore import Vault

NOW = 1_795_500_000_000
ANN = Caller("staff", ids.new(), role=Role.SUPERVISOR, proof="password_totp")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    opened = Vault.open(Settings(data=tmp_path / "var"))
    yield opened
    opened.close()


def note(tx: Transaction, number: int) -> int:
    about = ("conversation", ids.new())
    return ledger.append(tx, caller=ANN, action="transcript.read", object=about, purpose="P1_LEGAL", now=NOW + number)


def written(database: Database, entries: int) -> None:
    for number in range(entries):
        database.write_now(note, number)


def with_triggers_off(database: Database, statement: str, **values: object) -> None:
    """What somebody can do who holds the database file and knows how."""

    def tamper(tx: Transaction) -> None:
        if tx.is_postgres:
            tx.execute(text("ALTER TABLE ledger_entry DISABLE TRIGGER ALL"))
        else:
            for verb in ("update", "delete"):
                tx.execute(text(f"DROP TRIGGER ledger_entry_no_{verb}"))
        tx.execute(text(statement), values)

    database.write_now(tamper)


@pytest.mark.both_engines
@pytest.mark.clause("3(2)")
def test_a_chain_that_nobody_touched_is_whole(database: Database) -> None:
    written(database, 5)

    verdict = database.read_now(ledger.verify)

    assert verdict == Verdict(5)
    assert verdict.is_whole


@pytest.mark.both_engines
@pytest.mark.clause("3(2)")
async def test_many_writers_make_one_chain_without_gaps(database: Database) -> None:
    await asyncio.gather(*(database.write_in(number, note, number) for number in range(40)))

    assert await database.read(ledger.verify) == Verdict(40)


@pytest.mark.both_engines
@pytest.mark.clause("3(2)")
@pytest.mark.parametrize("change", [update(ENTRY).values(result="denied"), delete(ENTRY)])
def test_the_database_refuses_to_change_or_delete_an_entry(database: Database, change: object) -> None:
    written(database, 1)

    with pytest.raises(DBAPIError, match="append-only"):
        database.write_now(lambda tx: tx.execute(change))  # type: ignore[arg-type]

    assert database.read_now(ledger.verify) == Verdict(1)


@pytest.mark.both_engines
@pytest.mark.clause("3(2)")
@pytest.mark.parametrize(
    ("statement", "bad", "why"),
    [
        ("UPDATE ledger_entry SET result = 'denied' WHERE seq = 3", 3, "changed"),
        ("UPDATE ledger_entry SET actor = 'staff:someoneelse' WHERE seq = 1", 1, "changed"),
        ("UPDATE ledger_entry SET at_ms = at_ms + 1 WHERE seq = 5", 5, "changed"),
        ("DELETE FROM ledger_entry WHERE seq = 2", 2, "missing"),
        ("DELETE FROM ledger_entry WHERE seq > 3", 4, "cut_off"),
    ],
)
def test_the_first_entry_that_was_tampered_with_is_named(
    database: Database, statement: str, bad: int, why: str
) -> None:
    written(database, 5)

    with_triggers_off(database, statement)

    verdict = database.read_now(ledger.verify)
    assert (verdict.first_bad, verdict.why) == (bad, why)


@pytest.mark.clause("3(2)")
def test_an_act_that_fails_leaves_no_entry_and_no_gap(database: Database) -> None:
    def fail(tx: Transaction) -> None:
        note(tx, 0)
        raise Invalid("bad", "No.")

    with pytest.raises(Invalid):
        database.write_now(fail)
    written(database, 1)

    assert database.read_now(ledger.verify) == Verdict(1)


@pytest.mark.parametrize("words", ["She wants a refund", "ann@example.com", "王小明", "", "a" * 81, "x\ny"])
@pytest.mark.clause("3(2)")
def test_content_does_not_fit_into_the_ledger(database: Database, words: str) -> None:
    for field in ("action", "object", "purpose", "result"):
        values: dict[str, object] = {"action": "read", "object": ("conversation", "c1"), "purpose": "P1_LEGAL"}
        values[field] = ("conversation", words) if field == "object" else words
        with pytest.raises(ValueError, match="ids and codes only"):
            database.write_now(lambda tx, given=values: ledger.append(tx, caller=SYSTEM, now=NOW, **given))  # type: ignore[misc]

    assert database.read_now(lambda tx: tx.execute(select(ENTRY)).all()) == []


def test_a_reason_that_is_a_sentence_is_refused_to_the_person_who_typed_it(database: Database) -> None:
    with pytest.raises(Invalid):
        database.write_now(
            lambda tx: ledger.append(
                tx, caller=ANN, action="read", object=("conversation", "c1"), reason="she is angry", now=NOW
            )
        )


@pytest.mark.both_engines
@pytest.mark.clause("3(2)")
def test_a_rewritten_chain_is_caught_by_the_signed_checkpoint(database: Database, vault: Vault) -> None:
    written(database, 3)
    signed = database.write_now(lambda tx: ledger.checkpoint(tx, vault, origin="aftercare/shop", now=NOW))
    written(database, 2)

    def rewrite(tx: Transaction) -> None:
        """Everything after entry 1 made anew, with a chain that fits."""
        rows = tx.execute(select(ENTRY).order_by(ENTRY.c.seq)).mappings().all()
        tx.execute(delete(ENTRY).where(ENTRY.c.seq > 1))
        tx.execute(update(HEAD).values(seq=1, hash=rows[0]["hash"]))
        for number in range(4):
            note(tx, 100 + number)

    with_triggers_off(database, "SELECT 1")
    database.write_now(rewrite)

    assert signed is not None
    assert signed.startswith("aftercare/shop\n3\n")
    verdict = database.read_now(lambda tx: ledger.verify(tx, vault=vault))
    assert (verdict.first_bad, verdict.why) == (3, "checkpoint")


def remade(database: Database, kept: int, entries: int) -> None:
    """Everything after entry `kept` made anew with a chain that fits, and no checkpoint left in the database."""

    def rewrite(tx: Transaction) -> None:
        last = tx.execute(select(ENTRY).where(ENTRY.c.seq == kept)).mappings().one()
        for table in ("ledger_entry", "ledger_checkpoint"):
            tx.execute(text(f"DROP TRIGGER IF EXISTS {table}_no_delete"))
        tx.execute(delete(CHECKPOINT))
        tx.execute(delete(ENTRY).where(ENTRY.c.seq > kept))
        tx.execute(update(HEAD).values(seq=kept, hash=last["hash"]))
        for number in range(entries):
            note(tx, 100 + number)

    database.write_now(rewrite)


@pytest.mark.clause("3(2)")
@pytest.mark.parametrize(("entries", "bad", "why"), [(3, 4, "witness"), (1, 4, "cut_off"), (0, 3, "cut_off")])
def test_a_fork_that_left_no_trace_in_the_database_is_caught_by_a_checkpoint_kept_elsewhere(
    database: Database, vault: Vault, entries: int, bad: int, why: str
) -> None:
    written(database, 4)
    signed = database.write_now(lambda tx: ledger.checkpoint(tx, vault, origin="aftercare/shop", now=NOW))
    assert signed is not None
    seen = ledger.witness(signed, vault)
    assert seen is not None

    remade(database, 2, entries)

    assert database.read_now(lambda tx: ledger.verify(tx, vault=vault)).is_whole
    verdict = database.read_now(lambda tx: ledger.verify(tx, vault=vault, witnesses=[seen]))
    assert (verdict.first_bad, verdict.why) == (bad, why)


@pytest.mark.clause("3(2)")
def test_a_checkpoint_of_what_a_restore_took_away_accuses_nobody(database: Database, vault: Vault) -> None:
    written(database, 4)
    signed = database.write_now(lambda tx: ledger.checkpoint(tx, vault, origin="aftercare/shop", now=NOW))
    seen = ledger.witness(signed or "", vault)
    assert seen is not None

    remade(database, 2, 0)
    database.write_now(lambda tx: ledger.note_gap(tx, SYSTEM, (4, seen.hash), reason="R-5.1.3c", now=NOW + 5))
    written(database, 3)

    assert database.read_now(lambda tx: ledger.verify(tx, witnesses=[seen])).is_whole


@pytest.mark.clause("3(2)")
def test_a_checkpoint_that_we_have_not_signed_testifies_nothing(database: Database, vault: Vault) -> None:
    written(database, 2)
    signed = database.write_now(lambda tx: ledger.checkpoint(tx, vault, origin="aftercare/shop", now=NOW))
    assert signed is not None

    for forged in (signed.replace("\n2\n", "\n1\n"), signed.replace("time 1", "time 2"), "", "a\nb\nc\nd"):
        assert ledger.witness(forged, vault) is None


@pytest.mark.clause("3(2)")
def test_a_forged_checkpoint_is_not_believed(database: Database, vault: Vault) -> None:
    written(database, 2)
    forged = {
        "size": 2,
        "at_ms": NOW,
        "hash": bytes(32),
        "note": "aftercare/shop\n2\nAAAA\ntime 0\n\n\u2014 x AAAAAAAA\n",
    }
    database.write_now(lambda tx: tx.execute(insert(CHECKPOINT).values(forged)))

    verdict = database.read_now(lambda tx: ledger.verify(tx, vault=vault))

    assert (verdict.first_bad, verdict.why) == (2, "checkpoint_signature")


def test_a_checkpoint_is_made_only_when_something_was_added(database: Database, vault: Vault) -> None:
    written(database, 1)

    notes = [
        database.write_now(lambda tx: ledger.checkpoint(tx, vault, origin="aftercare/shop", now=NOW)) for _ in range(2)
    ]

    assert notes[0] is not None
    assert notes[1] is None
    assert database.read_now(lambda tx: ledger.verify(tx, vault=vault)).is_whole
