"""Sign-ins: who holds which opaque token, and until when.

Danger. A stolen database must not open an account, a planted or forgotten token must not stay good, and a token
that was ended must not go on through an open socket.

Principle. A token is 256 random bits and means nothing by itself; the table holds its SHA-256. A sign-in ends after
a time without use and after a time at all, whichever comes first, and gets a new token every eight hours: the old
one stays good for thirty seconds, for the requests that were already on their way. A guest's token never becomes a
person's: proving an address makes a new sign-in (clause 2(2)).

Boundary. Every verb runs in its caller's transaction; a sign-in that ended is announced as a `signout` hint after
the commit, so that its sockets close.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Table, and_, bindparam, sql, true
from sqlmodel import col, delete, select, update

from core import ids
from core.clock import DAY, HOUR, MINUTE, SECOND
from core.database import Transaction
from core.hub import SIGN_OUT, Hub, hint
from core.identity.callers import Kind, Proof, Role
from core.identity.models import SignIn

OVERLAP_MS = 30 * SECOND
ROTATION_MS = 8 * HOUR
SEEN_STEP_MS = MINUTE
MOST_AT_ONCE = 5


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a sign-in lives without use, and at all; milliseconds."""

    idle_ms: int
    absolute_ms: int


LIFETIMES: dict[Kind, Lifetime] = {
    "visitor": Lifetime(DAY, 7 * DAY),
    "person": Lifetime(2 * HOUR, 7 * DAY),
    "staff": Lifetime(30 * MINUTE, 12 * HOUR),
}
PRIVILEGED = Lifetime(15 * MINUTE, 12 * HOUR)


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose sign-in it is to be, and how they proved it."""

    kind: Kind
    id: str
    proof: Proof
    role: Role | None = None
    device: str = ""

    @property
    def lifetime(self) -> Lifetime:
        """Shorter for those who can do more."""
        return PRIVILEGED if self.role in (Role.ADMIN, Role.PRIVACY_OFFICER) else LIFETIMES[self.kind]


@dataclass(frozen=True, slots=True)
class Fresh:
    """A sign-in just made, with the only copy of its token."""

    token: str
    id: ids.SignInId
    expires_ms: int


@dataclass(frozen=True, slots=True)
class Held:
    """A live sign-in, as far as a request needs to know it."""

    id: str
    token_hash: bytes
    caller_id: str
    proven_ms: int | None
    seen_ms: int
    rotated_ms: int


def start(tx: Transaction, hub: Hub, holder: Holder, *, now: int) -> Fresh:
    """Sign `holder` in; a person's sixth sign-in ends the oldest (clause 3(3))."""
    if holder.kind == "person":
        for surplus in all_of(tx, holder.kind, holder.id, now=now)[MOST_AT_ONCE - 1 :]:
            end(tx, hub, surplus.id)
    token = secrets.token_urlsafe(32)
    lifetime = holder.lifetime
    known = SignIn(
        id=ids.new(),
        token_hash=fingerprint(token),
        caller_kind=holder.kind,
        caller_id=holder.id,
        proof=holder.proof,
        proven_ms=None if holder.proof == "guest" else now,
        device=holder.device,
        idle_ms=lifetime.idle_ms,
        created_ms=now,
        seen_ms=now,
        rotated_ms=now,
        expires_ms=now + lifetime.absolute_ms,
    )
    tx.session.add(known)
    tx.session.flush()
    return Fresh(token, ids.SignInId(known.id), known.expires_ms)


def find(tx: Transaction, token: str, kind: Kind, *, now: int) -> Held | None:
    """The live sign-in of this kind that the token names."""
    return find_all(tx, [(token, kind)], now=now)[0]


def find_all(tx: Transaction, shown: Sequence[tuple[str, Kind]], *, now: int) -> list[Held | None]:
    """The live sign-in that each of these tokens names, if it is of the kind that is said."""
    hashes = [fingerprint(token) for token, _ in shown]
    named: dict[tuple[bytes, str], Held] = {}
    for row in tx.execute(_NAMED, {"hashes": hashes, "now": now}):
        held = Held(row.id, row.token_hash, row.caller_id, row.proven_ms, row.seen_ms, row.rotated_ms)
        named[row.token_hash, row.caller_kind] = held
        if row.previous_until_ms is not None and row.previous_until_ms > now:
            named.setdefault((row.previous_hash, row.caller_kind), held)
    return [named.get((hashed, kind)) for hashed, (_, kind) in zip(hashes, shown, strict=True)]


def live(tx: Transaction, sign_ins: Sequence[str], *, now: int) -> set[str]:
    """Which of these sign-ins, known by their ids, still stand; open sockets ask every minute."""
    return set(tx.session.exec(select(SignIn.id).where(col(SignIn.id).in_(sign_ins), _is_live(now))))


