"""Requests: somebody uses a right over their own data; from its receipt until it is closed.

Danger. A request that is lost because it came by chat; a flood of requests that hides the real ones; a thief of an open
window who has everything deleted; work that begins before anybody knows for whom.

Principle. Whatever arrives counts from its arrival. A second request of the same kind by the same person joins the
first while that is open. Deleting waits a day after a request from a browser, and the person is told at once. Nothing
begins below the level of identity that its kind needs.

Boundary. The request's key is committed in the keystore before the transaction that makes the request; letters are
posted in the same transaction as their cause.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import or_, text
from sqlmodel import col, select

from core import clock, ids
from core.database import Transaction
from core.identity import people, permissions
from core.identity.callers import SYSTEM, Caller
from core.identity.permissions import Operation, Resource
from core.masking import mask_cards
from core.refusals import Conflict, NotFound, Refusal
from core.services import Core
from core.vault.keys import DataKey
from support.rights import deadlines, letters, proving, steps
from support.rights.models import ANSWERED, OPEN, Channel, Kind, RightsRequest, State

MERGED_TEXTS: Final = 50


@dataclass(frozen=True)
class Asked:
    """What somebody asks; `subject` is a ref such as `person:<id>`, or None for an address that nobody has proven.

    `reply_to` is a normalised address to answer to, if the person has none of their own here.
    """

    kind: Kind
    channel: Channel
    subject: str | None
    words: str = ""
    locale: str = "en"
    conversation: str | None = None
    reply_to: str | None = None
    is_for_another: bool = False


@dataclass(frozen=True)
class Fresh:
    """A request's id and key, committed in the keystore and not used yet."""

    id: str
    key: DataKey


@dataclass(frozen=True)
class Received:
    """The request that now stands, and whether it stood already and this one joined it."""

    id: str
    reference: str
    due_ms: int
    is_merged: bool


async def take(core: Core, caller: Caller, asked: Asked, *, now: int, received_ms: int | None = None) -> Received:
    """Receive a request, with its key made before and unmade when it joins another. Raises as `receive`."""
    fresh = await prepare(core)
    try:
        received = await core.database.write(receive, core, caller, asked, fresh, now=now, received_ms=received_ms)
    except Refusal:  # only then is it certain that nothing stands
        await core.vault.destroy([fresh.key.id], reason="unused")
        raise
    if received.id != fresh.id:
        await core.vault.destroy([fresh.key.id], reason="unused")
    return received


async def prepare(core: Core) -> Fresh:
    """An id and a key for a request to be."""
    request_id = ids.new()
    return Fresh(request_id, await core.vault.create(request_id, steps.owner(request_id)))


def receive(
    tx: Transaction,
    core: Core,
    caller: Caller,
    asked: Asked,
    fresh: Fresh,
    *,
    now: int,
    received_ms: int | None = None,
) -> Received:
    """Open a request, or let it join the open one of its kind; the clock runs from `received_ms`, else from now.

    Raises:
        NotFound: the caller may not ask for this subject.
        Invalid: more words than we take.
    """
    permissions.require(caller, Operation.OPEN_CASE, Resource(steps.KIND, fresh.id, owner=asked.subject))
    words = mask_cards(steps.written(asked.words, what="words")) if asked.words.strip() else ""
    reply_to = asked.reply_to or _address(tx, core, asked.subject)
    mac = people.address_mac(core.vault, reply_to) if asked.subject is None and reply_to else None
    _take_turn(tx, core, asked, mac)
    first = _open_one(tx, core, asked, mac, now=now)
    if first is not None:
        return _merge(tx, core, caller, first, words, now=now)
    since = min(now, received_ms or now)
    row = RightsRequest(
        id=fresh.id,
        subject=asked.subject or f"writer:{ids.new()}",
        sender_mac=mac,
        kind=asked.kind,
        channel=asked.channel,
        state=State.RECEIVED,
        locale=asked.locale,
        received_ms=since,
        due_ms=deadlines.due_ms(since, core.policy.days("answer"), core.settings.time_zone),
        not_before_ms=_not_before(core, asked, now=now),
        identity_needed=proving.needed(
            tx, core.policy, asked.kind, asked.subject, is_for_another=asked.is_for_another, now=since
        ),
        is_for_another=asked.is_for_another,
        conversation_id=asked.conversation,
        dek_id=fresh.key.id,
        words_sealed=b"",
    )
    row.words_sealed = core.vault.seal_field(fresh.key, steps.TABLE, row.id, "words", words)
    row.reply_sealed = core.vault.seal_field(fresh.key, steps.TABLE, row.id, "reply", reply_to) if reply_to else None
    steps.move(tx, core, caller, row, "receive", rule="R-5.1.1b", result=f"{row.kind}.{row.channel}", now=now)
    letters.acknowledge(tx, core, row, now=now)
    return _received(row, is_merged=False)


