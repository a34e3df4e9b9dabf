"""Import: takes the shop's orders in, seals each under its buyer's key, and may be run again at any time.

Danger. A buyer's order sealed under somebody else's key or shown to somebody else; a second run that doubles
everything; a bad record that takes two hundred good ones down with it.

Principle. An order is tied to a person by the normalised e-mail address alone. It is recognised by the shop's own
id, and a keyed hash of its content tells "unchanged" from "changed". Records are judged one by one before anything
is written.

Boundary. Orders are written two hundred at a time, each chunk in one transaction. The keys of new people are
committed to the keystore before that transaction opens; a crash in between leaves unused keys, never an order
without its key.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from sqlmodel import col, select

from core import ids
from core.database import Transaction
from core.identity import people
from core.identity.models import Person
from core.identity.people import NewKey
from core.refusals import Invalid
from core.report import Report
from core.services import Core
from core.vault.keystore import Vault
from support.orders import orders
from support.orders.detail import Detail, Rejected, ShopOrder
from support.orders.documents import Document, Kind, read_all
from support.orders.models import OrderRecord

CHUNK = 200
Keys = Mapping[str, NewKey]


@dataclass
class Tally:
    """What an import did."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def total(self) -> int:
        return self.added + self.changed + self.unchanged + self.rejected

    def plus(self, other: "Tally") -> "Tally":
        return Tally(
            self.added + other.added,
            self.changed + other.changed,
            self.unchanged + other.unchanged,
            self.rejected + other.rejected,
        )


async def import_files(
    core: Core,
    paths: Sequence[Path],
    report: Report,
    *,
    kind: Kind | None = None,
    currency: str | None = None,
    now: int,
) -> Tally:
    """Import every order in these files; `report` hears of progress and of each record that was left out, and why.

    `kind` forces a shape, otherwise each file tells by itself. `currency` is for shapes that name none; the default is
    the shop's.
    """
    settings = core.settings
    tally = Tally()
    for document in read_all(paths, kind=kind, currency=currency or settings.currency, zone=settings.time_zone):
        tally = tally.plus(await _import_document(core, document, report, now=now))
    return tally


async def import_orders(core: Core, found: Sequence[ShopOrder], *, now: int) -> Tally:
    """Import orders that are already read and whose addresses are normalised."""
    keys = await _keys_for_new_people(core, found)
    tally = await core.database.write(store, core.vault, found, keys, now=now)
    if unused := await core.database.read(_unused, core.vault, keys):
        await core.vault.destroy(unused, reason="unused")
    return tally


def store(tx: Transaction, vault: Vault, found: Sequence[ShopOrder], keys: Keys, *, now: int) -> Tally:
    """Write one chunk; `keys` are fresh keys by e-mail address, for people whom nobody knew a moment ago."""
    tally = Tally()
    writing = _Writing(tx, vault, keys, now)
    known = _known_records(tx, vault, found)
    for order in found:
        mac, content = source_mac(vault, order), content_mac(vault, order)
        record = known.get((order.source, mac))
        if record is None:
            known[order.source, mac] = writing.add(order, mac, content)
            tally.added += 1
        elif record.hidden_ms is not None or record.content_mac == content:
            tally.unchanged += 1
        else:
            writing.change(record, order, content)
            tally.changed += 1
    return tally


def source_mac(vault: Vault, order: ShopOrder) -> bytes:
    """The keyed hash of the shop's own id for the order."""
    return vault.lookup("order_source", f"{order.source}/{order.source_id}")


def content_mac(vault: Vault, order: ShopOrder) -> bytes:
    """The keyed hash of all that an import may change."""
    said = msgspec.structs.replace(order, where="")
    return vault.lookup("order_content", msgspec.json.encode(said, order="sorted").decode())


async def _import_document(core: Core, document: Document, report: Report, *, now: int) -> Tally:
    label, total = document.path.name, len(document.entries)
    fit, unfit = _judged(document)
    for record in unfit:
        report.line(f"{label}, {record.where}: left out, {record.why}.")
    tally = Tally(rejected=len(unfit))
    for chunk in _chunks(fit):
        report.progress(label, tally.total, total)
        tally = tally.plus(await import_orders(core, chunk, now=now))
    report.progress(label, total, total)
    return tally


