"""People: shoppers known by a verified e-mail address.

Danger. Two people taken for one, or one for two, when addresses that look alike are folded together; and personal
data readable without its key.

Principle. Identity is the keyed hash of the address exactly as normalised here: no folding of dots or tags. What a
person tells us is sealed under the person's own key, so erasing the key erases the person (clause 5(1)3).

Boundary. The key is made and committed in the key store before the transaction that makes the person begins.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email
from sqlmodel import col, select

from core import ids
from core.database import Transaction
from core.identity.models import Person, Visitor
from core.masking import mask_email, mask_name
from core.policy import Policy
from core.refusals import Invalid
from core.services import Core
from core.vault.keys import DataKey
from core.vault.keystore import Vault

LONGEST_ADDRESS = 254
LONGEST_NAME = 80
FOLDED_HOSTS = frozenset({"gmail.com", "googlemail.com"})
TABLE = "person"


def normalise(address: str) -> str:
    """The one spelling of an address: lower case, its domain in ASCII.

    Raises:
        Invalid: code `email_syntax`, for everything that is not exactly one plain address.
    """
    try:
        if len(address) > LONGEST_ADDRESS:
            raise _not_an_address()
        valid = validate_email(
            address.strip(" \u3000"),
            allow_smtputf8=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            strict=True,
            check_deliverability=False,
        )
    except EmailNotValidError:
        raise _not_an_address() from None
    assert valid.ascii_domain is not None
    normal = f"{valid.local_part.lower()}@{valid.ascii_domain.lower()}"
    if len(normal) > LONGEST_ADDRESS:
        raise _not_an_address()
    return normal


def folded(normal: str) -> str:
    """The address without tag and, at Gmail, without dots: only for counting, never for identity."""
    local, _, host = normal.rpartition("@")
    bare = local.split("+", 1)[0] or local
    return f"{bare.replace('.', '') if host in FOLDED_HOSTS else bare}@{host}"


def address_mac(vault: Vault, normal: str) -> bytes:
    """The keyed hash by which an address is found."""
    return vault.lookup("email", normal)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key already committed in the key store, and the person it was made for."""

    person: ids.PersonId
    key: DataKey


async def prepare_key(core: Core) -> NewKey:
    """Make the key of a person to be; `discard_key` it when the person is not made after all."""
    person = ids.PersonId(ids.new())
    return NewKey(person, await core.vault.create(person, f"person:{person}"))


async def discard_key(core: Core, unused: NewKey | None) -> None:
    """Destroy a key that nothing was sealed under."""
    if unused is not None:
        await core.vault.destroy([unused.key.id], reason="unused")


async def enrol(core: Core, email: str, *, name: str | None = None, now: int) -> Person:
    """The person with this normalised address, made when there is none: for imports and the demo shop."""
    if (known := await core.database.read(by_email, core.vault, email)) is not None:
        return known
    key = await prepare_key(core)
    person = await core.database.write(find_or_create, core.vault, email, key=key, name=name, now=now)
    if person.id != key.person:
        await discard_key(core, key)
    return person


def find_or_create(
    tx: Transaction, vault: Vault, email: str, *, key: NewKey | None, name: str | None = None, now: int
) -> Person:
    """The person with this verified address, made under `key` when there is none yet.

    When the person was there already `key` stays unused (`person.id != key.person`): discard it.
    """
    known = by_email(tx, vault, email)
    if known is not None:
        return known
    assert key is not None, "a new person needs a key that is already committed"
    person = Person(
        id=key.person,
        email_mac=address_mac(vault, email),
        dek_id=key.key.id,
        email_sealed=vault.seal_field(key.key, TABLE, key.person, "email", email),
        name_sealed=vault.seal_field(key.key, TABLE, key.person, "name", name) if name else None,
        created_ms=now,
        verified_ms=now,
    )
    tx.session.add(person)
    tx.session.flush()
    return person


def was_away(person: Person, policy: Policy, *, now: int) -> bool:
    """Whether the address was proven so long ago that an open mailbox alone says little (clause 5(2)1)."""
    return (person.verified_ms or person.created_ms) <= now - policy.span_ms("identity_stale")


def by_email(tx: Transaction, vault: Vault, email: str) -> Person | None:
    """The person with this normalised address. An erased person has none and is never found."""
    return tx.session.exec(select(Person).where(Person.email_mac == address_mac(vault, email))).first()


def by_id(tx: Transaction, person_id: str) -> Person | None:
    """The person, unless erased."""
    person = tx.session.get(Person, person_id)
    return person if person is not None and person.erased_ms is None else None


def several(tx: Transaction, person_ids: Collection[str]) -> dict[str, Person]:
    """Those of these persons who are not erased, by id."""
    if not person_ids:
        return {}
    named = select(Person).where(col(Person.id).in_(person_ids), col(Person.erased_ms).is_(None))
    return {person.id: person for person in tx.session.exec(named)}


def key_of(vault: Vault, person: Person) -> DataKey:
    """The person's own key."""
    return vault.key(person.dek_id, scope=person.id, owner=f"person:{person.id}")


def email_of(vault: Vault, person: Person) -> str:
    """The address in the clear; every place that shows it to staff masks it first."""
    assert person.email_sealed is not None, "an erased person has no address"
    return vault.open_field(key_of(vault, person), TABLE, person.id, "email", person.email_sealed)


def name_of(vault: Vault, person: Person) -> str | None:
    """The name in the clear, if the person gave one."""
    if person.name_sealed is None:
        return None
    return vault.open_field(key_of(vault, person), TABLE, person.id, "name", person.name_sealed)


def shown_name(vault: Vault, person: Person) -> str:
    """What others see: the masked name, or else the masked address (clause 3(1))."""
    name = name_of(vault, person)
    return mask_name(name) if name else mask_email(email_of(vault, person))


def rename(tx: Transaction, vault: Vault, person: Person, name: str) -> None:
    """Set the name the person goes by (clause 5(1)1)."""
    plain = re.sub(r"\s+", " ", name).strip()
    if not 0 < len(plain) <= LONGEST_NAME or not plain.isprintable():
        raise Invalid("name", "Please give a name of up to 80 letters.")
    person.name_sealed = vault.seal_field(key_of(vault, person), TABLE, person.id, "name", plain)
    tx.session.add(person)


def move(tx: Transaction, vault: Vault, person: Person, email: str, *, now: int) -> None:
    """Give the person another verified address, which nobody has (clause 5(1)1)."""
    person.email_mac = address_mac(vault, email)
    person.email_sealed = vault.seal_field(key_of(vault, person), TABLE, person.id, "email", email)
    person.verified_ms = person.moved_ms = now
    tx.session.add(person)


def welcome_visitor(tx: Transaction, *, now: int) -> ids.VisitorId:
    """A new guest, of whom nothing is known."""
    visitor = ids.VisitorId(ids.new())
    tx.session.add(Visitor(id=visitor, created_ms=now))
    tx.session.flush()
    return visitor


def guest_name(visitor: str) -> str:
    """What staff see of a guest: the first four characters of the id."""
    return f"Visitor {visitor[:4].upper()}"


def _not_an_address() -> Invalid:
    return Invalid("email_syntax", "That does not look like an e-mail address. Please check it.")
