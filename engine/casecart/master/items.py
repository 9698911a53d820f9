"""The items of the catalogue, by every number that somebody has for them, flat in memory.

Per item there is one struct, and per identifier an entry of a dictionary: its value is the item's number where the
identifier says nothing more, else a `Hit`; of several items, a tuple of them.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from sys import intern
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from casecart.canonical.master import Identifier, Stock, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.canonical.master import Item

__all__ = ["FIELD_OF_SYSTEM", "Entry", "Facts", "Hit", "ItemIndex", "exact"]

FIELD_OF_SYSTEM: Final = {
    "GS1": "di",
    "HIBCC": "di",
    "ICCBBA": "di",
    "IFA": "di",
    "catalog": "catalog_number",
    "item": "item",
    "ehr": "ehr_item",
    "supplier": "supplier_item",
    "charge": "charge_code",
}
"""The system of an identifier → the field of a usage that tells it."""

_FIELDS: Final = tuple(dict.fromkeys(FIELD_OF_SYSTEM.values()))


class Hit(msgspec.Struct, frozen=True, gc=False):
    """An item, as one of its identifiers names it."""

    number: str
    quantity: int | Fraction = 1
    """Of the item's unit."""
    unit: str = ""
    issuer: str = ""
    valid_from: date | None = None
    valid_to: date | None = None


Entry = str | Hit
"""A plain item number is an item by an identifier that says nothing more."""

_Table = dict[str, "Entry | tuple[Entry, ...]"]


class Facts(msgspec.Struct, gc=False):
    """What is known of an item where it is used. What nobody said is None."""

    number: str
    description: str | None
    unit: str | None
    fractions: bool | None
    lot: bool | None
    serial: bool | None
    expiry: bool | None
    supplier: str | None
    valid_from: date | None
    valid_to: date | None
    units: tuple[Unit, ...]
    stock: tuple[Stock, ...]
    rows: tuple[Any, ...]
    """Table, value and entry of each identifier, to take them out again."""


_R = TypeVar("_R", Unit, Stock)


def _local_first(rows: tuple[_R, ...], facility: str) -> tuple[_R, ...]:
    """Rows of facilities before those that hold everywhere: the first that fits is taken. An overlay's are its own."""
    if facility:
        rows = tuple(row if row.facility else msgspec.structs.replace(row, facility=facility) for row in rows)
    return rows if len(rows) < 2 else tuple(sorted(rows, key=lambda row: not row.facility))  # noqa: PLR2004 - nothing to sort


def exact(text: str) -> int | Fraction:
    """A quantity as master data have it: `10`, `2.5`, `1/3`."""
    if text.isdecimal():
        return int(text)
    value = Fraction(text)
    return value.numerator if value.denominator == 1 else value


