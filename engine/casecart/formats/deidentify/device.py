"""Serial numbers within device identifiers: replaced, and the code as valid as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.formats.udi import Ambiguous, Udi, Unreadable, parse
from casecart.formats.udi.hibc import check_character
from casecart.formats.udi.note import CHECK_CHARACTER

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from casecart.formats.udi import Reading

__all__ = ["Unlike", "said", "with_other_serials"]

_SERIALS: Final = frozenset({"serial", "donation"})


class Unlike(Exception):
    """The code would be read in another way with these serial numbers: others must be taken."""


def said(text: str, today: date) -> tuple[set[str], set[str], set[date]]:
    """Of a device's code: what stays (device identifier, lot), what goes (serial, donation), its days."""
    reading = parse(text, today=today)
    readings = reading.readings if isinstance(reading, Ambiguous) else [reading] if isinstance(reading, Udi) else []
    stays = {value for each in readings for value in (each.di, each.lot) if value}
    goes = {value for each in readings for value in (each.serial, each.donation_id) if value}
    days = {day for each in readings for day in (each.expiry, each.manufactured) if day}
    return stays, goes, days


def with_other_serials(text: str, today: date, other: Callable[[str], str]) -> str | None:
    """A device's code with other serial and donation numbers, and a check character that fits if it did.

    Args:
        text: the code.
        today: for the century of its years.
        other: what stands for a value.

    Returns:
        None: it is no code, or a broken one.

    Raises:
        Unlike: it would not be read as it was.
    """
    reading = parse(text, today=today)
    if isinstance(reading, Unreadable):
        return None
    readings = reading.readings if isinstance(reading, Ambiguous) else (reading,)
    spans = {(begin, end) for each in readings for kind, _, _, begin, end in each.marks if kind in _SERIALS}
    # Of readings that cut a code differently, the longest serial number covers the others.
    chosen: list[tuple[int, int]] = []
    for begin, end in sorted(spans, key=lambda span: span[0] - span[1]):
        if all(end <= other_begin or begin >= other_end for other_begin, other_end in chosen):
            chosen.append((begin, end))
    new = text
    for begin, end in chosen:
        new = new[:begin] + other(new[begin:end]) + new[end:]
    if not chosen:
        return text
    if isinstance(reading, Udi):
        new = _checked(reading, new)
    if not _alike(reading, parse(new, today=today), other):
        raise Unlike
    return new


def _checked(reading: Udi, new: str) -> str:
    """With the check character of HIBC that fits."""
    if reading.agency != "HIBCC" or CHECK_CHARACTER in reading.warnings:
        return new
    places = {kind: (begin, end) for kind, _, begin, _, end in reading.marks}
    if "flag" not in places or "check" not in places:
        return new
    start, (begin, end) = places["flag"][0], places["check"]
    check = check_character(new[start:begin])
    if begin == end:  # a blank, and lost on the way
        return new
    return new[:begin] + ("_" if check == " " and new[begin] == "_" else check) + new[end:]


def _alike(old: Reading, new: Reading, other: Callable[[str], str]) -> bool:
    if isinstance(old, Ambiguous):
        return isinstance(new, Ambiguous) and new.code == old.code and new.di == old.di
    if not isinstance(old, Udi) or not isinstance(new, Udi):
        return False
    serial = None if old.serial is None else other(old.serial)
    return (
        (new.di, new.lot, new.expiry, new.manufactured, new.quantity, new.agency, new.form, new.warnings)
        == (old.di, old.lot, old.expiry, old.manufactured, old.quantity, old.agency, old.form, old.warnings)
    ) and new.serial == serial
