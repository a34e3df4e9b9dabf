"""Letters: sealed when written, handed over with TLS, gone when delivered or too late."""

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiosmtplib
import pytest
from aiosmtpd.controller import Controller
from sqlmodel import func, select

from core import jobs, mail
from core.clock import DAY, MINUTE
from core.mail import Relay, RelayMissing, SealedLetter
from core.services import Core
from core.settings import Settings
from tests.conftest import free_port

NOW = 1_795_000_000_000
CONTEXT = {"code": "1234 5678", "device": "Firefox, Linux", "minutes": 10}


class Sink:
    """A relay on loopback that keeps what it is given and says what the test wants."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.says = "250 OK"

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if self.says.startswith("550"):
            return self.says
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.says.startswith("250"):
            message = email.message_from_bytes(envelope.content, policy=email.policy.SMTP)
            assert isinstance(message, EmailMessage)
            self.messages.append(message)
            self.recipients += envelope.rcpt_tos
        return self.says


@pytest.fixture
def relay_port() -> int:
    return free_port()


@pytest.fixture
def sink(relay_port: int) -> Iterator[Sink]:
    sink = Sink()
    server = Controller(sink, hostname="127.0.0.1", port=relay_port)
    server.start()
    yield sink
    server.stop()


@pytest.fixture
def smtp_url(relay_port: int) -> str | None:
    """Where the relay is; a test without one sets None."""
    return f"smtp://127.0.0.1:{relay_port}"


@pytest.fixture
def settings(tmp_path: Path, smtp_url: str | None) -> Settings:
    """A shop with its own address and name."""
    return Settings(data=tmp_path, public_url="https://help.example.com", smtp_url=smtp_url, shop_name="晨光, Ltd.")


async def post(core: Core, *, to: str = "anna@example.com", locale: str = "en", expires_ms: int | None = None) -> str:
    return await core.database.write(
        mail.post, core, to=to, template="code", locale=locale, context=CONTEXT, now=NOW, expires_ms=expires_ms
    )


async def waiting(core: Core) -> int:
    return await core.database.read(lambda tx: tx.session.exec(select(func.count()).select_from(SealedLetter)).one())


async def test_a_letter_arrives_in_both_forms_and_is_forgotten(core: Core, sink: Sink) -> None:
    letter = await post(core)

    await mail.send(core, letter, now=NOW)

    message = sink.messages[0]
    assert sink.recipients == ["anna@example.com"]
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"].addresses[0].display_name == "晨光, Ltd."
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert await waiting(core) == 0


@pytest.mark.clause("2(2)")
@pytest.mark.parametrize("locale", ["en", "zh-Hant", "fr"])
async def test_the_code_is_in_the_body_and_nowhere_else(core: Core, sink: Sink, locale: str) -> None:
    await mail.send(core, await post(core, locale=locale), now=NOW)

    message = sink.messages[0]
    bodies = [part.get_content() for part in message.iter_parts()]
    assert all("1234 5678" in body for body in bodies)
    assert not any(re.search(r"https?://|<a |<img|<script", body) for body in bodies)
    assert all("help.example.com" in body and "Firefox, Linux" in body for body in bodies)
    headers = "".join(f"{name}: {value}" for name, value in message.items())
    assert "1234" not in headers


async def test_a_letter_is_in_the_readers_language(core: Core, sink: Sink) -> None:
    for locale in ("en", "zh-Hant"):
        await mail.send(core, await post(core, locale=locale), now=NOW)

    english, chinese = (message["Subject"] for message in sink.messages)
    assert english == "Your code for 晨光, Ltd."
    assert chinese == "您在「晨光, Ltd.」的驗證碼"
    assert "10 分鐘" in sink.messages[1].get_body(("plain",)).get_content()  # type: ignore[union-attr]


async def test_nothing_of_a_letter_is_readable_in_the_database(core: Core) -> None:
    await post(core)

    raw = b"".join(file.read_bytes() for file in core.settings.data.rglob("*") if file.is_file())

    assert b"anna@example.com" not in raw
    assert b"1234 5678" not in raw


async def test_a_letter_whose_transaction_fails_was_never_written(core: Core) -> None:
    def fail(tx: Any) -> None:
        mail.post(tx, core, to="anna@example.com", template="code", locale="en", context=CONTEXT, now=NOW)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await core.database.write(fail)

    assert await waiting(core) == 0


async def test_a_code_that_is_too_late_is_dropped_unsent(core: Core, sink: Sink) -> None:
    letter = await post(core, expires_ms=NOW + 10 * MINUTE)

    await mail.send(core, letter, now=NOW + 10 * MINUTE)

    assert sink.messages == []
    assert await waiting(core) == 0


async def test_a_letter_is_delivered_once_however_often_the_job_runs(core: Core, sink: Sink) -> None:
    letter = await post(core)

    for _ in range(3):
        await mail.send(core, letter, now=NOW)

    assert len(sink.messages) == 1


async def test_a_relay_that_says_later_gets_the_letter_again(core: Core, sink: Sink) -> None:
    letter = await post(core)
    sink.says = "451 later"
    with pytest.raises(aiosmtplib.SMTPException):
        await mail.send(core, letter, now=NOW)
    assert await waiting(core) == 1

    sink.says = "250 OK"
    await mail.send(core, letter, now=NOW)

    assert len(sink.messages) == 1
    assert await waiting(core) == 0


@pytest.mark.parametrize("answer", ["550 no such mailbox", "554 rejected"])
async def test_a_letter_that_nobody_wants_is_dropped(core: Core, sink: Sink, answer: str) -> None:
    letter = await post(core)
    sink.says = answer

    await mail.send(core, letter, now=NOW)

    assert sink.messages == []
    assert await waiting(core) == 0


async def test_posting_a_letter_makes_the_job_that_sends_it(core: Core, sink: Sink) -> None:
    await post(core)
    runner = jobs.Runner(core, mail.handlers(core))

    handled = await runner.run_due(NOW)

    assert handled == 1
    assert len(sink.messages) == 1
    assert await runner.run_due(NOW) == 0


async def test_letters_that_nobody_could_deliver_are_gone_after_a_week(core: Core) -> None:
    await post(core)

    await core.database.write(mail.sweep, now=NOW + 7 * DAY)
    assert await waiting(core) == 1
    await core.database.write(mail.sweep, now=NOW + 7 * DAY + 1)

    assert await waiting(core) == 0


async def test_a_relay_that_is_down_keeps_the_letter_waiting(core: Core) -> None:
    letter = await post(core)

    with pytest.raises((aiosmtplib.SMTPException, OSError)):
        await mail.send(core, letter, now=NOW)

    assert await waiting(core) == 1


@pytest.mark.clause("3(1)")
async def test_a_relay_that_offers_no_tls_gets_nothing(core: Core, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    letter = await post(core)
    elsewhere = Relay.parse(core.settings.smtp_url, is_production=False)
    monkeypatch.setattr(
        Relay, "parse", lambda *_, **__: Relay(elsewhere.host, elsewhere.port, None, None, False, starts_tls=True)
    )

    with pytest.raises(aiosmtplib.SMTPException):
        await mail.send(core, letter, now=NOW)

    assert sink.messages == []
    assert await waiting(core) == 1


@pytest.mark.clause("3(1)")
@pytest.mark.parametrize(
    ("url", "is_production", "at_once", "starts"),
    [
        ("smtp://relay.example.com", True, False, True),
        ("smtps://relay.example.com", True, True, False),
        ("smtp://relay.example.com", False, False, False),
        ("smtp://127.0.0.1:2525", True, False, False),
        ("smtp://[::1]:2525", True, False, False),
        ("smtp://localhost:2525", True, False, False),
        ("smtp://127.0.0.1.example.com", True, False, True),
    ],
)
def test_tls_is_required_but_on_this_machine_or_in_development(
    url: str, is_production: bool, at_once: bool, starts: bool
) -> None:
    relay = Relay.parse(url, is_production=is_production)

    assert (relay.tls_at_once, relay.starts_tls) == (at_once, starts)


def test_a_relays_url_holds_its_port_and_its_secrets() -> None:
    relay = Relay.parse("smtp://us%40er:p%2Fw@relay.example.com:2525", is_production=True)

    assert (relay.host, relay.port, relay.username, relay.password) == ("relay.example.com", 2525, "us@er", "p/w")


def test_without_a_relay_letters_wait() -> None:
    with pytest.raises(RelayMissing):
        Relay.parse(None, is_production=True)


@pytest.mark.parametrize("smtp_url", [None])
async def test_a_development_machine_keeps_letters_for_its_mailbox_newest_first(core: Core) -> None:
    await post(core, to="anna@example.com")
    await core.database.write(
        mail.post, core, to="boris@example.com", template="code", locale="en", context=CONTEXT, now=NOW + 1
    )

    kept = await core.database.read(mail.kept, core, now=NOW + 1)

    assert [letter.to for letter in kept] == ["boris@example.com", "anna@example.com"]
    assert "1234 5678" in kept[0].text


@pytest.mark.parametrize("smtp_url", [None])
async def test_the_mailbox_forgets_codes_past_their_time_and_keeps_fifty(core: Core) -> None:
    await post(core, expires_ms=NOW + 10 * MINUTE)

    assert await core.database.read(mail.kept, core, now=NOW + 10 * MINUTE) == []
    for number in range(55):
        await core.database.write(
            mail.post,
            core,
            to=f"shopper{number}@example.com",
            template="code",
            locale="en",
            context=CONTEXT,
            now=NOW + 10 * MINUTE + number,
        )

    assert await waiting(core) == 50
