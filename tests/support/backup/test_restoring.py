"""What was erased stays erased, what was lost is said, and a stop at any point leaves the old or the new."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select, text

from chat import conversations, epochs, log
from chat.audiences import Audience
from chat.log import Span
from chat.statements import CONVERSATION, EVENT, MARK
from core import clock, disk, generation, jobs, ledger, mail
from core.database import Database, Transaction
from core.identity import signins
from core.identity.callers import Caller
from core.identity.signins import Holder
from core.refusals import Conflict, Invalid, Refusal, Unavailable
from core.report import Collected
from core.settings import Settings
from core.vault.refusals import KeyGone
from media import sweeping
from support import migrating
from support.backup import keys, manifest, placing
from support.backup.commands import settle
from support.backup.manifest import DATA, MANIFEST, SIGNATURE, Manifest
from support.house import House, opened
from support.privacy import commands, erasure
from tests.support.backup.conftest import backed_up, readable, restored, rows
from tests.support.privacy.conftest import CANARY, NOW, conversation_of, shopper, visitor
from tests.support.privacy.test_retention import conversations as conversation_ids
from tests.support.privacy.test_retention import count, entries


def words(house: House, conversation_id: str) -> list[str]:
    """What a conversation says to its owner."""

    def read(tx: Transaction) -> list[str]:
        row = conversations.get(tx, conversation_id, now=clock.now())
        return [str(e.body.get("text")) for e in log.read(tx, house.core, row, Audience.PUBLIC, Span(100))]

    return house.core.database.read_now(read)


async def sign_in(house: House, caller: Caller) -> str:
    holder = Holder("person", caller.id, "email_code")
    return (
        await house.core.database.write(lambda tx: signins.start(tx, house.core.hub, holder, now=clock.now()))
    ).token


@pytest.mark.clause("5(1)3")
async def test_whoever_was_erased_since_the_back_up_stays_erased(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        ann, bea = await shopper(house, "ann@example.com"), await shopper(house, "bea@example.com", "Where is it?")
        await sign_in(house, bea.caller)
        await backed_up(house, folder)
        await erasure.run(house.core, house.holdings, ann.caller.ref, now=clock.now())

    done = await restored(settings, folder)

    async with opened(settings) as house:
        assert house.settled is None
        assert conversation_ids(house) == {bea.conversation.id}
        assert (count(house, "person"), count(house, "attachment"), count(house, "sign_in")) == (1, 1, 0)
        with pytest.raises(KeyGone):
            house.core.vault.key(ann.conversation.dek_id, scope=ann.conversation.id, owner=ann.caller.ref)
        assert "Where is it?" in words(house, bea.conversation.id)
        assert (await sweeping.sweep(house.media, now=clock.now())).missing == ()
        held = {name for row in rows(house, "attachment") for name in (row["original_blob"], row["view_blob"])}
        assert min([await house.media.blobs.size(name) for name in held]) > 0
    assert done.settled.erased.objects == 3
    assert done.settled.sign_ins == 1
    assert len([path for path in (settings.data / "media").rglob("*") if path.is_file()]) == 3
    assert readable(settings.data, CANARY, "ann@example.com", "王小明") == []


@pytest.mark.clause("5(1)3")
async def test_a_conversation_whose_period_ended_since_the_back_up_stays_gone(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        old = await conversation_of(house, visitor(), "long ago", now=NOW - 400 * clock.DAY)
        young = await conversation_of(house, visitor(), "just now")
        await backed_up(house, folder)
        await commands.run(house.core, house.holdings, Collected())
        assert conversation_ids(house) == {young.id}

    await restored(settings, folder)

    async with opened(settings) as house:
        assert conversation_ids(house) == {young.id}
    assert old.id != young.id


async def test_every_log_gets_another_epoch_and_stands_as_it_was(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        bea = await shopper(house, "bea@example.com", "before")
        await backed_up(house, folder)
        before = {row["id"]: row for row in rows(house, "conversation")}
        await conversation_of(house, bea.caller, "a new one, lost")

    done = await restored(settings, folder)

    async with opened(settings) as house:
        after = {row["id"]: row for row in rows(house, "conversation")}
        newest = select(EVENT.c.conversation_id, func.max(EVENT.c.seq)).group_by(EVENT.c.conversation_id)
        ends = house.core.database.read_now(lambda tx: [tuple(row) for row in tx.execute(newest)])
        marks = house.core.database.read_now(
            lambda tx: tx.execute(
                select(MARK)
                .join(CONVERSATION, CONVERSATION.c.id == MARK.c.conversation_id)
                .where(MARK.c.read_seq > CONVERSATION.c.last_seq)
            ).all()
        )
    (one,) = before
    assert after.keys() == before.keys()
    assert after[one]["epoch"] != before[one]["epoch"]
    assert {**after[one], "epoch": ""} == {**before[one], "epoch": ""}
    assert ends == [(one, before[one]["last_seq"])]
    assert marks == []
    assert done.settled.logs == 1


async def test_letters_and_codes_of_the_past_are_dropped_and_other_work_waits_for_a_person(
    settings: Settings, folder: Path
) -> None:
    relayed = settings.model_copy(update={"smtp_url": "smtp://127.0.0.1:1"})

    def pending(tx: Transaction) -> None:
        values = {"code": "1234 5678", "minutes": 10, "device": ""}
        mail.post(tx, house.core, to="a@example.com", template="code", locale="en", context=values, now=NOW)
        jobs.enqueue(tx, "shop.webhook", {"order": "1"}, run_ms=NOW)
        jobs.enqueue(tx, "media.sweep", {}, run_ms=NOW, key=jobs.EVERY)

    async with opened(relayed) as house:
        await house.core.database.write(pending)
        await backed_up(house, folder)

    done = await restored(relayed, folder)

    async with opened(relayed) as house:
        left = {row["kind"]: (row["error"], row["dead_ms"] is not None) for row in rows(house, "job")}
        assert count(house, "letter") == 0
    assert left == {"shop.webhook": ("restored", True), "media.sweep": (None, False)}
    assert (done.settled.letters, done.settled.jobs) == (1, 1)


async def test_the_ledger_is_whole_and_says_what_it_lost(settings: Settings, folder: Path) -> None:
    report = Collected()
    async with opened(settings) as house:
        bea = await shopper(house, "bea@example.com")
        made = await backed_up(house, folder)
        await erasure.run(house.core, house.holdings, bea.caller.ref, now=clock.now())
        await commands.checkpoint(house.core, report)
        end = house.core.database.read_now(ledger.end)
    kept_files = {path.name: path.read_text() for path in (settings.data / "checkpoints").iterdir()}

    done = await restored(settings, folder)

    async with opened(settings) as house:
        told = entries(house)[made.ledger_seq :]
        await commands.checkpoint(house.core, report)
        verified = await commands.ledger_verify(house.core, report)
    lost = end[0] - made.ledger_seq
    assert lost >= 2
    assert told[0] == ("ledger.gap", end[1].hex(), f"kept-{made.ledger_seq}.lost-{lost}")
    assert told[1][0] == "data.restored"
    assert (done.settled.entries_kept, done.settled.entries_lost) == (made.ledger_seq, lost)
    assert verified == 0
    assert "A restore is recorded" in report.lines[-1]
    now_there = {path.name: path.read_text() for path in (settings.data / "checkpoints").iterdir()}
    assert kept_files.items() < now_there.items()


async def test_a_chat_that_changed_hands_since_follows_its_key(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        bea = await shopper(house, "bea@example.com")
        guest = visitor()
        chat = await conversation_of(house, guest, "I have not said who I am")
        await backed_up(house, folder)
        proven = conversations.Proven(guest, bea.caller, "bea@example.com")
        await conversations.identify(house.core, house.media, chat.id, proven, now=clock.now())

    done = await restored(settings, folder)

    async with opened(settings) as house:
        owner = next(row["owner"] for row in rows(house, "conversation") if row["id"] == chat.id)
        assert "I have not said who I am" in words(house, chat.id)
    assert owner == bea.caller.ref
    assert done.settled.owners == 1


async def test_the_data_of_before_are_set_aside_and_never_deleted(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        await shopper(house, "bea@example.com")
        await backed_up(house, folder)
        late = await shopper(house, "cat@example.com")
        blobs = [
            name
            for row in rows(house, "attachment")
            if row["id"] == late.attachment
            for name in (row["original_blob"], row["view_blob"], row["thumb_blob"])
        ]

    done = await restored(settings, folder)

    assert done.aside is not None
    before = Database(f"sqlite:///{done.aside}")
    before.open()
    known = before.read_now(lambda tx: set(tx.execute(select(CONVERSATION.c.id)).scalars()))
    before.close()
    second = {path.name for path in (settings.data / "media").glob(".before-*/*/*")}
    assert late.conversation.id in known
    assert second == set(blobs)


# ------------------------------------------------------------ put back by hand, or elsewhere


async def test_data_put_back_by_hand_are_settled_by_the_next_start(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        ann = await shopper(house, "ann@example.com")
        await backed_up(house, folder)
        await erasure.run(house.core, house.holdings, ann.caller.ref, now=clock.now())
    for path in settings.data.glob("data.db*"):
        path.unlink()
    shutil.copy(folder / DATA, settings.data / "data.db")

    async with opened(settings) as house:
        settled = house.settled
        assert conversation_ids(house) == set()

    async with opened(settings) as house:
        again = house.settled
    assert settled is not None
    assert settled.erased.objects == 3
    assert again is None


async def test_a_copy_of_the_last_moment_before_a_stop_is_behind_when_it_is_put_back(
    settings: Settings, tmp_path: Path
) -> None:
    async with opened(settings) as house:
        await shopper(house, "ann@example.com")
        await house.core.database.copy_to(tmp_path / "copy")
    for path in settings.data.glob("data.db*"):
        path.unlink()
    shutil.copy(tmp_path / "copy", settings.data / "data.db")

    async with opened(settings) as house:
        settled = house.settled

    assert settled is not None
    assert settled.logs == 1


async def test_data_that_do_not_look_like_it_are_settled_when_somebody_says_so(settings: Settings) -> None:
    async with opened(settings) as house:
        ann = await shopper(house, "ann@example.com")
        before = {row["epoch"] for row in rows(house, "conversation")}

    assert await settle(settings, Collected()) == 0

    async with opened(settings) as house:
        assert house.settled is None
        assert not before & {row["epoch"] for row in rows(house, "conversation")}
        assert words(house, ann.conversation.id)


async def test_on_postgres_a_step_back_is_settled_too(settings: Settings, postgres_url: str) -> None:
    scaled = settings.model_copy(update={"database_url": postgres_url, "keystore_url": postgres_url})
    database = Database(postgres_url)
    database.open()
    migrating.migrate(database)
    database.close()
    async with opened(scaled) as house:
        bea = await shopper(house, "bea@example.com")
        before = {row["epoch"] for row in rows(house, "conversation")}
        await generation.advance(house.core)
        await generation.advance(house.core)
        await house.core.database.write(lambda tx: tx.execute(text("UPDATE generation SET number = 1")) and None)
        assert await generation.advance(house.core) is False

    async with opened(scaled) as house:
        settled = house.settled
        after = {row["epoch"] for row in rows(house, "conversation")}
        assert await generation.advance(house.core) is True
        assert words(house, bea.conversation.id)
    assert settled is not None
    assert settled.logs == 1
    assert not before & after


@pytest.mark.clause("5(1)3")
async def test_on_a_new_machine_the_pair_of_copies_and_the_key_folders_are_enough(
    settings: Settings, folder: Path, tmp_path: Path
) -> None:
    async with opened(settings) as house:
        bea = await shopper(house, "bea@example.com", "Where is it?")
        await backed_up(house, folder)
        await keys.copy(house.core, tmp_path / "ring" / "monday.keys", now=clock.now())
    elsewhere = Settings(data=tmp_path / "drill", keys=f"file:{tmp_path / 'drill-keys' / 'kek.d'}")
    elsewhere.data.mkdir(mode=0o700)
    shutil.copytree(tmp_path / "keys", tmp_path / "drill-keys")
    shutil.copy(tmp_path / "ring" / "monday.keys", elsewhere.data / "keys.db")

    done = await restored(elsewhere, folder)

    async with opened(elsewhere) as house:
        assert "Where is it?" in words(house, bea.conversation.id)
        assert (await sweeping.sweep(house.media, now=clock.now())).missing == ()
        assert house.core.database.read_now(ledger.verify, vault=house.core.vault).is_whole
    assert done.aside is None


# ------------------------------------------------------------ stops


class PowerCut(BaseException):
    """The machine stops here."""


def cut_at(step: int) -> Callable[[Path, Path], None]:
    """`disk.move`, until the power fails."""
    move, moved = disk.move, 0

    def moving(source: Path, target: Path) -> None:
        nonlocal moved
        if moved == step:
            raise PowerCut
        moved += 1
        move(source, target)

    return moving


@pytest.mark.parametrize("step", range(6))
async def test_a_stop_at_any_rename_leaves_the_old_or_the_new_and_again_finishes(
    settings: Settings, folder: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(settings) as house:
        bea = await shopper(house, "bea@example.com")
        await backed_up(house, folder)
        late = await conversation_of(house, visitor(), "after the back-up")
    old, new = {bea.conversation.id, late.id}, {bea.conversation.id}
    with sqlite3.connect(settings.data / "data.db") as held:  # a -wal and a -shm lie beside it, as after a kill
        held.execute("PRAGMA journal_mode=wal")
        held.execute("UPDATE generation SET number = number")
        held.commit()
        with monkeypatch.context() as patch:
            patch.setattr(disk, "move", cut_at(step))
            try:
                await restored(settings, folder)
                was_cut = False
            except PowerCut:
                was_cut = True
    held.close()

    async with opened(settings) as house:
        found = conversation_ids(house)
    await restored(settings, folder)

    async with opened(settings) as house:
        assert conversation_ids(house) == new
    assert found == (old if step == 0 else new)
    assert was_cut == (step < 5)
    assert not (settings.data / placing.PLAN).exists()
    assert not placing.staged(settings).exists()


async def test_a_stop_before_it_is_settled_is_settled_by_the_next_start(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(settings) as house:
        ann = await shopper(house, "ann@example.com")
        await backed_up(house, folder)
        await erasure.run(house.core, house.holdings, ann.caller.ref, now=clock.now())

    def cut(_: Transaction) -> int:
        raise RuntimeError("the power fails")

    with monkeypatch.context() as patch:
        patch.setattr(epochs, "renew_all", cut)
        with pytest.raises(RuntimeError, match="power"):
            await restored(settings, folder)

    async with opened(settings) as house:
        assert house.settled is not None
        assert conversation_ids(house) == set()
        assert count(house, "person") == 0


# ------------------------------------------------------------ refusals


def resigned(house: House, folder: Path, made: Manifest, **changed: object) -> None:
    """A manifest that this shop has signed, with something else in it."""
    for name, content in zip(
        (MANIFEST, SIGNATURE),
        manifest.sign(house.core.vault, msgspec.structs.replace(made, **changed)),
        strict=True,
    ):
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"schema": "9999"}, "schema_new"),
        ({"tenant": "another"}, "backup_of_another"),
        ({"format": "aftercare/backup/9"}, "backup_of_another"),
        ({"generation": 99}, "keystore_older"),
        ({"tombstones": 99}, "keystore_older"),
        ({"entries": [manifest.Entry("../../etc/passwd", 1, "00")]}, "backup_name"),
    ],
)
async def test_a_back_up_that_does_not_belong_here_is_refused_and_nothing_changes(
    settings: Settings, folder: Path, changed: dict[str, object], code: str
) -> None:
    async with opened(settings) as house:
        made = await backed_up(house, folder)
        resigned(house, folder, made, **changed)
    before = (settings.data / "data.db").read_bytes()

    with pytest.raises(Refusal, match=code):
        await restored(settings, folder)

    assert (settings.data / "data.db").read_bytes() == before
    assert not list(settings.data.glob("*.before-*"))


@pytest.mark.parametrize("what", ["data", "media", "missing", "signature", "nothing there"])
async def test_a_back_up_that_was_changed_is_refused_and_nothing_changes(
    settings: Settings, folder: Path, what: str
) -> None:
    async with opened(settings) as house:
        await shopper(house, "bea@example.com")
        await backed_up(house, folder)
    blob = next(path for path in (folder / "media").rglob("*") if path.is_file())
    path = {"data": folder / DATA, "media": blob, "missing": blob, "signature": folder / SIGNATURE}.get(what)
    if path is None:
        shutil.rmtree(folder)
    else:
        content = path.read_bytes()
        path.unlink()  # a new file: the old one may be the very blob that is served
        if what != "missing":
            path.write_bytes(content[:-2] + bytes((content[-2] ^ 1,)) + content[-1:])

    with pytest.raises(Invalid):
        await restored(settings, folder)

    async with opened(settings) as house:
        assert (house.settled, count(house, "conversation")) == (None, 1)


async def test_while_it_is_served_nothing_is_restored(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        await backed_up(house, folder)

        with pytest.raises(Conflict, match="running"):
            await restored(settings, folder)


async def test_a_keystore_of_before_the_back_up_is_refused(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        await shopper(house, "bea@example.com")
    older = (settings.data / "keys.db").read_bytes()
    async with opened(settings) as house:
        await backed_up(house, folder)
    (settings.data / "keys.db").write_bytes(older)

    with pytest.raises(Conflict, match="keystore_older"):
        await restored(settings, folder)


async def test_without_a_keystore_no_new_one_is_made(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        await backed_up(house, folder)
    (settings.data / "keys.db").unlink()

    with pytest.raises(Conflict, match="no_keystore"):
        await restored(settings, folder)

    assert not (settings.data / "keys.db").exists()


async def test_with_postgres_it_names_the_tool_to_use(settings: Settings, folder: Path) -> None:
    scaled = settings.model_copy(update={"database_url": "postgresql://nobody@127.0.0.1:1/none"})

    with pytest.raises(Conflict) as refused:
        await restored(scaled, folder)

    assert "pg_restore" in refused.value.sentence


async def test_something_made_in_an_interrupted_restore_is_not_overwritten(settings: Settings, folder: Path) -> None:
    async with opened(settings) as house:
        await backed_up(house, folder)
    shutil.copy(folder / DATA, placing.staged(settings))
    placing.plan(settings, "monday")
    shutil.copy(settings.data / "data.db", placing.set_aside(settings, "monday"))

    with pytest.raises(Unavailable, match="restore_blocked"):
        placing.finish(settings)

    assert (settings.data / "data.db").exists()
