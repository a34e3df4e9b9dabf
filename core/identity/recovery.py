"""Recovery codes: ten ways back in for a member of staff whose second factor is lost, each good once.

A code has 80 random bits behind its number: the number picks the one slow hash to compare with, so a sign-in costs
two comparisons and not eleven.
"""

import asyncio
import base64
import re
import secrets
from dataclasses import dataclass

from sqlmodel import col, delete, select

from core.database import Transaction
from core.identity import passwords
from core.identity.models import RecoveryCode
from core.services import Core

HOW_MANY = 10
SECRET_BYTES = 10
_SHAPE = re.compile(r"([0-9])-?([A-Z2-7]{4})-?([A-Z2-7]{4})-?([A-Z2-7]{4})-?([A-Z2-7]{4})")


@dataclass(frozen=True, slots=True)
class Matched:
    """A recovery code that was typed rightly; not yet used up."""

    staff_id: str
    number: int
    code_hash: str


async def renew(core: Core, staff_id: str) -> list[str]:
    """Ten fresh codes, told only here; the old ones stop working."""
    codes = [f"{number}-{_secret()}" for number in range(HOW_MANY)]
    hashes = await asyncio.gather(*(passwords.hash_slowly(_plain(code)) for code in codes))
    await core.database.write(_replace, staff_id, hashes)
    return codes


async def match(core: Core, staff_id: str | None, typed: str) -> Matched | None:
    """The code that was typed, if it is one of this member's; it costs the same for nobody's."""
    shape = _SHAPE.fullmatch(typed.strip().upper())
    if shape is None:
        return None
    number = int(shape.group(1))
    kept = await core.database.read(_kept, staff_id, number) if staff_id else None
    is_right = await passwords.is_right(kept, _plain(shape.group()))
    return Matched(staff_id, number, kept) if is_right and staff_id and kept else None


def use_up(tx: Transaction, matched: Matched) -> bool:
    """Delete the code; false when somebody was faster."""
    this = (
        col(RecoveryCode.staff_id) == matched.staff_id,
        col(RecoveryCode.number) == matched.number,
        col(RecoveryCode.code_hash) == matched.code_hash,
    )
    return bool(tx.execute(delete(RecoveryCode).where(*this).returning(col(RecoveryCode.number))).all())


def left(tx: Transaction, staff_id: str) -> int:
    """How many of the codes are unused."""
    return len(tx.session.exec(select(RecoveryCode.number).where(RecoveryCode.staff_id == staff_id)).all())


def _replace(tx: Transaction, staff_id: str, hashes: list[str]) -> None:
    tx.execute(delete(RecoveryCode).where(col(RecoveryCode.staff_id) == staff_id))
    tx.session.add_all(
        RecoveryCode(staff_id=staff_id, number=number, code_hash=code_hash) for number, code_hash in enumerate(hashes)
    )


def _kept(tx: Transaction, staff_id: str, number: int) -> str | None:
    row = tx.session.get(RecoveryCode, (staff_id, number))
    return row.code_hash if row else None


def _secret() -> str:
    letters = base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def _plain(code: str) -> str:
    return code.replace("-", "")
