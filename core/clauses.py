"""Clauses: the shape of the policy file, and which clauses and values it must have.

The lists stand in code on purpose: a clause that is lost from the file is a promise that nobody keeps, so the
start fails and names it.
"""

import datetime
from types import MappingProxyType

import msgspec

from core.clock import DAY, HOUR, MINUTE, SECOND

Value = int | str | list[int | str]
UNITS = MappingProxyType({"_seconds": SECOND, "_minutes": MINUTE, "_hours": HOUR, "_days": DAY})

_PURPOSES = tuple(f"1({number})" for number in range(1, 7))
_COLLECTED = tuple(f"2({number})" for number in range(1, 6))
_PROTECTED = tuple(f"3({number})" for number in range(1, 6))
_USED = (*(f"4(1){number}" for number in range(1, 10)), "4(2)1", "4(2)2", *(f"4(3){number}" for number in range(1, 8)))
_RIGHTS = ("5(1)1", "5(1)1(1)", "5(1)1(2)", "5(1)2", "5(1)3", "5(2)1", "5(2)2", "5(2)3", "5(2)4")
_CANNOT = tuple(f"5(2)4({number})" for number in range(1, 7))
_ENDING = ("6(1)", "6(2)", "7(1)", "7(2)", "7(3)")
NUMBERS = ("preface", *_PURPOSES, *_COLLECTED, *_PROTECTED, *_USED, *_RIGHTS, *_CANNOT, *_ENDING)

RETENTION_CLASSES = frozenset(
    [
        "login_code",
        "sign_in",
        "visitor_chat",
        "service_chat",
        "transaction_linked",
        "media_original",
        "sensitive_media",
        "child_data",
        "unclaimed_upload",
        "profile",
        "acknowledgement",
        "letter",
        "dead_job",
        "adverse_reaction",
        "dsr_case",
        "audit",
        "web_log",
        "export_file",
        "erasure_ledger",
    ]
)

VALUES = MappingProxyType(
    {
        "2(1)": frozenset({"ip_prefix_v4_bits", "ip_prefix_v6_bits"}),
        "2(2)": frozenset(
            [
                "code_digits",
                "code_valid_minutes",
                "code_tries",
                "code_resend_seconds",
                "codes_per_hour",
                "codes_per_day",
                "codes_per_network_hour",
                "step_up_minutes",
                "sign_in_idle_hours",
                "sign_in_absolute_days",
                "sign_ins_at_once",
            ]
        ),
        "2(3)": frozenset({"card_digits_shown"}),
        "2(4)": frozenset({"purposes"}),
        "2(5)": frozenset({"cookie_purposes"}),
        "3(1)": frozenset({"reveals_per_hour"}),
        "3(2)": frozenset(
            [
                "agreement_version",
                "agreement_days",
                "agreement_resign_days",
                "access_review_days",
                "unused_access_days",
                "staff_idle_minutes",
                "staff_absolute_hours",
            ]
        ),
        "3(5)": frozenset({"incident_report_hours"}),
        "4(1)1": frozenset({"data_backup_days", "key_backup_days"}),
        "4(1)4": frozenset({"report_people"}),
        "4(1)7": frozenset({"hazard_fields"}),
        "4(2)1": frozenset(
            [
                "brake_percent",
                "brake_floor_objects",
                "brake_median_times",
                "brake_median_days",
                "brake_median_runs",
                "sweep_hours",
            ]
        ),
        "5(1)2": frozenset({"copy_downloads"}),
        "5(2)1": frozenset({"identity_levels", "identity_stale_days", "address_fresh_days", "delete_delay_hours"}),
        "5(2)2": frozenset(
            ["answer_days", "extension_days", "alarm_days", "fee_requests", "fee_window_days", "merge_days"]
        ),
        "5(2)3": frozenset({"refusals"}),
        "5(2)4": frozenset({"refusal_review_days"}),
        "6(1)": frozenset({"child_age"}),
        "6(2)": frozenset({"adult_age"}),
        "7(2)": frozenset({"change_notice_days"}),
        "4(3)6": frozenset({"ground", "harm_approval_hours"}),
    }
    | {number: frozenset({"purpose"}) for number in _PURPOSES}
    | {number: frozenset({"ground"}) for number in (*_USED[11:], *_CANNOT) if number != "4(3)6"}
)


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text in every language we speak."""

    en: str
    zh_Hant: str  # noqa: N815  (the language's own tag)

    def in_(self, locale: str) -> str:
        """The text for `en`, `zh-Hant`, `zh_Hant_TW`…; English for a language we do not speak."""
        return self.zh_Hant if locale.lower().startswith("zh") else self.en


class Clause(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One clause: what it says, what the software does about it, and its values."""

    number: str
    title: Words
    text: Words
    rule: Words
    rules: list[str]
    values: dict[str, Value] = {}
    at_most: dict[str, int] = {}
    at_least: dict[str, int] = {}


class RetentionClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long one kind of record lives after `since`, and the limits within which an operator may choose."""

    title: Words
    clause: str
    since: str
    days: int
    at_most_days: int
    at_least_days: int = 1


class Slot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the six things that a notice must say (Personal Data Protection Act, article 8)."""

    title: Words
    text: Words


class NoticeWords(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The short notice before a chat."""

    title: Words
    lead: Words
    agree: Words
    link: Words
    collector: Slot
    purpose: Slot
    categories: Slot
    use: Slot
    rights: Slot
    refusing: Slot


class Cookie(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One cookie that we may set."""

    name: str
    purpose: str
    lifetime: Words
    about: Words


class Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    version: str
    effective: datetime.date
    title: Words
    clause: list[Clause]
    notice: NoticeWords
    retention: dict[str, RetentionClass]
    cookie: list[Cookie]


def faults(document: Document) -> list[str]:
    """Everything that is missing, unknown or out of bounds, one sentence each."""
    found = [clause.number for clause in document.clause]
    wrong = [f"clause {number} is missing" for number in NUMBERS if number not in found]
    wrong += [f"clause {number} is unknown" for number in found if number not in NUMBERS]
    wrong += [f"clause {number} stands twice" for number in sorted({n for n in found if found.count(n) > 1})]
    for clause in document.clause:
        wrong += _faults_of_clause(clause)
    wrong += [f"retention class {name} is missing" for name in sorted(RETENTION_CLASSES - set(document.retention))]
    wrong += [f"retention class {name} is unknown" for name in sorted(set(document.retention) - RETENTION_CLASSES)]
    for name, kind in document.retention.items():
        wrong += _faults_of_class(name, kind)
    return wrong + _faults_of_cookies(document) + _faults_of_words(document)


def _faults_of_clause(clause: Clause) -> list[str]:
    wanted = VALUES.get(clause.number, frozenset())
    at = f"clause {clause.number}"
    wrong = [f"{at}: value {name} is missing" for name in sorted(wanted - set(clause.values))]
    wrong += [f"{at}: value {name} is unknown" for name in sorted(set(clause.values) - wanted)]
    if not clause.rules:
        wrong.append(f"{at} names no rule")
    for name, value in clause.values.items():
        numbers = [number for number in (value if isinstance(value, list) else [value]) if isinstance(number, int)]
        if not value or any(number < 1 for number in numbers):
            wrong.append(f"{at}: {name} must be more than nothing, not {value}")
        wrong += [
            f"{at}: {name} is {n}, at most {clause.at_most[name]}" for n in numbers if n > clause.at_most.get(name, n)
        ]
        wrong += [
            f"{at}: {name} is {n}, at least {clause.at_least[name]}"
            for n in numbers
            if n < clause.at_least.get(name, n)
        ]
    limits = set(clause.at_most) | set(clause.at_least)
    return wrong + [f"{at}: a limit for {name}, which is no value" for name in sorted(limits - set(clause.values))]


def _faults_of_class(name: str, kind: RetentionClass) -> list[str]:
    wrong = [] if kind.clause in NUMBERS else [f"retention class {name} stands under clause {kind.clause}, unknown"]
    if not max(1, kind.at_least_days) <= kind.days <= kind.at_most_days:
        limits = f"{max(1, kind.at_least_days)} to {kind.at_most_days}"
        wrong.append(f"retention class {name} keeps {kind.days} days; {limits} are allowed")
    return wrong


def _faults_of_cookies(document: Document) -> list[str]:
    stated = next((clause.values.get("cookie_purposes") for clause in document.clause if clause.number == "2(5)"), None)
    allowed = stated if isinstance(stated, list) else []
    return [f"cookie {c.name} has purpose {c.purpose}, not stated" for c in document.cookie if c.purpose not in allowed]


def _faults_of_words(document: Document) -> list[str]:
    return [
        f"{where} has an empty text" for where, text in _texts(msgspec.to_builtins(document), "") if not text.strip()
    ]


def _texts(node: object, where: str) -> list[tuple[str, str]]:
    if isinstance(node, list):
        return [pair for at, child in enumerate(node) for pair in _texts(child, f"{where}[{at}]")]
    if not isinstance(node, dict):
        return []
    if set(node) == {"en", "zh_Hant"}:
        return [(f"{where}.{locale}", text) for locale, text in node.items()]
    named = f"{where}({node['number']})" if "number" in node else where
    return [pair for key, child in node.items() for pair in _texts(child, f"{named}.{key}".lstrip("."))]