def begin(tx: Transaction, core: Core, caller: Caller, request_id: str, *, now: int) -> None:
    """Start the work, once it is known for whom.

    Raises:
        NotFound, Conflict: as every verb.
        Conflict: code `identity`, below the level that its kind needs; `too_early`, before a deletion's day is over.
    """
    row = steps.for_work(tx, caller, request_id, {State.RECEIVED, State.IDENTITY_PENDING, State.IDENTITY_OK})
    if row.identity_level < row.identity_needed:
        raise Conflict("identity", "The identity is not proven far enough for this kind of request.")
    if now < row.not_before_ms:
        raise Conflict("too_early", "A deletion begins a day after it was asked for, so that it can be taken back.")
    steps.move(tx, core, caller, row, "begin", to=State.IN_PROGRESS, now=now)


def withdraw(tx: Transaction, core: Core, caller: Caller, request_id: str, *, now: int) -> None:
    """Take the request back: by whoever made it, or by the officer who was told so. Always free."""
    row = steps.locked(tx, request_id)
    steps.may(caller, Operation.WITHDRAW_CASE, row)
    steps.standing(row, OPEN)
    row.fee, row.decided_ms, row.decided_by = 0, now, caller.ref
    steps.move(tx, core, caller, row, "withdraw", to=State.WITHDRAWN, now=now)


def close(tx: Transaction, core: Core, caller: Caller, request_id: str, *, now: int) -> None:
    """Put an answered request away; the address to answer to goes, unless it comes back for review.

    Raises:
        Conflict: code `unanswered`: the person was told nothing yet.
    """
    row = steps.for_work(tx, caller, request_id, ANSWERED)
    if row.answered_ms is None and row.state != State.WITHDRAWN:
        raise Conflict("unanswered", "The person has not been answered yet. Send the answer or say how you told them.")
    row.closed_ms, row.sender_mac = now, None
    if row.review_ms is None:
        row.reply_sealed = None
    steps.move(tx, core, caller, row, "close", to=State.CLOSED, now=now)


def close_answered(tx: Transaction, core: Core, *, now: int) -> int:
    """Put away what was answered or withdrawn and left alone since, so that its period begins; returns how many."""
    wanted = select(RightsRequest.id).where(
        col(RightsRequest.state).in_(ANSWERED),
        or_(col(RightsRequest.answered_ms).is_not(None), col(RightsRequest.state) == State.WITHDRAWN),
        col(RightsRequest.decided_ms) <= now - core.policy.span_ms("answer"),
        col(RightsRequest.hidden_ms).is_(None),
    )
    left_alone = list(tx.session.exec(wanted))
    for request_id in left_alone:
        close(tx, core, SYSTEM, request_id, now=now)
    return len(left_alone)


