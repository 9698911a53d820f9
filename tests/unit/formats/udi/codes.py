"""What the tests of codes share: a day to read them on, and short ways to ask."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from casecart.formats.udi import Ambiguous, Udi, Unreadable, parse

if TYPE_CHECKING:
    from casecart.formats.udi import Agency

__all__ = ["TODAY", "ambiguous", "refusal", "said", "udi", "warnings"]

TODAY = date(2026, 6, 1)

_FIELDS = ("di", "lot", "serial", "expiry", "expiry_time", "manufactured", "quantity", "donation_id")


def udi(text: str, *, today: date = TODAY, agency: Agency | None = None) -> Udi:
    """The one reading."""
    reading = parse(text, today=today, agency=agency)
    assert isinstance(reading, Udi), reading
    return reading


def ambiguous(text: str) -> Ambiguous:
    """The several readings."""
    reading = parse(text, today=TODAY)
    assert isinstance(reading, Ambiguous), reading
    return reading


def refusal(text: str) -> str:
    """Why it can't be read."""
    reading = parse(text, today=TODAY)
    assert isinstance(reading, Unreadable), reading
    return reading.code


def said(reading: Udi) -> dict[str, Any]:
    """The fields that have a value; dates and times as text."""
    values = {name: getattr(reading, name) for name in _FIELDS}
    return {
        name: value if isinstance(value, str | int) else value.isoformat()
        for name, value in values.items()
        if value is not None
    }


def warnings(reading: Udi) -> list[str]:
    """The codes of what was noted."""
    return [note.code for note in reading.warnings]
