"""Lots that the hospital knows, and recalls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from casecart.canonical.master import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from casecart.canonical.master import Lot, Recall

__all__ = ["Lots", "Recalls", "covers", "within"]

_COUNTED: Final = re.compile("[1-9][0-9]{0,39}")


class Lots:
    """Lots by item."""

    def __init__(self) -> None:
        self._by_item: dict[str, dict[str, date | None]] = {}
        self._items: dict[str, tuple[str, ...]] = {}

    def put(self, key: str, document: Lot | None) -> None:
        """The newest version of a lot; None: it is no more."""
        item, _, lot = key.partition(SEPARATOR)
        lots = self._by_item.setdefault(item, {})
        others = tuple(other for other in self._items.pop(lot, ()) if other != item)
        if document is None:
            lots.pop(lot, None)
        else:
            lots[lot] = document.expiry
            others = (*others, item)
        if others:
            self._items[lot] = others
        if not lots:
            del self._by_item[item]

    def of(self, item: str) -> dict[str, date | None] | None:
        """The lots of an item with their expiry dates; None: no lot of it is known, so that nothing can be said."""
        return self._by_item.get(item)

    def items(self, lot: str) -> tuple[str, ...]:
        """The items that have a lot of this number."""
        return self._items.get(lot, ())


class Recalls:
    """Recalls by what they call back."""

    def __init__(self) -> None:
        self._rows: dict[str, Recall] = {}
        self._by: dict[tuple[str, str], dict[str, Recall]] = {}

    def put(self, key: str, document: Recall | None) -> None:
        """The newest version of a row of a recall; None: it was taken back."""
        before = self._rows.pop(key, None)
        if before is not None:
            for at in _products(before):
                rows = self._by[at]
                del rows[key]
                if not rows:
                    del self._by[at]
        if document is not None:
            self._rows[key] = document
            for at in _products(document):
                self._by.setdefault(at, {})[key] = document

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, item: str | None, dis: Iterable[str]) -> Iterator[Recall]:
        """Those of an item, or of a device identifier of it, each once."""
        rows = dict(self._by.get(("item", item or ""), {}))
        for di in dis:
            rows |= self._by.get(("di", di), {})
        yield from rows.values()

    def rows(self) -> Iterator[Recall]:
        """All of them."""
        yield from self._rows.values()


def _products(recall: Recall) -> list[tuple[str, str]]:
    named = (("item", recall.item), ("di", recall.di))
    return [(sort, value) for sort, value in named if value]


def covers(recall: Recall, lot: str | None, serial: str | None) -> bool:
    """Whether a recall of the product calls back this lot and serial number of it.

    What it narrows down by and the line does not tell may be meant: it is covered, for a person to look at.
    """
    return (lot is None or not recall.lot_from or within(lot, recall.lot_from, recall.lot_to)) and (
        serial is None or not recall.serial_from or within(serial, recall.serial_from, recall.serial_to)
    )


def within(value: str, first: str, last: str) -> bool:
    """Whether a lot or serial number lies in a range, both ends included; without an end it is that one number.

    Numbers count up only among those of the same length: `A9` does not come before `A10`, nor does it behind.
    Those that are digits alone, and don't begin with a zero, are counted.
    """
    if value in {first, last}:
        return True
    if not last:
        return False
    if len(first) != len(last) and all(_COUNTED.fullmatch(text) for text in (first, value, last)):
        return int(first) <= int(value) <= int(last)
    return len(first) == len(value) == len(last) and first <= value <= last
