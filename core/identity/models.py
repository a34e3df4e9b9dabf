"""The tables of identity: people, visitors, staff, their sign-ins, codes on their way and acknowledgements."""

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from core.database import Millis


class Person(SQLModel, table=True):
    """A shopper known by a verified e-mail address; personal fields are sealed under the person's own key."""

    __tablename__ = "person"

    id: str = Field(primary_key=True)
    email_mac: bytes | None = Field(unique=True)
    dek_id: int = Field(sa_type=Millis)
    email_sealed: bytes | None
    name_sealed: bytes | None = None
    created_ms: int = Field(sa_type=Millis)
    verified_ms: int | None = Field(default=None, sa_type=Millis)
    moved_ms: int | None = Field(default=None, sa_type=Millis)
    returned_ms: int | None = Field(default=None, sa_type=Millis)  # proved her address again after very long
    erased_ms: int | None = Field(default=None, sa_type=Millis)


class Visitor(SQLModel, table=True):
    """A browser that has written to us and proved nothing."""

    __tablename__ = "visitor"

    id: str = Field(primary_key=True)
    created_ms: int = Field(sa_type=Millis)


class SignIn(SQLModel, table=True):
    """A sign-in, as opaque tokens name it: only the SHA-256 of a token is here."""

    __tablename__ = "sign_in"

    id: str = Field(primary_key=True)
    token_hash: bytes = Field(unique=True)
    previous_hash: bytes | None = Field(default=None, index=True)
    previous_until_ms: int | None = Field(default=None, sa_type=Millis)
    caller_kind: str
    caller_id: str = Field(index=True)
    proof: str
    proven_ms: int | None = Field(default=None, sa_type=Millis)
    device: str = ""
    idle_ms: int = Field(sa_type=Millis)
    created_ms: int = Field(sa_type=Millis)
    seen_ms: int = Field(sa_type=Millis)
    rotated_ms: int = Field(sa_type=Millis)
    expires_ms: int = Field(sa_type=Millis, index=True)


class LoginCode(SQLModel, table=True):
    """A code on its way: bound to one browser by its challenge, to one address and to one purpose."""

    __tablename__ = "login_code"

    id: str = Field(primary_key=True)
    challenge_hash: bytes = Field(unique=True)
    email_mac: bytes = Field(index=True)
    email_sealed: bytes
    purpose: str
    code_mac: bytes
    tries: int = 0
    created_ms: int = Field(sa_type=Millis)
    expires_ms: int = Field(sa_type=Millis, index=True)


class Attempt(SQLModel, table=True):
    """Failures in a row for one address or login, from one network or (network empty) from anywhere."""

    __tablename__ = "attempt"

    subject: bytes = Field(primary_key=True)
    network: bytes = Field(primary_key=True)
    failures: int = 0
    delayed_until_ms: int = Field(default=0, sa_type=Millis)
    last_ms: int = Field(sa_type=Millis, index=True)


class StaffMember(SQLModel, table=True):
    """A member of staff."""

    __tablename__ = "staff"

    id: str = Field(primary_key=True)
    login: str = Field(unique=True)
    name: str
    role: str
    team: str | None = None
    password_hash: str
    totp_sealed: bytes
    totp_last: int = Field(default=0, sa_type=Millis)
    dek_id: int = Field(sa_type=Millis)
    agreement_version: str | None = None
    agreement_sha256: str | None = None
    agreement_ms: int | None = Field(default=None, sa_type=Millis)
    language: str | None = None
    created_ms: int = Field(sa_type=Millis)
    disabled_ms: int | None = Field(default=None, sa_type=Millis)


class RecoveryCode(SQLModel, table=True):
    """One of a member of staff's ten ways back in without the second factor; deleted when used."""

    __tablename__ = "recovery_code"

    staff_id: str = Field(primary_key=True)
    number: int = Field(primary_key=True)
    code_hash: str


class FirstAdministrator(SQLModel, table=True):
    """The one-time token that makes the first administrator."""

    __tablename__ = "first_administrator"

    token_hash: bytes = Field(primary_key=True)
    expires_ms: int = Field(sa_type=Millis)


class Acknowledgement(SQLModel, table=True):
    """That someone was shown a version of the policy and agreed, read on, or consented; never changed afterwards."""

    __tablename__ = "acknowledgement"
    __table_args__ = (UniqueConstraint("subject", "policy_version", "kind"),)

    id: str = Field(primary_key=True)
    subject: str = Field(index=True)
    policy_version: str
    policy_sha256: str
    locale: str
    channel: str
    kind: str
    shown_ms: int = Field(sa_type=Millis)
    at_ms: int = Field(sa_type=Millis)
