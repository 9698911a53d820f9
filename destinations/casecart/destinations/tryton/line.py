"""What a posting moves: which product, which lot, from where to where."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from casecart.canonical.consumption import Consumption
from casecart.destinations.tryton.settings import PLACEHOLDERS
from casecart.runtime.destination import Answer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from decimal import Decimal

    from casecart.runtime.destination import Posting

__all__ = ["Line", "Movement", "held", "read_line"]

Movement = tuple[str, str, str, str]
"""Item, lot or serial number, and the codes of the locations, from and to."""

_consumption = msgspec.json.Decoder(Consumption).decode
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Line:
    """One posting, in the terms of a stock movement."""

    key: str
    case: str
    item: str
    lot: str
    """Lot or serial number; empty: none."""
    unit: str
    quantity: Decimal
    source: str
    """The code of the location that it is taken from."""
    target: str
    day: date | None

    @property
    def way(self) -> tuple[str, str, str, date | None]:
        """What lines of one shipment have in common."""
        return (self.case, self.source, self.target, self.day)

    @property
    def thing(self) -> tuple[str, str]:
        """Product and lot."""
        return (self.item, self.lot)

    @property
    def movement(self) -> Movement:
        """The thing and its way."""
        return (self.item, self.lot, self.source, self.target)

    @property
    def named(self) -> str:
        """The thing, for people."""
        return f"item {self.item}" + (f", lot or serial number {self.lot}" if self.lot else "")


def read_line(posting: Posting, used: Mapping[str, str]) -> Line | Answer:
    """What a posting moves, or why it can't be told.

    Args:
        posting: a consumption.
        used: codes of locations by disposition.
    """
    document = _consumption(posting.payload)
    if not document.item:
        return held("item-missing", "The posting names no item: the channel needs the step resolve.")
    if not document.location:
        return held("location-missing", "The posting says no location that it is taken from.")
    if document.lot and document.serial and document.lot != document.serial:
        number = document.serial  # Tryton knows a thing by one number
    else:
        number = document.serial or document.lot or ""
    pattern = used.get(document.disposition or "", used["default"])
    missing = [name for name in _PLACEHOLDER.findall(pattern) if not getattr(document, name, None)]
    if missing:
        words = f"The location that it goes to is '{pattern}', and the posting says no {' and no '.join(missing)}."
        return held("location-missing", words)
    place = pattern.format(**{name: getattr(document, name) for name in PLACEHOLDERS})
    source, target = (document.location, place) if document.action == "use" else (place, document.location)
    return Line(
        key=posting.key,
        case=document.case,
        item=document.item,
        lot=number,
        unit=document.unit or "",
        quantity=document.quantity,
        source=source,
        target=target,
        day=document.used_on,
    )


def held(code: str, words: str) -> Answer:
    """A person must act."""
    return Answer("held", code=code, words=words)
