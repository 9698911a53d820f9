"""Suppliers, locations and departments of the catalogue by what they are called, and what departments are assigned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from casecart.canonical.master import SEPARATOR, Assignment, Department, Dimension, Location, Supplier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

__all__ = ["Named", "Places", "valid"]

Named = Supplier | Location | Department

_K = TypeVar("_K")

NAMED: Final = ("supplier", "location", "department")

_Row = tuple[str, "date | None", "date | None"]
"""Number or value, and from when to when."""


def valid(valid_from: date | None, valid_to: date | None, day: date | None) -> bool:
    """Whether a row holds on a day; on no day in particular every row does."""
    return day is None or ((valid_from is None or valid_from <= day) and (valid_to is None or day <= valid_to))


class Places:
    """Rows by (facility, name), those that hold everywhere under ""."""

    def __init__(self) -> None:
        self._documents: dict[tuple[str, str, str], Named] = {}
        self._by_name: dict[str, dict[tuple[str, str], tuple[_Row, ...]]] = {kind: {} for kind in NAMED}
        self._assigned: dict[tuple[str, str, str], tuple[_Row, ...]] = {}
        self._dimensions: dict[str, dict[tuple[str, str], Dimension]] = {}

    # --- putting
    def put(self, kind: str, facility: str, key: str, document: Named | None) -> None:
        """The newest version, which takes the place of the older one; None: it is no more."""
        before = self._documents.pop((kind, facility, key), None)
        if before is not None:
            for at, row in _names(facility, before):
                _take(self._by_name[kind], at, row)
            for dimension, row in _assignments(facility, before):
                _take(self._assigned, dimension, row)
        if document is not None:
            self._documents[kind, facility, key] = document
            for at, row in _names(facility, document):
                _add(self._by_name[kind], at, row)
            for dimension, row in _assignments(facility, document):
                _add(self._assigned, dimension, row)

    def put_dimension(self, facility: str, key: str, document: Dimension | None) -> None:
        """The newest version of a value of a financial dimension."""
        dimension, _, code = key.partition(SEPARATOR)
        values = self._dimensions.setdefault(dimension, {})
        if document is None:
            values.pop((facility, code), None)
            if not values:
                del self._dimensions[dimension]
        else:
            values[facility, code] = document

    # --- asking
    def find(self, kind: str, name: str, facility: str, day: date | None) -> tuple[str, ...]:
        """The numbers of all that somebody calls so on that day; a facility's own names stand over the others."""
        rows = self._by_name[kind]
        found = rows.get((facility, name)) or rows.get(("", name))
        if not found:
            return ()
        return tuple(
            dict.fromkeys(
                number
                for number, start, end in found
                if valid(start, end, day) and self._open(kind, number, facility, day)
            )
        )

    def _open(self, kind: str, number: str, facility: str, day: date | None) -> bool:
        """Whether what is called so is there on that day; the days that an overlay leaves out are the other's."""
        here = self._documents.get((kind, facility, number)) if facility else None
        everywhere = self._documents.get((kind, "", number))
        documents = [document for document in (here, everywhere) if document is not None]
        start = next((each.valid_from for each in documents if each.valid_from is not None), None)
        end = next((each.valid_to for each in documents if each.valid_to is not None), None)
        return valid(start, end, day)

    def assigned(self, department: str, dimension: str, facility: str, day: date | None) -> tuple[str, ...]:
        """What a department is assigned on that day; a facility's own rows stand over the others."""
        for where in (facility, ""):
            found = self._assigned.get((where, department, dimension))
            if found:
                values = tuple(dict.fromkeys(value for value, start, end in found if valid(start, end, day)))
                if values:
                    return values
        return ()

    def dimension(self, dimension: str, code: str, facility: str, day: date | None) -> bool:
        """Whether a dimension has this value on that day; one of which nothing is known has every value."""
        values = self._dimensions.get(dimension)
        if values is None:
            return True
        known = values.get((facility, code)) or values.get(("", code))
        return known is not None and valid(known.valid_from, known.valid_to, day)


def _names(facility: str, document: Named) -> Iterator[tuple[tuple[str, str], _Row]]:
    """Its own number is a name of it too."""
    number = document.number
    yield (facility, number), (number, document.valid_from, document.valid_to)
    for name in document.names:
        if name.value != number:
            yield (name.facility or facility, name.value), (number, name.valid_from, name.valid_to)


def _assignments(facility: str, document: Named) -> Iterator[tuple[tuple[str, str, str], _Row]]:
    rows: tuple[Assignment, ...] = document.assignments if isinstance(document, Department) else ()
    for row in rows:
        yield (row.facility or facility, document.number, row.dimension), (row.value, row.valid_from, row.valid_to)


def _add(rows: dict[_K, tuple[_Row, ...]], at: _K, row: _Row) -> None:
    rows[at] = (*rows.get(at, ()), row)


def _take(rows: dict[_K, tuple[_Row, ...]], at: _K, row: _Row) -> None:
    left = list(rows[at])
    left.remove(row)
    if left:
        rows[at] = tuple(left)
    else:
        del rows[at]
