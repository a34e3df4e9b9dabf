"""Staff: accounts, their two factors, and the agreement without which they have no role.

Danger. A guessed or shared password, a second factor used twice, an account nobody closed, somebody who reads
before having promised secrecy, and a login form that tells who works here.

Principle. Password (argon2id) and a time-based code that works once; every refusal is the same and costs the same.
A role takes effect only with a current agreement (clause 3(2)), and a change of it ends every sign-in.

Boundary. The slow hash runs before the transaction; the code's counter moves in the transaction that signs in.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyotp
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select, update

from core import clock, ids
from core.database import Transaction
from core.identity import agreement, attempts, passwords, recovery, signins
from core.identity.attempts import Guesser
from core.identity.callers import Caller, Role
from core.identity.models import StaffMember
from core.identity.signins import Fresh, Held, Holder
from core.refusals import Conflict, Invalid, NotAllowed, NotFound, Refusal
from core.services import Core
from core.vault.keys import DataKey

TABLE = "staff"
STEP_MS = 30 * clock.SECOND
WINDOW = 1
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,38}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class NewMember:
    """An account to make."""

    login: str
    name: str
    role: Role
    password: str
    team: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """An account just made, with the only showing of its second factor."""

    id: ids.StaffId
    totp_secret: str
    totp_uri: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was typed at the sign-in form, and from where."""

    login: str
    password: str
    totp: str
    network: str
    device: str = ""


class SignInRefused(Invalid):
    """Unknown login, wrong password, wrong or used code, disabled: nobody is told which."""

    def __init__(self) -> None:
        super().__init__("sign_in_refused", "That did not work. Check the name, the password and the code.")


