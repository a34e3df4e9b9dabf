"""Labels: what the codes of the rights desk are called on its pages; whoever shows them translates them."""

from types import MappingProxyType
from typing import Final

from core.policy import Policy
from support.desk.words import _
from support.rights.models import Channel, Kind, State

KINDS: Final = MappingProxyType(
    {
        Kind.INQUIRE: _("See the data"),
        Kind.COPY: _("Copy of the data"),
        Kind.CORRECT: _("Correction"),
        Kind.SUPPLEMENT: _("Addition"),
        Kind.STOP: _("Stop using the data"),
        Kind.DELETE: _("Deletion"),
        Kind.WITHDRAW_CONSENT: _("Consent withdrawn"),
        Kind.COMPLAINT: _("Complaint"),
        Kind.QUESTION: _("Question"),
    }
)
CHANNELS: Final = MappingProxyType(
    {
        Channel.MY_DATA: _("My data"),
        Channel.MAIL: _("E-mail"),
        Channel.CHAT: _("Chat"),
        Channel.OFFICER: _("Taken down by the officer"),
    }
)
STATES: Final = MappingProxyType(
    {
        State.RECEIVED: _("Received"),
        State.IDENTITY_PENDING: _("Identity asked for"),
        State.IDENTITY_OK: _("Identity shown"),
        State.IN_PROGRESS: _("In progress"),
        State.FULFILLED: _("Fulfilled"),
        State.PARTIAL: _("Fulfilled in part"),
        State.REFUSED: _("Refused"),
        State.WITHDRAWN: _("Withdrawn"),
        State.CLOSED: _("Closed"),
    }
)
TONES: Final = MappingProxyType(
    {
        State.RECEIVED: "info",
        State.IDENTITY_PENDING: "info",
        State.IDENTITY_OK: "info",
        State.IN_PROGRESS: "info",
        State.FULFILLED: "good",
        State.PARTIAL: "warn",
        State.REFUSED: "bad",
    }
)
METHODS: Final = MappingProxyType(
    {
        "email_code": _("Fresh code from the e-mail (I1)"),
        "order_knowledge": _("Code and knowledge of an order (I2)"),
        "call_back": _("Call to the number of an order (I2)"),
        "document": _("Document looked at, not kept (I3)"),
    }
)
LEVELS: Final = MappingProxyType(
    {
        "I0": _("I0: nothing shown"),
        "I1": _("I1: a fresh code from the e-mail"),
        "I2": _("I2: the code and an order, or a call back"),
        "I3": _("I3: a document, looked at by the privacy officer"),
    }
)
VERBS: Final = MappingProxyType(
    {
        "receive": _("Received"),
        "merge": _("Asked again; joined to this request"),
        "classify": _("Kind changed"),
        "ask_identity": _("Identity asked for"),
        "prove_identity": _("Identity shown"),
        "begin": _("Work begun"),
        "carry_out": _("Carried out"),
        "fulfil": _("Fulfilled"),
        "fulfil_in_part": _("Fulfilled in part"),
        "refuse": _("Refused"),
        "tell": _("Told in another way"),
        "withdraw": _("Withdrawn"),
        "extend": _("Extended"),
        "set_fee": _("Fee told"),
        "close": _("Closed"),
        "resume": _("Taken up again"),
        "alarm": _("Alarm"),
        "breach": _("Day missed"),
    }
)
LETTERS: Final = MappingProxyType(
    {
        "rights_received": _("That the request came"),
        "rights_extended": _("That it takes longer"),
        "rights_fee": _("What it would cost"),
        "rights_answered": _("That the answer is ready"),
    }
)
DECLINED: Final = MappingProxyType(
    {
        "REJ_UNRELATED": _("Not about this person"),
        "REJ_REPEAT": _("Repeated without reason"),
        "REJ_TECH": _("Too much technical effort"),
        "REJ_OTHERS": _("A risk to the rights of others"),
        "REJ_UNREAL": _("Unrealistic"),
    }
)


def ground(policy: Policy, code: str, lang: str) -> str:
    """What a ground is called: our own words, or the policy's title of the part of 5(2)4 that names it."""
    if code in DECLINED:
        return DECLINED[code]
    titles = {clause.values.get("ground"): clause.title for clause in policy.clauses.values()}
    return titles[code].in_(lang) if code in titles else code