def classify(
    tx: Transaction, core: Core, caller: Caller, request_id: str, kind: Kind, *, is_for_another: bool = False, now: int
) -> None:
    """Say of what kind it really is; the clock goes on as it was."""
    row = steps.for_decision(tx, caller, request_id, OPEN - {State.IN_PROGRESS})
    row.kind, row.is_for_another = kind, is_for_another
    row.not_before_ms = max(row.not_before_ms, _delay(core, kind, row.channel, now=row.received_ms))
    row.identity_needed = proving.needed(
        tx, core.policy, kind, row.subject, is_for_another=is_for_another, now=row.received_ms
    )
    steps.move(tx, core, caller, row, "classify", reason=kind, now=now)


def of_subject(tx: Transaction, subject: str) -> list[RightsRequest]:
    """Every request of one person, newest first."""
    mine = select(RightsRequest).where(RightsRequest.subject == subject, col(RightsRequest.hidden_ms).is_(None))
    return list(tx.session.exec(mine.order_by(col(RightsRequest.received_ms).desc())))


def own(tx: Transaction, caller: Caller, request_id: str) -> RightsRequest:
    """The caller's own request. Raises: NotFound."""
    row = steps.find(tx, request_id)
    if row.subject != caller.ref:
        raise NotFound
    return row


def _take_turn(tx: Transaction, core: Core, asked: Asked, mac: bytes | None) -> None:
    """Two that come at once must not both be the first; on SQLite there is one writer anyway."""
    if tx.is_postgres:
        whose = core.vault.lookup("rights", f"{asked.subject or (mac or b'').hex()}|{asked.kind}")
        number = int.from_bytes(whose[:8], signed=True)
        tx.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def _open_one(tx: Transaction, core: Core, asked: Asked, mac: bytes | None, *, now: int) -> RightsRequest | None:
    """The open request that this one joins: same kind, same person or unproven address, within the window."""
    if asked.subject is None and mac is None:
        return None
    whose = RightsRequest.sender_mac == mac if asked.subject is None else RightsRequest.subject == asked.subject
    since = now - core.policy.span_ms("merge")
    channel, is_hers = col(RightsRequest.channel), asked.channel is Channel.MY_DATA
    same_way = channel == Channel.MY_DATA if is_hers else channel != Channel.MY_DATA  # the product answers hers itself
    alike = (RightsRequest.kind == asked.kind, RightsRequest.is_for_another == asked.is_for_another, same_way)
    wanted = select(RightsRequest).where(
        whose, *alike, col(RightsRequest.state).in_(OPEN), RightsRequest.received_ms > since
    )
    return tx.session.exec(wanted.order_by(col(RightsRequest.received_ms))).first()


def _merge(tx: Transaction, core: Core, caller: Caller, row: RightsRequest, words: str, *, now: int) -> Received:
    """Let a request join; the words are kept with the step, up to a number, and the count for ever."""
    row.merged += 1
    note = words if row.merged <= MERGED_TEXTS else ""
    if row.merged <= MERGED_TEXTS:
        steps.move(tx, core, caller, row, "merge", rule="R-5.1.1b", note=note, now=now)
    else:
        tx.session.add(row)
        tx.session.flush()
    return _received(row, is_merged=True)


def _received(row: RightsRequest, *, is_merged: bool) -> Received:
    return Received(row.id, steps.reference(row.id), row.due_ms, is_merged)


def _not_before(core: Core, asked: Asked, *, now: int) -> int:
    return _delay(core, asked.kind, asked.channel, now=now)


def _delay(core: Core, kind: str, channel: str, *, now: int) -> int:
    """A deletion asked for in a browser waits, because the window may be somebody else's."""
    waits = kind == Kind.DELETE and channel in (Channel.MY_DATA, Channel.CHAT)
    return now + core.policy.number("delete_delay_hours") * clock.HOUR if waits else 0


def _address(tx: Transaction, core: Core, subject: str | None) -> str | None:
    kind, _, person_id = (subject or "").partition(":")
    person = people.by_id(tx, person_id) if kind == "person" else None
    return people.email_of(core.vault, person) if person else None
