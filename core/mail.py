"""Letters: written in the transaction that calls for them, sent afterwards by a job.

Danger. A letter for something that did not happen, a code that arrives after it died, a header that a stranger
wrote, an address or a code readable in the database or in a log, and a relay that takes letters in the clear.

Principle. A letter is sealed as soon as it is written and deleted as soon as it is delivered. TLS to the relay is
required, with a verified certificate, unless the relay is this very machine. A letter whose time is over is dropped
unsent (privacy.md section 4.2). Headers are built by the standard library from parts that cannot hold a line break.

Boundary. `post` runs in the caller's transaction; sending is outside of any, and may happen twice, never not at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

import aiosmtplib
import msgspec
import structlog
from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Field, SQLModel, col, delete, select

from core import clock, ids, jobs
from core.database import Millis, Transaction
from core.services import Core
from core.vault.keys import DataKey
from core.web import i18n
from core.web.rendering import environment

log = structlog.get_logger("mail")

JOB = "mail.send"
TABLE = "letter"
KEPT_AT_MOST = 50
TIMEOUT_SECONDS = 20
UNDELIVERED_MS = 7 * clock.DAY


class SealedLetter(SQLModel, table=True):
    """A letter on its way, or kept for the mailbox page of a development machine."""

    __tablename__ = "letter"

    id: str = Field(primary_key=True)
    template: str
    locale: str
    content_sealed: bytes
    created_ms: int = Field(sa_type=Millis, index=True)
    expires_ms: int | None = Field(default=None, sa_type=Millis)


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter in the clear."""

    id: str
    to: str
    subject: str
    text: str
    html: str
    locale: str
    created_ms: int


def post(
    tx: Transaction,
    core: Core,
    *,
    to: str,
    template: str,
    locale: str,
    context: Mapping[str, object],
    now: int,
    expires_ms: int | None = None,
) -> ids.LetterId:
    """Write `templates/mail/<template>.{txt,html}` to a normalised address, in "en" or "zh-Hant".

    With `expires_ms` the letter is dropped, not sent, from that moment on.
    """
    letter_id = ids.LetterId(ids.new())
    lang = locale if locale in i18n.LANGUAGES else "en"
    content = msgspec.json.encode((to, *_draw(core, template, lang, context))).decode()
    tx.session.add(
        SealedLetter(
            id=letter_id,
            template=template,
            locale=lang,
            content_sealed=core.vault.seal_field(_key(core), TABLE, letter_id, "content", content),
            created_ms=now,
            expires_ms=expires_ms,
        )
    )
    if keeps(core):
        _forget_old(tx, now=now)
    else:
        jobs.enqueue(tx, JOB, {"letter": letter_id}, run_ms=now, key=letter_id)
    return letter_id


def keeps(core: Core) -> bool:
    """Whether letters stay here for the mailbox page: on a development machine without a relay."""
    return core.settings.smtp_url is None and not core.settings.is_production


def kept(tx: Transaction, core: Core, *, now: int) -> list[Letter]:
    """The letters of the mailbox page, newest first, codes past their time left out."""
    newest = select(SealedLetter).where(_is_due(now)).order_by(col(SealedLetter.created_ms).desc())
    return [_open(core, row) for row in tx.session.exec(newest.limit(KEPT_AT_MOST))]


def handlers(core: Core) -> dict[str, jobs.Handler]:
    """What the runner of jobs calls for letters."""

    async def send_letter(job: jobs.Job) -> None:
        await send(core, str(job.payload["letter"]), now=clock.now())

    return {JOB: send_letter}


async def send(core: Core, letter: str, *, now: int) -> None:
    """Deliver a letter and delete it; does nothing when it is gone, and drops it when its time is over.

    Raises whatever should make the job try again: no connection, no TLS, a temporary no.
    """
    found = await core.database.read(_find, core, letter, now=now)
    if found is not None:
        await _deliver(core, found)
    await core.database.write(_forget, letter)


async def _deliver(core: Core, letter: Letter) -> None:
    relay = Relay.parse(core.settings.smtp_url, is_production=core.settings.is_production)
    try:
        await aiosmtplib.send(
            _message(core, letter),
            hostname=relay.host,
            port=relay.port,
            username=relay.username,
            password=relay.password,
            use_tls=relay.tls_at_once,
            start_tls=relay.starts_tls,
            timeout=TIMEOUT_SECONDS,
        )
    except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPResponseException) as refused:
        if _is_for_good(refused):
            log.warning("letter_refused", code=str(getattr(refused, "code", "")))
            return  # no letter about the letter: the address may be somebody else's mistake
        raise


