"""Promises that no single room keeps: what the whole product does not do, tried on the whole product."""

import re
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from alembic import command
from sqlalchemy import LargeBinary
from sqlmodel import SQLModel

from core import clock, ids, mail
from core.database import Database, Transaction
from core.identity import Role
from core.settings import ROOT
from core.web import i18n
from support import app, migrating, tables
from tests.support.desk.house import conversation, member, order, said, shopper
from tests.whole import PERSON, Visitor, Whole, product

EMAIL = "anna@example.com"
SECRET = "Zwetschgenkuchen"
BORN = re.compile(r"birth|born|dob\b|生日|出生", re.IGNORECASE)
assert tables.ALL


@pytest_asyncio.fixture
async def whole(tmp_path: Path) -> AsyncIterator[Whole]:
    async with product(tmp_path) as opened:
        yield opened


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """A web server that writes down whoever comes to it."""
    callers: list[bytes] = []
    door = socket.create_server(("127.0.0.1", 0))
    door.settimeout(0.2)
    closing = threading.Event()

    def listen() -> None:
        while not closing.is_set():
            try:
                caller, _ = door.accept()
            except TimeoutError:
                continue
            with caller:
                callers.append(caller.recv(1_000))

    thread = threading.Thread(target=listen)
    thread.start()
    yield f"http://127.0.0.1:{door.getsockname()[1]}/pay", callers
    closing.set()
    thread.join()
    door.close()


async def written(visitor: Visitor, text: str) -> str:
    """A conversation in which somebody said this through the front door."""
    chat = await visitor.start()
    frame = {"t": "send", "c": chat, "m": ids.new(), "k": "message", "b": {"text": text}}
    answer = await visitor.call("/chat/send", [frame])
    assert answer.json()[0]["t"] == "ack"
    return chat


@pytest.mark.clause("7(1)")
async def test_a_link_in_a_chat_is_kept_as_it_was_written_and_never_fetched(
    whole: Whole, listener: tuple[str, list[bytes]]
) -> None:
    visitor, (link, callers) = whole.visitor(), listener
    mei = await member(whole.house.core, "mei.lin")

    chat = await written(visitor, f"Is this your payment page? {link}")
    shown = await visitor.client.get(f"/chat/conversations/{chat}/events", headers=mei.headers)
    probe = socket.create_connection(("127.0.0.1", int(link.rsplit(":", 1)[1].removesuffix("/pay"))))
    probe.sendall(b"probe")
    probe.close()
    while not callers:
        threading.Event().wait(0.01)

    assert link in shown.text
    assert callers == [b"probe"]


@pytest.mark.clause("7(1)")
async def test_no_page_tells_the_next_site_where_somebody_came_from(whole: Whole) -> None:
    for path in ("/chat", "/policy", "/chat/minor", "/desk/sign-in"):
        answer = await whole.visitor().page(path)

        assert answer.headers["referrer-policy"] == "no-referrer"
        for link in re.findall(r"<a [^>]*target=\"_blank\"[^>]*>", answer.text):
            assert "noopener" in link


@pytest.mark.clause("7(3)")
@pytest.mark.parametrize("lang", ["en", "zh-Hant"])
async def test_where_to_ask_stands_in_the_notice_on_the_policy_and_in_every_letter(whole: Whole, lang: str) -> None:
    core, visitor = whole.house.core, whole.visitor()
    contact = core.settings.contact_email

    notice, policy = await visitor.page(f"/chat?lang={lang}"), await visitor.page(f"/policy?lang={lang}")

    assert contact in notice.text
    assert contact in policy.text
    for letter in sorted({path.stem for path in (ROOT / "templates" / "mail").glob("*.txt")}):
        for form in ("txt", "html"):
            source = (ROOT / "templates" / "mail" / f"{letter}.{form}").read_text()
            assert "{{ contact }}" in source, f"{letter}.{form} does not say where to ask"
            assert "{{ controller }}" in source, f"{letter}.{form} does not say who writes"


@pytest.mark.clause("4(1)6")
async def test_no_letter_that_the_chat_causes_holds_a_word_of_it(whole: Whole) -> None:
    core, visitor = whole.house.core, whole.visitor()
    chat = await written(visitor, f"My {SECRET} arrived broken")
    await visitor.call("/shopper/code", {"email": EMAIL})
    await visitor.call("/shopper/verify", {"code": await visitor.code(), "conversation": chat})
    mei = await member(core, "mei.lin")
    await said(core, chat, mei.caller, f"We are sorry about your {SECRET}")

    letters = await core.database.read(mail.kept, core, now=clock.now())

    assert [letter.to for letter in letters] == [EMAIL]
    for letter in letters:
        assert SECRET not in letter.subject + letter.text + letter.html
        assert not re.search(r"\d{4}", letter.subject)


