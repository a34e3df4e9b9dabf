"""The first administrator: no default account, but a token on the operator's terminal, good once for 15 minutes."""

import secrets

from sqlmodel import col, delete, select

from core.clock import MINUTE
from core.database import Transaction
from core.identity import staff
from core.identity.callers import Role
from core.identity.models import FirstAdministrator, StaffMember
from core.identity.signins import fingerprint
from core.identity.staff import Enrolled, NewMember, Prepared
from core.refusals import NotFound, Refusal
from core.services import Core

LIFE_MS = 15 * MINUTE


def offer(tx: Transaction, *, now: int) -> str | None:
    """A new token, voiding the one before; None once there is an administrator."""
    if _exists(tx):
        return None
    token = secrets.token_urlsafe(32)
    tx.execute(delete(FirstAdministrator))
    tx.session.add(FirstAdministrator(token_hash=fingerprint(token), expires_ms=now + LIFE_MS))
    return token


async def redeem(core: Core, token: str, member: NewMember, *, now: int) -> Enrolled:
    """Make the first administrator, whatever role `member` names.

    Raises:
        NotFound: the token is wrong, used or too old, or there is an administrator already.
    """
    await core.limits.spend("staff.first", "all")
    if not await core.database.read(_is_good, token, now=now):
        raise NotFound
    admin = NewMember(member.login, member.name, Role.ADMIN, member.password, language=member.language)
    ready = await staff.prepare(core, admin)
    try:
        await core.database.write(_redeem, core, token, ready, now=now)
    except Refusal:  # only then is it certain that nothing stands; a key too many harms nobody
        await core.vault.destroy([ready.key.id], reason="unused")
        raise
    return ready.enrolled


def sweep(tx: Transaction, *, now: int) -> None:
    """Delete tokens whose time is over."""
    tx.execute(delete(FirstAdministrator).where(col(FirstAdministrator.expires_ms) <= now))


def _redeem(tx: Transaction, core: Core, token: str, ready: Prepared, *, now: int) -> None:
    if not _is_good(tx, token, now=now):
        raise NotFound
    tx.execute(delete(FirstAdministrator))
    staff.insert(tx, core, ready, now=now)


def _is_good(tx: Transaction, token: str, *, now: int) -> bool:
    offered = select(FirstAdministrator.expires_ms).where(FirstAdministrator.token_hash == fingerprint(token))
    expires_ms = tx.session.exec(offered).first()
    return expires_ms is not None and now < expires_ms and not _exists(tx)


def _exists(tx: Transaction) -> bool:
    admins = select(StaffMember.id).where(StaffMember.role == Role.ADMIN.value, col(StaffMember.disabled_ms).is_(None))
    return tx.session.exec(admins).first() is not None