@dataclass(frozen=True, slots=True)
class Relay:
    """Where letters are handed over: `smtps://user:password@host` or `smtp://user:password@host:587`."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls_at_once: bool
    starts_tls: bool

    @classmethod
    def parse(cls, url: str | None, *, is_production: bool) -> "Relay":
        """Read the relay's URL; TLS is required except on loopback, and everywhere in production but loopback.

        Raises:
            RelayMissing: none is set.
        """
        if url is None:
            raise RelayMissing
        parts = urlsplit(url)
        host = parts.hostname or ""
        at_once = parts.scheme == "smtps"
        may_be_clear = _is_loopback(host) or not is_production
        return cls(
            host=host,
            port=parts.port or (465 if at_once else 587),
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls_at_once=at_once,
            starts_tls=not at_once and not may_be_clear,
        )


class RelayMissing(Exception):
    """No mail relay is set; letters wait until one is."""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_for_good(refused: Exception) -> bool:
    """Whether the relay said no for ever (5xx) to this letter, not just for now or to us."""
    if isinstance(refused, aiosmtplib.SMTPRecipientsRefused):
        return all(500 <= each.code < 600 for each in refused.recipients)
    in_its_way = isinstance(refused, aiosmtplib.SMTPSenderRefused | aiosmtplib.SMTPAuthenticationError)
    return isinstance(refused, aiosmtplib.SMTPDataError) and 500 <= refused.code < 600 and not in_its_way


def _message(core: Core, letter: Letter) -> EmailMessage:
    settings = core.settings
    host = urlsplit(settings.public_url).hostname or "localhost"
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(settings.shop_name, addr_spec=settings.mail_from)
    message["To"] = Address(addr_spec=letter.to)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(letter.created_ms / 1000, tz=UTC))
    message["Message-ID"] = f"<{letter.id}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Content-Language"] = letter.locale
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def _draw(core: Core, template: str, lang: str, context: Mapping[str, object]) -> tuple[str, str, str]:
    """Subject, text and HTML; the subject is the text's first line."""
    templates = environment(lang)
    settings = core.settings
    known = {
        "lang": lang,
        "shop": settings.shop_name,
        "controller": settings.controller_name,
        "contact": settings.contact_email,
        "host": urlsplit(settings.public_url).netloc,
        **context,
    }
    text = templates.get_template(f"mail/{template}.txt").render(known)
    html = templates.get_template(f"mail/{template}.html").render(known)
    first, _, rest = text.lstrip().partition("\n")
    assert first.startswith("Subject: "), "a letter's text begins with its subject"
    return first.removeprefix("Subject: ").strip(), rest.strip() + "\n", html


def sweep(tx: Transaction, *, now: int) -> None:
    """Delete letters whose time is over, and those that nobody could deliver for a week."""
    too_old = and_(col(SealedLetter.expires_ms).is_(None), col(SealedLetter.created_ms) < now - UNDELIVERED_MS)
    tx.execute(delete(SealedLetter).where(or_(~_is_due(now), too_old)))


def drop_all(tx: Transaction) -> int:
    """Forget every letter and the work of sending it; returns how many there were."""
    tx.execute(delete(jobs.QueuedJob).where(col(jobs.QueuedJob.kind) == JOB))
    return len(tx.execute(delete(SealedLetter).returning(col(SealedLetter.id))).all())


def _find(tx: Transaction, core: Core, letter: str, *, now: int) -> Letter | None:
    row = tx.session.exec(select(SealedLetter).where(SealedLetter.id == letter, _is_due(now))).first()
    return _open(core, row) if row else None


def _open(core: Core, row: SealedLetter) -> Letter:
    content = core.vault.open_field(_key(core), TABLE, row.id, "content", row.content_sealed)
    to, subject, text, html = msgspec.json.decode(content, type=tuple[str, str, str, str])
    return Letter(row.id, to, subject, text, html, row.locale, row.created_ms)


def _is_due(now: int) -> ColumnElement[bool]:
    return or_(col(SealedLetter.expires_ms).is_(None), col(SealedLetter.expires_ms) > now)


def _forget(tx: Transaction, letter: str) -> None:
    tx.execute(delete(SealedLetter).where(col(SealedLetter.id) == letter))


def _forget_old(tx: Transaction, *, now: int) -> None:
    """Keep the mailbox small: letters past their time and those beyond the newest fifty go."""
    tx.execute(delete(SealedLetter).where(~_is_due(now)))
    newest = select(SealedLetter.id).order_by(col(SealedLetter.created_ms).desc()).limit(KEPT_AT_MOST)
    tx.execute(delete(SealedLetter).where(col(SealedLetter.id).not_in(newest)))


def _key(core: Core) -> DataKey:
    return core.vault.named("letters")
