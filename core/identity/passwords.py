"""Passwords of staff: long, hashed slowly, two at a time, and compared at the same cost for unknown logins.

Argon2id with the parameters of the OWASP Password Storage sheet (m=47104 KiB, t=1, p=1). Each check takes 46 MiB
and a core for a while, so a pool of two threads bounds what a flood of sign-ins can take.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.refusals import Invalid

SHORTEST = 12
LONGEST = 128
_HASHER = PasswordHasher(time_cost=1, memory_cost=47_104, parallelism=1)
_TWO_AT_A_TIME = ThreadPoolExecutor(2, thread_name_prefix="argon2")
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "0123456789", "qwertyuiopasdfghjklzxcvbnm")
NOBODYS = "$argon2id$v=19$m=47104,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def require_strength(password: str, *, login: str) -> None:
    """Refuse short, endless and obvious passwords; nothing is asked about kinds of characters.

    Raises:
        Invalid: code `password_weak`.
    """
    plain = password.casefold()
    is_long = SHORTEST <= len(password) <= LONGEST
    is_varied = len(set(plain)) >= 6 and not _is_mostly_a_run(plain)
    if not is_long or not is_varied or login.casefold() in plain or "password" in plain:
        raise Invalid(
            "password_weak", "Choose a password of 12 to 128 characters that is hard to guess. Spaces are welcome."
        )


async def hash_slowly(password: str) -> str:
    """The hash to keep."""
    return await asyncio.get_running_loop().run_in_executor(_TWO_AT_A_TIME, _HASHER.hash, password)


async def is_right(kept: str | None, password: str) -> bool:
    """Compare with the kept hash; with None it costs the same and is false."""
    return await asyncio.get_running_loop().run_in_executor(_TWO_AT_A_TIME, _compare, kept, password)


def _compare(kept: str | None, password: str) -> bool:
    try:
        return _HASHER.verify(kept or NOBODYS, password) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


def _is_mostly_a_run(plain: str) -> bool:
    """Whether half of it or more is a piece of the alphabet, the digits or the keyboard's rows."""
    half = max(6, len(plain) // 2)
    return any(run[start : start + half] in plain for run in _RUNS for start in range(len(run) - half + 1))