@pytest.mark.clause("4(1)3")
async def test_the_counters_carry_no_person(whole: Whole) -> None:
    core, visitor = whole.house.core, whole.visitor()
    chat = await written(visitor, SECRET)
    yiting = await shopper(core, EMAIL)
    object.__setattr__(core.settings, "metrics_token", "a-token-for-metrics")

    metrics = await visitor.client.get("/metrics", headers={"Authorization": "Bearer a-token-for-metrics"})

    assert metrics.status_code == 200
    assert "aftercare_" in metrics.text
    for personal in (SECRET, EMAIL, yiting.id, chat):
        assert personal not in metrics.text
    assert not re.search(r"[0-9a-f]{32}", metrics.text)


@pytest.mark.clause("4(1)2")
@pytest.mark.clause("3(1)")
@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
async def test_those_who_keep_the_machine_get_no_transcript(whole: Whole, role: Role) -> None:
    core, visitor = whole.house.core, whole.visitor()
    chat = await conversation(core, await shopper(core, EMAIL), f"My {SECRET}")
    keeper = await member(core, "root.lin", role)
    doors = [door for door in app.routes(core.settings) if "GET" in (getattr(door, "methods", None) or ())]
    paths = [re.sub(r"\{[^}]*\}", chat.id, door.path) for door in doors]  # type: ignore[attr-defined]

    answers = [await visitor.client.get(path, headers={**PERSON, **keeper.page}) for path in paths]

    assert any(answer.status_code == 200 for answer in answers)
    for path, answer in zip(paths, answers, strict=True):
        assert SECRET not in answer.text, path


@pytest.mark.clause("2(3)4")
@pytest.mark.clause("6(1)")
async def test_nobody_is_asked_for_a_date_of_birth_and_no_table_has_room_for_one(whole: Whole) -> None:
    assert whole.house
    forms = [path for path in (ROOT / "templates").rglob("*.html") if re.search("<(input|select)", path.read_text())]

    asked = [
        f"{path.name}: {name}"
        for path in forms
        for name in re.findall(r'<(?:input|select|textarea)[^>]*name="([^"]+)"', path.read_text())
        if BORN.search(name)
    ]
    columns = [f"{table.name}.{column.name}" for table in SQLModel.metadata.sorted_tables for column in table.columns]

    assert len(forms) > 5
    assert asked == []
    assert [column for column in columns if BORN.search(column)] == []


@pytest.mark.clause("6(1)")
async def test_what_shows_a_child_has_the_shortest_period_and_children_are_under_twelve(whole: Whole) -> None:
    policy = whole.house.core.policy

    assert policy.number("child_age") == 12
    assert policy.days("retention.child_data") == 30
    assert policy.days("retention.child_data") <= min(
        policy.days(f"retention.{kind}") for kind in ("media_original", "sensitive_media", "service_chat")
    )
    assert i18n.gettext("zh-Hant", "I am under %(age)s") != "I am under %(age)s"


@pytest.mark.clause("4(1)5")
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_an_upgrade_of_the_schema_leaves_every_sealed_byte_as_it_was(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Migrations are given a database and no vault, so there is nothing that they could open."""
    async with product(tmp_path / "source") as whole:
        core = whole.house.core
        yiting = await shopper(core, EMAIL)
        await conversation(core, yiting, SECRET)
        await order(core, yiting)
        rows = {name: core.database.read_now(_rows, name) for name in ("person", "event", "order_record")}
    database = Database(request.getfixturevalue(f"{engine}_url"))
    database.open()
    migrating.migrate(database)
    for name, values in rows.items():
        database.write_now(_put, name, values)

    with database.engine.connect() as connection:
        config = migrating._config()
        config.attributes["connection"] = connection
        command.downgrade(config, "0003")
    migrating.migrate(database)

    after = {name: database.read_now(_rows, name) for name in rows}
    database.close()
    assert sum(len(values) for values in rows.values()) >= 4
    assert {name: _sealed(name, values) for name, values in after.items()} == {
        name: _sealed(name, values) for name, values in rows.items()
    }


Rows = list[dict[str, object]]


def _rows(tx: Transaction, name: str) -> Rows:
    return [dict(row._mapping) for row in tx.execute(SQLModel.metadata.tables[name].select())]


def _put(tx: Transaction, name: str, rows: Rows) -> None:
    for row in rows:
        tx.execute(SQLModel.metadata.tables[name].insert().values(**row))


def _sealed(name: str, rows: Rows) -> list[list[object]]:
    table = SQLModel.metadata.tables[name]
    columns = [column.name for column in table.columns if isinstance(column.type, LargeBinary)]
    assert columns, f"{name} keeps nothing sealed"
    return sorted(([row[column] for column in columns] for row in rows), key=str)
