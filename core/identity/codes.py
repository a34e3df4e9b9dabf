"""Codes: eight digits by e-mail prove that somebody reads an address (clause 2(2)).

Danger. A code that is guessed, used twice, used from another browser, used for another purpose, or read out of a
stolen database; and an answer that tells whether an address is known.

Principle. A code is bound to the browser that asked (a challenge that lives only in its cookie), to one address and
one purpose, by a MAC under a key that is not in this database. A try is counted before it is compared, by one
UPDATE, so a hundred tries at the same instant are still five. Asking again makes new digits and voids the old ones.
Every valid address gets the same answer, whether we know it or not and whether a letter is due or not.

Boundary. A right code is deleted in the transaction that makes what it was for. A wrong one must be counted in a
transaction that commits: so `redeem` answers None instead of raising, and its caller refuses after the commit.
"""

import hmac
import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlmodel import col, delete, select, update

from core import ids, mail
from core.clock import MINUTE
from core.database import Transaction
from core.identity import attempts, people
from core.identity.attempts import Guesser
from core.identity.models import LoginCode
from core.identity.signins import fingerprint
from core.masking import has_digits, mask_email
from core.refusals import Invalid, TooMany
from core.services import Core

SUPPORT_AFTER = 100
LOOKED_THROUGH = 1_000
HIDDEN = "••••••••"
_CODE_LIKE = re.compile(r"(?<![0-9])[0-9]{4}[\s-]?[0-9]{4}(?![0-9])")
TABLE = "login_code"


class CodePurpose(StrEnum):
    """What a code is good for; no code is good for two things."""

    LOGIN = "login"
    STEPUP_EXPORT = "stepup_export"
    STEPUP_DELETE = "stepup_delete"
    EMAIL_CHANGE_OLD = "email_change_old"
    EMAIL_CHANGE_NEW = "email_change_new"
    GUARDIAN = "guardian"


@dataclass(frozen=True, slots=True)
class Asker:
    """The browser that asks: its network ("203.0.113.0/24"), its challenge cookie if any, and how it reads."""

    network: str
    challenge: str | None = None
    device: str = ""
    locale: str = "en"


@dataclass(frozen=True, slots=True)
class Typed:
    """A code as somebody typed it, in which browser and for what."""

    asker: Asker
    text: str
    purpose: CodePurpose = CodePurpose.LOGIN

    @property
    def challenge_hash(self) -> bytes:
        """By which the code would be found."""
        return fingerprint(self.asker.challenge or "")

    @property
    def digits(self) -> str | None:
        """The digits, if it is nothing but digits and this browser ever asked."""
        return plain_digits(self.text) if self.asker.challenge else None


@dataclass(frozen=True, slots=True)
class Issued:
    """The answer to every valid address: the challenge for the cookie and what the page may show."""

    challenge: str
    masked: str
    resend_ms: int
    expires_ms: int


class WrongCode(Invalid):
    """Wrong, expired, used, voided, for something else or from another browser: nobody is told which."""

    def __init__(self) -> None:
        super().__init__("code_wrong", "That code does not work here. Check the digits, or ask for a new code.")


async def request(core: Core, address: str, asker: Asker, purpose: CodePurpose, *, now: int) -> Issued:
    """Send a code to `address` and answer the same for every valid address.

    Raises:
        Invalid: not an address.
        TooMany: this network, the whole service, or this very browser asks too fast.
    """
    email = people.normalise(address)
    await core.limits.spend("codes.network", asker.network)
    is_own = await core.database.read(_is_asked_here, core, email, asker.challenge, now=now)
    await core.database.read(attempts.require_patience, guesser(core, email, asker.network), now=now)
    is_stopped = await core.database.read(attempts.failures, address_subject(core, email)) >= SUPPORT_AFTER
    try:
        await core.limits.spend("codes.address", core.vault.lookup("email_folded", people.folded(email)).hex())
    except TooMany:
        if is_own:
            raise
        is_stopped = True  # asked for by someone else too often: the same page, and no letter (threat 33)
    await core.limits.spend("codes.service", "all")
    if is_stopped:
        return _answer(core, secrets.token_urlsafe(16), email, now)
    return await core.database.write(issue, core, email, asker, purpose, now=now)


def issue(tx: Transaction, core: Core, email: str, asker: Asker, purpose: CodePurpose, *, now: int) -> Issued:
    """Make a code, void what this browser had asked for before, and post the letter."""
    sweep(tx, now=now)
    if asker.challenge:
        tx.execute(delete(LoginCode).where(col(LoginCode.challenge_hash) == fingerprint(asker.challenge)))
    challenge = secrets.token_urlsafe(16)
    digits = core.policy.number("code_digits")
    code = f"{secrets.randbelow(10**digits):0{digits}d}"
    life_ms = core.policy.span_ms("code_valid")
    code_id = ids.new()
    row = LoginCode(
        id=code_id,
        challenge_hash=fingerprint(challenge),
        email_mac=people.address_mac(core.vault, email),
        email_sealed=core.vault.seal_field(core.vault.system_key, TABLE, code_id, "email", email),
        purpose=purpose.value,
        code_mac=b"",
        created_ms=now,
        expires_ms=now + life_ms,
    )
    row.code_mac = _mac(core, row.challenge_hash, row.email_mac, purpose.value, code)
    tx.session.add(row)
    mail.post(
        tx,
        core,
        to=email,
        template="guardian" if purpose is CodePurpose.GUARDIAN else "code",
        locale=asker.locale,
        context={
            "code": _spaced(code),
            "device": asker.device,
            "minutes": life_ms // MINUTE,
            "policy": f"{core.settings.public_url}/policy",
        },
        now=now,
        expires_ms=row.expires_ms,
    )
    return _answer(core, challenge, email, now)


