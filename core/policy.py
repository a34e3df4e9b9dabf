"""The policy: the shop's privacy policy as data that the software obeys.

Code names a clause or a value, never a number of days. The file is read once, at the start; a missing or unknown
clause, a period of nothing or one above its limit stops the start with a sentence for each fault.
"""

import datetime
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import msgspec

from core.clauses import UNITS, Clause, Cookie, Document, RetentionClass, Value, Words, faults
from core.clock import DAY

__all__ = ["Clause", "Notice", "Policy", "PolicyFault", "RetentionClass", "load"]


class PolicyFault(Exception):
    """The policy file cannot be obeyed; `faults` says why, one sentence each."""

    def __init__(self, path: Path, wrong: list[str]) -> None:
        super().__init__(f"{path.name}: " + "; ".join(wrong))
        self.faults = tuple(wrong)


@dataclass(frozen=True)
class Notice:
    """The short notice before a chat, in one language; the six slots of article 8 are in `slots`."""

    version: str
    sha256: str
    title: str
    lead: str
    slots: tuple[tuple[str, str], ...]
    agree: str
    link: str


@dataclass(frozen=True)
class Policy:
    """One published version; every text is filled in with the values it promises."""

    version: str
    effective: datetime.date
    sha256: str
    title: Words
    clauses: Mapping[str, Clause]
    classes: Mapping[str, RetentionClass]
    cookies: tuple[Cookie, ...]
    _document: Document
    follows: frozenset[str] = frozenset()
    """Earlier versions that this one does not reach beyond: going on after a notice is agreement enough (7(2))."""

    @property
    def answers(self) -> tuple[str, ...]:
        """Which answers count as agreement to this version."""
        return ("agreed", "consent", "continued_use") if self.follows else ("agreed", "consent")

    def clause(self, number: str) -> Clause:
        """The clause, such as `5(2)2`; a KeyError is a mistake of ours."""
        return self.clauses[number]

    def retention_class(self, name: str) -> RetentionClass:
        """How long records of this class live, under which clause."""
        return self.classes[name]

    def expires_ms(self, name: str, since_ms: int) -> int:
        """When a record of class `name` whose period began at `since_ms` must be gone, in milliseconds."""
        return since_ms + self.classes[name].days * DAY

    def value(self, name: str) -> Value:
        """A named value of any clause, with its unit in the name: `code_digits`, `answer_days`."""
        for clause in self.clauses.values():
            if name in clause.values and name not in ("purpose", "ground"):
                return clause.values[name]
        raise KeyError(name)

    def number(self, name: str) -> int:
        """A named whole number: `policy.number("code_tries")`."""
        value = self.value(name)
        assert isinstance(value, int), f"{name} is not a number"
        return value

    def codes(self, name: str) -> tuple[str, ...]:
        """A named list of codes: `policy.codes("purposes")`."""
        value = self.value(name)
        assert isinstance(value, list), f"{name} is not a list"
        return tuple(str(code) for code in value)

    def days(self, name: str) -> int:
        """Days: `policy.days("retention.service_chat")` or `policy.days("answer")`."""
        area, _, rest = name.partition(".")
        return self.classes[rest].days if area == "retention" else self.number(f"{name}_days")

    def span_ms(self, name: str) -> int:
        """A period in milliseconds, whatever its unit in the file: `policy.span_ms("code_valid")`."""
        for suffix, unit in UNITS.items():
            try:
                return self.number(name + suffix) * unit
            except KeyError:
                continue
        raise KeyError(name)

    def notice(self, locale: str) -> Notice:
        """The short notice before a chat, in the language of `locale`."""
        words = self._document.notice
        slots = (words.collector, words.purpose, words.categories, words.use, words.rights, words.refusing)
        return Notice(
            version=self.version,
            sha256=self.sha256,
            title=words.title.in_(locale),
            lead=words.lead.in_(locale),
            slots=tuple((slot.title.in_(locale), slot.text.in_(locale)) for slot in slots),
            agree=words.agree.in_(locale),
            link=words.link.in_(locale),
        )

    def facts(self) -> dict[str, str]:
        """Everything that this version says and every value it sets, by its address in the file, to compare by."""
        return dict(_facts(msgspec.to_builtins(self._document, builtin_types=(datetime.date,)), ""))


def load(path: Path, *, controller: str = "This shop", contact: str = "the shop") -> Policy:
    """Read the policy; `controller` and `contact` are who it names (R-PRE-1).

    Raises:
        PolicyFault: naming each missing or unknown clause or value and each number out of bounds, or why it cannot be
            read at all.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise PolicyFault(path, [f"it cannot be read ({error.strerror})"]) from error
    if not controller.strip() or not contact.strip():
        raise PolicyFault(path, ["the controller's name and address are empty"])
    try:
        document = msgspec.toml.decode(raw, type=Document)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise PolicyFault(path, [str(error)]) from error
    if wrong := faults(document):
        raise PolicyFault(path, wrong)
    document = _filled(path, document, {"controller": controller, "contact": contact})
    return Policy(
        version=document.version,
        effective=document.effective,
        sha256=hashlib.sha256(raw).hexdigest(),
        title=document.title,
        clauses=MappingProxyType({clause.number: clause for clause in document.clause}),
        classes=MappingProxyType(document.retention),
        cookies=tuple(document.cookie),
        _document=document,
    )


def _filled(path: Path, document: Document, names: dict[str, object]) -> Document:
    for clause in document.clause:
        names |= clause.values
    names |= {f"{name}_days": kind.days for name, kind in document.retention.items()}
    wrong: set[str] = set()

    def fill(node: object) -> object:
        if isinstance(node, dict):
            return {key: fill(child) for key, child in node.items()}
        if isinstance(node, list):
            return [fill(child) for child in node]
        return _sentence(node, names, wrong) if isinstance(node, str) else node

    builtins = fill(msgspec.to_builtins(document, builtin_types=(datetime.date,)))
    if wrong:
        raise PolicyFault(path, sorted(wrong))
    return msgspec.convert(builtins, Document)


def _facts(node: object, where: str) -> Iterator[tuple[str, str]]:
    """Leaves by their addresses; clauses and cookies by their own names, a list of codes as one leaf."""
    if isinstance(node, dict):
        for key, child in node.items():
            yield from _facts(child, f"{where}.{key}".removeprefix("."))
    elif isinstance(node, list) and node and isinstance(node[0], dict):
        for child in node:
            name = str(child["number"]) if "number" in child else f"cookie.{child['name']}"
            yield from _facts(child, name)
    else:
        yield where, " ".join(str(code) for code in node) if isinstance(node, list) else str(node)


def _sentence(text: str, names: Mapping[str, object], wrong: set[str]) -> str:
    class Named(dict[str, object]):
        def __missing__(self, name: str) -> str:
            wrong.add(f"a text names {{{name}}}, which is no value")
            return ""

    try:
        return text.format_map(Named(names))
    except (ValueError, LookupError, AttributeError, TypeError):
        wrong.add(f"braces name a value, such as {{answer_days}}, and do nothing else: {text[:60]}")
        return ""
