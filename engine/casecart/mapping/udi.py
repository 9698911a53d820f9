"""A device's code (UDI) as a mapping reads it, and the pieces of it that other fields take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from casecart.formats.udi import LONGEST, Reading, Udi, agree, parse, told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

__all__ = ["NOTHING", "PIECES", "UNREAD", "Piece", "read_udi", "unite"]

PIECES: Final[Mapping[str, Literal["text", "date"]]] = MappingProxyType(
    {"di": "text", "lot": "text", "serial": "text", "expiry": "date", "manufactured": "date", "donation_id": "text"}
)
"""The pieces, by the names that they have in `formats.udi.Udi` and in sources, and their types."""

NOTHING: Final = Udi(text="", agency="GS1", form="bare")
"""Stands for the reading where there is no code: it has no pieces."""

UNREAD: Final = Udi(text="", agency="IFA", form="bare")
"""Stands for the reading where the code has a problem: that nothing is in it is no problem of its own."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A source: what the code in another field of the mapping says, `udi.lot`."""

    field: str
    name: str

    def __str__(self) -> str:
        return f"{self.field}.{self.name}"


def read_udi(text: str, today: date) -> Reading:
    """What a code says. It is remembered: supplies of one lot have the same code, and what came may come again."""
    return _remembered(text, today) if len(text) <= LONGEST else parse(text, today=today)


@lru_cache(maxsize=4096)
def _remembered(text: str, today: date) -> Reading:
    return parse(text, today=today)


def unite(readings: Sequence[Udi]) -> Udi | None:
    """What several codes of one device say together, or None where they contradict each other.

    The text is that of the code with most pieces, of several the first; pieces that only others have are added. Codes
    are compared as `formats.udi.agree` does, but for dates: what a mapping makes of them is a day, so they must be
    the same day.
    """
    if agree(*(told(reading, "") for reading in readings)):
        return None
    most = max(readings, key=lambda reading: sum(getattr(reading, name) is not None for name in PIECES))
    pieces: dict[str, object] = {}
    for name, kind in PIECES.items():
        stated = [value for each in (most, *readings) if (value := getattr(each, name)) is not None]
        if kind == "date" and len(set(stated)) > 1:
            return None
        pieces[name] = stated[0] if stated else None
    return msgspec.structs.replace(most, **pieces)