def touch(tx: Transaction, sign_in: str, *, now: int) -> None:
    """Note that the sign-in was used, to the minute."""
    stale = col(SignIn.seen_ms) <= now - SEEN_STEP_MS
    tx.execute(update(SignIn).where(col(SignIn.id) == sign_in, stale).values(seen_ms=now))


def is_due(known: Held, *, now: int) -> bool:
    """Whether the token is old enough to be replaced."""
    return known.rotated_ms <= now - ROTATION_MS


def rotate(tx: Transaction, known: Held, *, now: int) -> str | None:
    """A new token for the sign-in, or None when someone else replaced it first; the old one lasts 30 s more."""
    token = secrets.token_urlsafe(32)
    changed = tx.execute(
        update(SignIn)
        .where(col(SignIn.id) == known.id, col(SignIn.token_hash) == known.token_hash)
        .values(
            token_hash=fingerprint(token),
            previous_hash=known.token_hash,
            previous_until_ms=now + OVERLAP_MS,
            rotated_ms=now,
        )
        .returning(col(SignIn.id))
    ).all()
    return token if changed else None


def prove_again(tx: Transaction, sign_in: str, *, now: int) -> str | None:
    """Note a fresh proof (a step-up) and replace the token at once; the old one is dead."""
    token = secrets.token_urlsafe(32)
    values = {"token_hash": fingerprint(token), "previous_hash": None, "proven_ms": now, "rotated_ms": now}
    live = and_(col(SignIn.id) == sign_in, _is_live(now))
    changed = tx.execute(update(SignIn).where(live).values(**values).returning(col(SignIn.id))).all()
    return token if changed else None


def end(tx: Transaction, hub: Hub, sign_in: str) -> bool:
    """End one sign-in; its sockets close after the commit."""
    return bool(_end_where(tx, hub, col(SignIn.id) == sign_in))


def end_own(tx: Transaction, hub: Hub, kind: Kind, caller_id: str, sign_in: str) -> bool:
    """End one sign-in if it is this caller's; otherwise it is not there."""
    whose = and_(col(SignIn.caller_kind) == kind, col(SignIn.caller_id) == caller_id)
    return bool(_end_where(tx, hub, and_(col(SignIn.id) == sign_in, whose)))


def end_all(tx: Transaction, hub: Hub, kind: Kind, caller_id: str) -> int:
    """End every sign-in of one caller: sign out everywhere, role change, disabled, address changed."""
    return len(_end_where(tx, hub, and_(col(SignIn.caller_kind) == kind, col(SignIn.caller_id) == caller_id)))


def end_everyone(tx: Transaction, hub: Hub) -> int:
    """End every sign-in there is; what a restore brings back may have been ended since."""
    return len(_end_where(tx, hub, true()))


def all_of(tx: Transaction, kind: Kind, caller_id: str, *, now: int) -> Sequence[SignIn]:
    """A caller's live sign-ins, newest first."""
    mine = select(SignIn).where(SignIn.caller_kind == kind, SignIn.caller_id == caller_id, _is_live(now))
    return tx.session.exec(mine.order_by(col(SignIn.created_ms).desc(), col(SignIn.id))).all()


def sweep(tx: Transaction, *, now: int) -> int:
    """Delete what has ended by itself; return how many."""
    gone = tx.execute(delete(SignIn).where(~_is_live(now)).returning(col(SignIn.id))).all()
    return len(gone)


def fingerprint(token: str) -> bytes:
    """What the table holds of a token: it has 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _is_live(now: int | BindParameter[int]) -> ColumnElement[bool]:
    unused_since = col(SignIn.seen_ms) + col(SignIn.idle_ms)
    return and_(col(SignIn.expires_ms) > now, unused_since > now)


_SIGN_IN: Table = SignIn.__table__  # type: ignore[attr-defined]  # SQLModel sets it on table classes
_HASHES: BindParameter[Any] = bindparam("hashes", expanding=True)  # Any: as many as are asked for
_NOW: BindParameter[int] = bindparam("now")
_NAMED = sql.select(
    *(_SIGN_IN.c[name] for name in ("id", "token_hash", "previous_hash", "previous_until_ms", "caller_kind")),
    *(_SIGN_IN.c[name] for name in ("caller_id", "proven_ms", "seen_ms", "rotated_ms")),
).where(
    _SIGN_IN.c.token_hash.in_(_HASHES)
    | (_SIGN_IN.c.previous_hash.in_(_HASHES) & (_SIGN_IN.c.previous_until_ms > _NOW)),
    _is_live(_NOW),
)


def _end_where(tx: Transaction, hub: Hub, which: ColumnElement[bool]) -> Sequence[str]:
    ended = [row.id for row in tx.execute(delete(SignIn).where(which).returning(col(SignIn.id)))]
    for sign_in in ended:
        tx.after_commit(partial(hub.publish, SIGN_OUT, hint(sign_in)))
    return ended
