"""Which item is it? The numbers that a line was told by, against all that the master data know of them.

The first number of the order that is known decides, and every other that is known must allow the same item. A number
that is told and unknown is passed over for another one of the product, and never for a charge code, which names a price
and no product. Zero or several is a question for a person.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.master.items import Hit
from casecart.master.places import valid
from casecart.rules.trouble import Trouble, shown, subject

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from casecart.canonical import Usage
    from casecart.master.catalogue import Catalogue
    from casecart.master.items import Entry

__all__ = ["NAMES", "ORDER", "choose_item"]

ORDER: Final = ("di", "catalog_number", "item", "ehr_item", "supplier_item", "charge_code")
"""The usual order: the most exact number first."""

NAMES: Final = {
    "di": "device identifier",
    "catalog_number": "catalogue number",
    "item": "item number",
    "ehr_item": "EHR item number",
    "supplier_item": "supplier's number",
    "charge_code": "charge code",
}
"""What people call them."""

_GTIN: Final = 14
_SHORT_GTINS: Final = (8, 12, 13)


def choose_item(
    usage: Usage, told: Sequence[tuple[str, str]], catalogue: Catalogue, facility: str
) -> tuple[str, Entry] | Trouble:
    """The field that decided and the item by it, or why there is none.

    Args:
        usage: for the day of use, the manufacturer and the supplier.
        told: field and value of each number that the line was told by, in the order that counts.
        catalogue: what is known.
        facility: whose rows stand over the others.
    """
    known, limited = _known(usage, told, catalogue, facility)
    if not known:
        return _none(told, limited)
    field, value, entries = known[0]
    allowed = {_number(entry) for entry in entries}
    if len(allowed) > 1:
        for _, _, others in known[1:]:
            narrowed = allowed & {_number(entry) for entry in others}
            allowed = narrowed or allowed
        if len(allowed) > 1:
            words = f"{len(allowed)} items have the {NAMES[field]} {shown(value)}"
            return Trouble("item-several", field, words, subject(field, value))
    (number,) = allowed
    for other, named, others in known[1:]:
        if number not in {_number(entry) for entry in others}:
            words = f"{NAMES[field]} {shown(value)} and {NAMES[other]} {shown(named)} are numbers of different items"
            return Trouble("item-conflict", field, words, f"{subject(field, value)} {subject(other, named)}")
    entry = _packaging([entry for entry in entries if _number(entry) == number], usage.unit)
    if entry is None:
        words = f"several packagings of item {number} have the {NAMES[field]} {shown(value)}"
        return Trouble("item-several", field, words, subject(field, value))
    return field, entry


def _known(
    usage: Usage, told: Sequence[tuple[str, str]], catalogue: Catalogue, facility: str
) -> tuple[list[tuple[str, str, tuple[Entry, ...]]], tuple[str, str] | None]:
    """The numbers that can decide and their rows, the one that does first; and one that was known on other days."""
    # Where a number of a product was told a charge code may only agree, and is not what a person must look at.
    decides = not told or told[0][0] == "charge_code"
    known: list[tuple[str, str, tuple[Entry, ...]]] = []
    limited = None
    for field, value in told:
        entries = _entries(catalogue, field, value, facility, usage)
        today = tuple(entry for entry in entries if _holds(entry, catalogue, facility, usage.used_on))
        if today:
            known.append((field, value, today))
        elif entries and (decides or field != "charge_code"):
            limited = limited or (field, value)
    if not decides:
        known.sort(key=lambda each: each[0] == "charge_code")
        if known and known[0][0] == "charge_code":
            known = []
    return known, limited


def _entries(catalogue: Catalogue, field: str, value: str, facility: str, usage: Usage) -> tuple[Entry, ...]:
    """Every row of the number, whatever its days; where an issuer was told, only its own rows."""
    found = catalogue.items.find(field, value, facility)
    entries: tuple[Entry, ...] = () if found is None else found if isinstance(found, tuple) else (found,)
    if field == "di" and len(value) in _SHORT_GTINS and value.isdecimal() and value.isascii():
        padded = catalogue.items.find(field, value.rjust(_GTIN, "0"), facility)
        if padded is not None:
            entries += padded if isinstance(padded, tuple) else (padded,)
    elif field == "item" and catalogue.items.item(value, facility) is not None:
        entries = (value, *entries)
    issuer = usage.manufacturer if field == "catalog_number" else usage.supplier if field == "supplier_item" else None
    if issuer is not None:
        asked = {issuer.casefold()}
        if field == "supplier_item":  # it may be told by another name than the rows have
            asked |= {
                number.casefold() for number in catalogue.places.find("supplier", issuer, facility, usage.used_on)
            }
        entries = tuple(
            entry for entry in entries if isinstance(entry, str) or not entry.issuer or entry.issuer in asked
        )
    return entries


def _holds(entry: Entry, catalogue: Catalogue, facility: str, day: date | None) -> bool:
    """Whether the row and its item hold on the day of use."""
    facts = catalogue.items.item(_number(entry), facility)
    if facts is None or not valid(facts.valid_from, facts.valid_to, day):
        return False
    return isinstance(entry, str) or valid(entry.valid_from, entry.valid_to, day)


def _number(entry: Entry) -> str:
    return entry.number if isinstance(entry, Hit) else entry


def _packaging(entries: list[Entry], unit: str | None) -> Entry | None:
    """The row of the item's that is meant, where they don't all say the same quantity by the unit that was told."""
    named = [entry for entry in entries if isinstance(entry, Hit) and entry.unit == unit]
    if unit is not None and not named:
        return _number(entries[0])  # the unit must be one of the item's: then it counts
    meant = named if unit is not None else entries
    quantities = {entry.quantity if isinstance(entry, Hit) else 1 for entry in meant}
    return meant[0] if len(quantities) == 1 else None


def _none(told: Sequence[tuple[str, str]], limited: tuple[str, str] | None) -> Trouble:
    if not told:
        words = "the line was told by no number of an item at all"
        return Trouble("item-untold", "item", words, "item:")
    if limited is not None:
        field, value = limited
        words = f"the {NAMES[field]} {shown(value)} was no item's on the day of use"
        return Trouble("item-not-valid", field, words, subject(field, value))
    field, value = told[0]
    words = f"no item has the {NAMES[field]} {shown(value)}"
    return Trouble("item-unknown", field, words, subject(field, value))
