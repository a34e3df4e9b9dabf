"""Starting a conversation: nothing is kept of a visitor before she agrees to the policy in force.

Danger. A cookie, a row or a key for somebody who only looked; words taken before the notice was answered; an answer to
one text counted for another.

Principle. The answer names the version that was shown; any other is refused and shown again (preface, 7(2)). The
guest, her sign-in and her answer are one transaction; a conversation is opened only for somebody whose answer is on
record.

Boundary. The conversation's key is committed in the key store between the two transactions. A crash in between leaves
a guest without a conversation, whose next tap opens one.
"""

from dataclasses import dataclass

from chat import conversations
from chat.conversations import Fresh
from chat.models import Conversation
from core.database import Transaction
from core.identity import acknowledgements, people, signins
from core.identity.acknowledgements import Shown
from core.identity.callers import Caller
from core.identity.signins import Fresh as FreshSignIn
from core.identity.signins import Holder
from core.refusals import Conflict, Refusal
from core.services import Core
from support.mydata import restrictions
from support.shopper import minors, news


@dataclass(frozen=True, slots=True)
class Agreement:
    """What somebody tapped on: the version that was shown, in which language and in which frame, and since when."""

    policy_version: str
    locale: str
    channel: str
    shown_ms: int


@dataclass(frozen=True, slots=True)
class Started:
    """A conversation and whose it is; `sign_in` is there when the guest is new to us."""

    conversation: Conversation
    caller: Caller
    sign_in: FreshSignIn | None


async def start(
    core: Core, caller: Caller | None, agreement: Agreement, topic: str | None, device: str, *, now: int
) -> Started:
    """Record the answer, make a guest of whoever is nobody yet, and give her open conversation or a new one.

    Raises:
        Conflict: code `policy_changed`: she agreed to another version than the one in force.
        NotAllowed: code `guardian_needed`: she said to be a minor, and no guardian has agreed.
    """
    if agreement.policy_version != core.policy.version:
        raise Conflict("policy_changed", "Our policy has changed. Please read the new notice and agree to it.")
    agreed, sign_in = await core.database.write(_agree, core, caller, agreement, device, now=now)
    return Started(await at_the_desk(core, agreed, topic, agreement.locale, now=now), agreed, sign_in)


async def at_the_desk(core: Core, caller: Caller, topic: str | None, locale: str, *, now: int) -> Conversation:
    """Her open conversation, or a new one; only for somebody whose answer is on record."""
    known = await core.database.read(current, caller, now=now)
    if known is None or known.state != "open":
        known = await _open(core, caller, topic, locale, now=now)
    return known


def current(tx: Transaction, caller: Caller, *, now: int) -> Conversation | None:
    """The conversation that the caller was last in."""
    mine = conversations.for_subject(tx, caller.ref, now=now)
    usable = [one for one in mine if one.restricted_ms is None]
    return next((one for one in usable if one.state == "open"), usable[0] if usable else None)


def has_agreed(tx: Transaction, core: Core, caller: Caller) -> bool:
    """Whether the caller's answer to the policy in force is on record."""
    if restrictions.waits_for_answer(tx, caller.ref):
        return False
    policy = core.policy
    return not minors.needs_guardian(tx, core, caller.ref) and acknowledgements.has_agreed(
        tx, caller.ref, policy_version=policy.version, policy_sha256=policy.sha256, answers=policy.answers
    )


def require_agreement(tx: Transaction, core: Core, caller: Caller) -> None:
    """Refuse content before the policy in force is agreed to, for a minor by a guardian. Raises: NotAllowed."""
    restrictions.require_answer(tx, caller.ref)
    minors.require_guardian(tx, core, caller.ref)
    policy = core.policy
    acknowledgements.require(
        tx, caller.ref, policy_version=policy.version, policy_sha256=policy.sha256, answers=policy.answers
    )


def _agree(
    tx: Transaction, core: Core, caller: Caller | None, agreement: Agreement, device: str, *, now: int
) -> tuple[Caller, FreshSignIn | None]:
    sign_in = None
    if caller is None:
        visitor = people.welcome_visitor(tx, now=now)
        sign_in = signins.start(tx, core.hub, Holder("visitor", visitor, "guest", device=device), now=now)
        caller = Caller("visitor", visitor, name=people.guest_name(visitor), sign_in=sign_in.id)
    shown = Shown(
        policy_version=agreement.policy_version,
        policy_sha256=core.policy.sha256,
        locale=agreement.locale,
        channel=agreement.channel,
        shown_ms=min(agreement.shown_ms, now),
    )
    minors.require_guardian(tx, core, caller.ref)
    acknowledgements.record(tx, caller.ref, shown, news.answer(tx, core, caller), now=now)
    restrictions.agree_again(tx, caller, now=now)
    return caller, sign_in


async def _open(core: Core, caller: Caller, topic: str | None, locale: str, *, now: int) -> Conversation:
    fresh: Fresh = await conversations.prepare(core, caller.ref)
    try:
        return await core.database.write(conversations.open_, core, caller, fresh, topic=topic, locale=locale, now=now)
    except Refusal:  # only then is it certain that nothing stands
        await core.vault.destroy([fresh.key.id], reason="unused")
        raise