class ItemIndex:
    """Items by number and by identifiers, those that hold everywhere and those of facilities."""

    def __init__(self) -> None:
        self._items: dict[str, Facts] = {}
        self._overlays: dict[tuple[str, str], Facts] = {}
        self._merged: dict[tuple[str, str], Facts] = {}
        self._tables: dict[str, _Table] = {field: {} for field in _FIELDS}
        self._local: dict[str, dict[str, _Table]] = {}

    def __len__(self) -> int:
        return len(self._items)

    def put(self, facility: str, number: str, item: Item | None) -> None:
        """The newest version of an item, which takes the place of the older one; None: it is no more."""
        overlay = (facility, number)
        before = self._overlays.pop(overlay, None) if facility else self._items.pop(number, None)
        if before is not None:
            self._take_out(before)
        self._merged.clear()
        if item is None:
            return
        facts = Facts(
            item.number,
            item.description,
            item.unit,
            item.fractions,
            item.lot,
            item.serial,
            item.expiry,
            item.supplier,
            item.valid_from,
            item.valid_to,
            _local_first(item.units, facility),
            _local_first(item.stock, facility),
            self._rows(facility, item),
        )
        if facility:
            self._overlays[overlay] = facts
        else:
            self._items[number] = facts

    def _rows(self, facility: str, item: Item) -> tuple[Any, ...]:
        rows: list[Any] = []
        number = item.number
        for each in (*item.identifiers, *_product(item)) if item.catalog_number else item.identifiers:
            quantity, unit, issuer, value = each.quantity, each.unit, each.issuer, each.value
            start, end = each.valid_from, each.valid_to
            entry: Entry = number
            if issuer or unit or quantity != "1" or start is not None or end is not None:
                # Units and issuers are few, and the same for many items.
                entry = Hit(number, exact(quantity), intern(unit), intern(issuer.casefold()), start, end)
            where, field = each.facility or facility, FIELD_OF_SYSTEM[each.system]
            table = self._table(where, field) if where else self._tables[field]
            known = table.get(value)
            if known is None:
                table[value] = entry
            elif known is entry and any(
                at is table and name == value for at, name in zip(rows[::3], rows[1::3], strict=True)
            ):
                continue  # two systems say the same
            else:
                table[value] = (*known, entry) if isinstance(known, tuple) else (known, entry)
            rows += (table, value, entry)
        return tuple(rows)

    def _table(self, facility: str, field: str) -> _Table:
        return self._local.setdefault(facility, {name: {} for name in _FIELDS})[field]

    @staticmethod
    def _take_out(facts: Facts) -> None:
        rows = facts.rows
        for table, value, entry in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
            known = table[value]
            if isinstance(known, tuple):
                left = list(known)
                left.remove(entry)
                table[value] = tuple(left) if len(left) > 1 else left[0]
            else:
                del table[value]

    def find(self, field: str, value: str, facility: str) -> Entry | tuple[Entry, ...] | None:
        """Whatever the number names; a facility's own rows for it stand over those that hold everywhere."""
        if self._local:
            local = self._local.get(facility)
            if local is not None:
                known = local[field].get(value)
                if known is not None:
                    return known
        return self._tables[field].get(value)

    def item(self, number: str, facility: str) -> Facts | None:
        """What is known of an item at a facility."""
        facts = self._items.get(number)
        if not self._overlays:
            return facts
        overlay = self._overlays.get((facility, number))
        if overlay is None or facts is None:
            return facts if overlay is None else overlay
        merged = self._merged.get((facility, number))
        if merged is None:
            merged = self._merged[facility, number] = _merge(facts, overlay)
        return merged

    def device_identifiers(self, facts: Facts) -> list[str]:
        """Every device identifier of an item, whatever the facility."""
        tables = [self._tables["di"], *(tables["di"] for tables in self._local.values())]
        rows = facts.rows
        return [value for table, value in zip(rows[::3], rows[1::3], strict=True) if any(table is di for di in tables)]

    def all(self, facility: str) -> Iterator[Facts]:
        """Every item of a facility, for a search by people."""
        yield from self._items.values()
        for (where, number), facts in self._overlays.items():
            if where == facility and number not in self._items:
                yield facts

    def names(self, facility: str) -> Iterator[tuple[str, str, str]]:
        """(field, value, item number) of every identifier that a facility has, for a search by people."""
        for tables in (self._local.get(facility, {}), self._tables):
            for field, table in tables.items():
                for value, known in table.items():
                    for entry in known if isinstance(known, tuple) else (known,):
                        yield field, value, entry if isinstance(entry, str) else entry.number


def _product(item: Item) -> tuple[Identifier, ...]:
    """The manufacturer's number that stands with the item itself; a row of the same number says more."""
    value = item.catalog_number or ""
    if any(each.system == "catalog" and each.value == value for each in item.identifiers):
        return ()
    return (Identifier(system="catalog", value=value, issuer=item.manufacturer or ""),)


def _merge(facts: Facts, overlay: Facts) -> Facts:
    """What the overlay says stands; its units and stock rows stand over those of the same unit or location.

    A number of either is one of the item's.
    """
    said = {
        name: value
        for name in Facts.__struct_fields__
        if (value := getattr(overlay, name)) is not None and name not in {"units", "stock", "rows"}
    }
    # The rows of the overlay come first, and the first that fits is taken.
    units, stock = (*overlay.units, *facts.units), (*overlay.stock, *facts.stock)
    return msgspec.structs.replace(facts, **said, units=units, stock=stock, rows=(*overlay.rows, *facts.rows))