def redeem(tx: Transaction, core: Core, typed: Typed, *, now: int) -> str | None:
    """The proven address, its code used up; or None, the try counted. Commit either way, then refuse."""
    if typed.digits is None:
        return None
    tried = tx.execute(
        update(LoginCode)
        .where(
            col(LoginCode.challenge_hash) == typed.challenge_hash,
            col(LoginCode.purpose) == typed.purpose.value,
            col(LoginCode.tries) < core.policy.number("code_tries"),
            col(LoginCode.expires_ms) > now,
        )
        .values(tries=col(LoginCode.tries) + 1)
        .returning(LoginCode.__table__)  # type: ignore[attr-defined]  # SQLModel hides its table
    ).first()
    if tried is None:
        return None
    expected = _mac(core, tried.challenge_hash, tried.email_mac, tried.purpose, typed.digits)
    email = core.vault.open_field(core.vault.system_key, TABLE, tried.id, "email", tried.email_sealed)
    if not hmac.compare_digest(expected, tried.code_mac):
        attempts.record_failure(tx, guesser(core, email, typed.asker.network), attempts.CODES, now=now)
        return None
    tx.execute(delete(LoginCode).where(col(LoginCode.id) == tried.id))
    attempts.forgive(tx, address_subject(core, email))
    return email


def foresee(tx: Transaction, core: Core, typed: Typed, *, now: int) -> str | None:
    """The address that `redeem` would prove, without counting.

    Only for making a new person's key ahead of the transaction; what it says is told to nobody.
    """
    if typed.digits is None:
        return None
    live = select(LoginCode).where(
        LoginCode.challenge_hash == typed.challenge_hash,
        LoginCode.purpose == typed.purpose.value,
        col(LoginCode.tries) < core.policy.number("code_tries"),
        col(LoginCode.expires_ms) > now,
    )
    row = tx.session.exec(live).first()
    if row is None or not hmac.compare_digest(
        _mac(core, row.challenge_hash, row.email_mac, row.purpose, typed.digits), row.code_mac
    ):
        return None
    return core.vault.open_field(core.vault.system_key, TABLE, row.id, "email", row.email_sealed)


def may_hold_code(text: str) -> bool:
    """Whether a text has digits that look like a code at all; almost none has, and then nothing is looked up."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return has_digits(plain) and _CODE_LIKE.search(plain) is not None


def hide_live(tx: Transaction, core: Core, text: str, *, now: int) -> str:
    """The text with every live code in it replaced by dots: a false agent must not be given one (threat 41)."""
    plain = unicodedata.normalize("NFKC", text)
    live = select(LoginCode).where(col(LoginCode.expires_ms) > now).order_by(col(LoginCode.created_ms).desc())
    rows = tx.session.exec(live.limit(LOOKED_THROUGH)).all()
    spans = [found for found in _CODE_LIKE.finditer(plain) if _is_one_of(core, rows, plain_digits(found.group()))]
    if not spans:
        return text
    for found in reversed(spans):
        plain = f"{plain[: found.start()]}{HIDDEN}{plain[found.end() :]}"
    return plain


def _is_one_of(core: Core, rows: Sequence[LoginCode], digits: str | None) -> bool:
    return digits is not None and any(
        hmac.compare_digest(_mac(core, row.challenge_hash, row.email_mac, row.purpose, digits), row.code_mac)
        for row in rows
    )


def plain_digits(typed: str) -> str | None:
    """The digits of what was typed: spaces, hyphens and full-width digits are welcome."""
    plain = unicodedata.normalize("NFKC", typed[:64])
    digits = "".join(sign for sign in plain if not sign.isspace() and sign not in "-‐‑–")
    return digits if digits.isascii() and digits.isdigit() else None


def sweep(tx: Transaction, *, now: int) -> None:
    """Delete codes whose time is over."""
    tx.execute(delete(LoginCode).where(col(LoginCode.expires_ms) <= now))


def drop_all(tx: Transaction) -> None:
    """Forget every code; what a restore brings back may have been used since."""
    tx.execute(delete(LoginCode))


def address_subject(core: Core, email: str) -> bytes:
    """Under what failures for an address are counted."""
    return core.vault.lookup("attempt_email", email)


def guesser(core: Core, email: str, network: str) -> Guesser:
    """Who fails: this address, from this network."""
    return Guesser(address_subject(core, email), core.vault.lookup("attempt_network", network))


def _is_asked_here(tx: Transaction, core: Core, email: str, challenge: str | None, *, now: int) -> bool:
    if not challenge:
        return False
    mine = select(LoginCode.id).where(
        LoginCode.challenge_hash == fingerprint(challenge),
        LoginCode.email_mac == people.address_mac(core.vault, email),
        col(LoginCode.expires_ms) > now,
    )
    return tx.session.exec(mine).first() is not None


def _answer(core: Core, challenge: str, email: str, now: int) -> Issued:
    resend_ms, life_ms = core.policy.span_ms("code_resend"), core.policy.span_ms("code_valid")
    return Issued(challenge, mask_email(email), resend_ms, now + life_ms)


def _spaced(code: str) -> str:
    half = len(code) // 2
    return f"{code[:half]} {code[half:]}"


def _mac(core: Core, challenge_hash: bytes, email_mac: bytes, purpose: str, digits: str) -> bytes:
    return core.vault.mac("code", challenge_hash, email_mac, purpose.encode(), digits.encode())