def _judged(document: Document) -> tuple[list[ShopOrder], list[Rejected]]:
    fit: list[ShopOrder] = []
    unfit: list[Rejected] = []
    for entry in document.entries:
        if isinstance(entry, Rejected):
            unfit.append(entry)
            continue
        try:
            fit.append(msgspec.structs.replace(entry, email=people.normalise(entry.email)))
        except Invalid:
            unfit.append(Rejected(entry.where, "the buyer's e-mail address is not one"))
    return fit, unfit


def _chunks(found: Sequence[ShopOrder]) -> list[Sequence[ShopOrder]]:
    return [found[at : at + CHUNK] for at in range(0, len(found), CHUNK)]


async def _keys_for_new_people(core: Core, found: Sequence[ShopOrder]) -> dict[str, NewKey]:
    emails = list(dict.fromkeys(order.email for order in found))
    strangers = await core.database.read(_strangers, core.vault, emails)
    newcomers = [ids.PersonId(ids.new()) for _ in strangers]
    keys = await core.vault.create_many([(person, f"person:{person}") for person in newcomers])
    return {email: NewKey(person, key) for email, person, key in zip(strangers, newcomers, keys, strict=True)}


def _strangers(tx: Transaction, vault: Vault, emails: Sequence[str]) -> list[str]:
    return [email for email in emails if people.by_email(tx, vault, email) is None]


def _unused(tx: Transaction, vault: Vault, keys: Keys) -> list[int]:
    """Keys of people who turned up by another way while we were making them."""
    met = {email: people.by_email(tx, vault, email) for email in keys}
    return [new.key.id for email, new in keys.items() if (person := met[email]) is None or person.id != new.person]


def _known_records(tx: Transaction, vault: Vault, found: Sequence[ShopOrder]) -> dict[tuple[str, bytes], OrderRecord]:
    macs = {source_mac(vault, order) for order in found}
    records = tx.session.scalars(select(OrderRecord).where(col(OrderRecord.source_mac).in_(macs)))
    return {(record.source, record.source_mac): record for record in records}


@dataclass(frozen=True)
class _Writing:
    """Writes orders inside one transaction."""

    tx: Transaction
    vault: Vault
    keys: Keys
    now: int

    def add(self, order: ShopOrder, mac: bytes, content: bytes) -> OrderRecord:
        person = self._buyer(order)
        order_id = ids.new()
        record = OrderRecord(
            id=order_id,
            number_mac=orders.number_mac(self.vault, order.detail.number),
            person_id=person.id,
            dek_id=person.dek_id,
            status=order.status,
            placed_ms=order.placed_ms,
            detail_sealed=self._sealed(person, order_id, order.detail),
            source=order.source,
            source_mac=mac,
            content_mac=content,
            imported_ms=self.now,
            updated_ms=self.now,
        )
        self.tx.session.add(record)
        return record

    def change(self, record: OrderRecord, order: ShopOrder, content: bytes) -> None:
        """Write what the shop says now; a listing that leaves the articles out does not take them away."""
        detail = order.detail if order.detail.lines else _with_lines_of(order.detail, orders.unseal(self.vault, record))
        person = self._buyer(order)
        record.person_id, record.dek_id = person.id, person.dek_id
        record.number_mac = orders.number_mac(self.vault, detail.number)
        record.status, record.placed_ms = order.status, order.placed_ms
        record.detail_sealed = self._sealed(person, record.id, detail)
        record.content_mac, record.updated_ms = content, self.now

    def _buyer(self, order: ShopOrder) -> Person:
        """The person with this address; being named in an order proves nothing, so a new one is not yet verified."""
        known = people.by_email(self.tx, self.vault, order.email)
        if known is not None:
            return known
        key = self.keys.get(order.email)
        person = people.find_or_create(self.tx, self.vault, order.email, key=key, name=order.buyer, now=self.now)
        person.verified_ms = None
        return person

    def _sealed(self, person: Person, order_id: str, detail: Detail) -> bytes:
        return orders.seal(self.vault, people.key_of(self.vault, person), order_id, detail)


def _with_lines_of(detail: Detail, before: Detail) -> Detail:
    return msgspec.structs.replace(detail, lines=before.lines)