async def create(core: Core, member: NewMember, *, now: int) -> Enrolled:
    """Make an account; its second factor is told once, here.

    Raises:
        Invalid: login, name or password are not fit. Conflict: the login is taken.
    """
    ready = await prepare(core, member)
    try:
        await core.database.write(insert, core, ready, now=now)
    except Refusal:  # only then is it certain that nothing stands; a key too many harms nobody
        await core.vault.destroy([ready.key.id], reason="unused")
        raise
    return ready.enrolled


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything slow about a new account, done before the transaction."""

    member: NewMember
    enrolled: Enrolled
    key: DataKey
    password_hash: str


async def prepare(core: Core, member: NewMember) -> Prepared:
    """Check the account, hash its password, make its key and its second factor."""
    if not _LOGIN.fullmatch(member.login):
        raise Invalid("login", "A login has 3 to 40 small letters, digits, dots or hyphens.")
    if not 0 < len(member.name.strip()) <= 80 or not member.name.isprintable():
        raise Invalid("name", "Please give a name of up to 80 letters.")
    passwords.require_strength(member.password, login=member.login)
    password_hash = await passwords.hash_slowly(member.password)
    staff_id = ids.StaffId(ids.new())
    key = await core.vault.create(staff_id, f"staff:{staff_id}")
    secret = pyotp.random_base32()
    uri = pyotp.TOTP(secret).provisioning_uri(name=member.login, issuer_name=core.settings.shop_name)
    return Prepared(member, Enrolled(staff_id, secret, uri), key, password_hash)


def insert(tx: Transaction, core: Core, ready: Prepared, *, now: int) -> StaffMember:
    """Write the account."""
    member = ready.member
    row = StaffMember(
        id=ready.enrolled.id,
        login=member.login,
        name=member.name.strip(),
        role=member.role.value,
        team=member.team,
        language=member.language,
        password_hash=ready.password_hash,
        totp_sealed=core.vault.seal_field(ready.key, TABLE, ready.enrolled.id, "totp", ready.enrolled.totp_secret),
        dek_id=ready.key.id,
        created_ms=now,
    )
    tx.session.add(row)
    try:
        tx.session.flush()
    except IntegrityError:
        raise Conflict("login_taken", "Somebody already has this login.") from None
    return row


async def sign_in(core: Core, typed: Credentials, *, now: int) -> Fresh:
    """Sign a member of staff in by password and code.

    Raises:
        SignInRefused: whatever did not fit. TooMany: after failures, or too fast.
    """
    await core.limits.spend("staff.sign_in", typed.network)
    guesser = _guesser(core, typed)
    await core.database.read(attempts.require_patience, guesser, now=now)
    member = await core.database.read(by_login, typed.login)
    checked = Checked(
        await passwords.is_right(member.password_hash if member else None, typed.password),
        await recovery.match(core, member.id if member else None, typed.totp),
    )
    fresh = await core.database.write(_sign_in, core, typed, checked, now=now)
    if fresh is None:
        raise SignInRefused
    return fresh


@dataclass(frozen=True, slots=True)
class Checked:
    """What the slow comparisons said, before the transaction."""

    password_is_right: bool
    recovery: recovery.Matched | None


def _sign_in(tx: Transaction, core: Core, typed: Credentials, checked: Checked, *, now: int) -> Fresh | None:
    """A sign-in, or None with the failure counted: commit either way."""
    member = by_login(tx, typed.login)
    if member is None or not _proves(tx, core, member, typed, checked, now=now):
        attempts.record_failure(tx, _guesser(core, typed), attempts.PASSWORDS, now=now)
        return None
    attempts.forgive(tx, _guesser(core, typed).subject)
    holder = Holder("staff", member.id, "password_totp", role=Role(member.role), device=typed.device)
    return signins.start(tx, core.hub, holder, now=now)


def _proves(
    tx: Transaction, core: Core, member: StaffMember, typed: Credentials, checked: Checked, *, now: int
) -> bool:
    """Whether both factors are right; the second is used up."""
    if member.disabled_ms is not None or not checked.password_is_right:
        return False
    if checked.recovery is not None:
        return recovery.use_up(tx, checked.recovery)
    return _use_code(tx, core, member, typed.totp, now=now)


def _use_code(tx: Transaction, core: Core, member: StaffMember, typed: str, *, now: int) -> bool:
    """Whether the code is right and newer than the last one used; it is used up by asking."""
    digits = typed.replace(" ", "")
    key = core.vault.key(member.dek_id, scope=member.id, owner=f"staff:{member.id}")
    clockwork = pyotp.TOTP(core.vault.open_field(key, TABLE, member.id, "totp", member.totp_sealed))
    present = now // STEP_MS
    for counter in range(present - WINDOW, present + WINDOW + 1):
        if pyotp.utils.strings_equal(digits, clockwork.generate_otp(counter)):
            unused = (col(StaffMember.id) == member.id, col(StaffMember.totp_last) < counter)
            moved = update(StaffMember).where(*unused).values(totp_last=counter).returning(col(StaffMember.id))
            return bool(tx.execute(moved).all())
    return False


def caller_of(member: StaffMember, known: Held, *, now: int) -> Caller | None:
    """The caller behind a staff sign-in as the account stands now; without an agreement in force, without a role."""
    if member.disabled_ms is not None:
        return None
    return Caller(
        kind="staff",
        id=member.id,
        role=Role(member.role) if has_agreed(member, now=now) else None,
        team=member.team,
        name=member.name,
        sign_in=known.id,
        proof="password_totp",
        proven_ms=known.proven_ms,
    )


def has_agreed(member: StaffMember, *, now: int) -> bool:
    """Whether the confidentiality agreement is in force for this member."""
    return agreement.is_in_force(member.agreement_version, member.agreement_sha256, member.agreement_ms, now=now)


def require_agreement(caller: Caller) -> None:
    """Refuse staff whose agreement is missing, outdated or a year old.

    Raises:
        NotAllowed: code `agreement_missing`.
    """
    if caller.role is None:
        raise NotAllowed("agreement_missing", "Please read and sign the confidentiality agreement first.")


def sign_agreement(tx: Transaction, caller: Caller, version: str, *, now: int) -> None:
    """Note that the caller signed the agreement in the version that was shown."""
    if version != agreement.VERSION:
        raise Conflict("agreement_changed", "The agreement has changed. Please read the present one.")
    signed = {"agreement_version": agreement.VERSION, "agreement_sha256": agreement.SHA256, "agreement_ms": now}
    tx.execute(update(StaffMember).where(col(StaffMember.id) == caller.id).values(**signed))


def disable(tx: Transaction, core: Core, staff_id: str, *, now: int) -> None:
    """Close the account and end every sign-in of it; its sockets close after the commit."""
    _change(tx, core, staff_id, disabled_ms=now)


def enable(tx: Transaction, staff_id: str) -> None:
    """Open a closed account again; its owner signs in afresh."""
    tx.execute(update(StaffMember).where(col(StaffMember.id) == staff_id).values(disabled_ms=None))


def change_role(tx: Transaction, core: Core, staff_id: str, role: Role, team: str | None) -> None:
    """Give the member another role or team; every sign-in ends, so nothing goes on under the old one."""
    _change(tx, core, staff_id, role=role.value, team=team)


def _change(tx: Transaction, core: Core, staff_id: str, **values: object) -> None:
    statement = update(StaffMember).where(col(StaffMember.id) == staff_id).values(**values)
    if not tx.execute(statement.returning(col(StaffMember.id))).all():
        raise NotFound
    signins.end_all(tx, core.hub, "staff", staff_id)


def by_login(tx: Transaction, login: str) -> StaffMember | None:
    """The account with this login."""
    return tx.session.exec(select(StaffMember).where(StaffMember.login == login.strip().lower())).first()


def by_id(tx: Transaction, staff_id: str) -> StaffMember | None:
    """The account with this id."""
    return tx.session.get(StaffMember, staff_id)


def everyone(tx: Transaction) -> Sequence[StaffMember]:
    """Every account, by name."""
    return tx.session.exec(select(StaffMember).order_by(col(StaffMember.name), col(StaffMember.id))).all()


def _guesser(core: Core, typed: Credentials) -> Guesser:
    subject = core.vault.lookup("attempt_login", typed.login.strip().lower())
    return Guesser(subject, core.vault.lookup("attempt_network", typed.network))
