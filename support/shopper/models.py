"""The tables of the shopper's side: who said to be a minor, which guardian agreed, who speaks for somebody else."""

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from core.database import Millis


class Minor(SQLModel, table=True):
    """Somebody who said to be under age; nothing else is asked or kept of a minor (6(2))."""

    __tablename__ = "minor"

    subject: str = Field(primary_key=True)
    declared_ms: int = Field(sa_type=Millis, index=True)


class GuardianConsent(SQLModel, table=True):
    """That a guardian, known by the keyed hash of a proven address, agreed to a version for a minor."""

    __tablename__ = "guardian_consent"
    __table_args__ = (UniqueConstraint("minor_ref", "policy_version"),)

    id: str = Field(primary_key=True)
    minor_ref: str = Field(index=True)
    guardian_mac: bytes
    policy_version: str
    policy_sha256: str
    locale: str
    method: str
    at_ms: int = Field(sa_type=Millis, index=True)


class ThirdPartyAttestation(SQLModel, table=True):
    """That a shopper said a conversation is about somebody else, who has agreed to that (2(3))."""

    __tablename__ = "third_party_attestation"

    conversation_id: str = Field(primary_key=True)
    subject: str = Field(index=True)
    locale: str
    at_ms: int = Field(sa_type=Millis, index=True)
