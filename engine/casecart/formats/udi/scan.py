"""GS1 as a scanner sends it: elements one after another, those of no fixed length ended by a separator (FNC1, 0x1D)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from casecart.formats.udi.control import GS, mended, refuse_others
from casecart.formats.udi.element import device
from casecart.formats.udi.identifier import ROWS_BY_PREFIX, row_at
from casecart.formats.udi.note import CHARACTER, SEPARATOR
from casecart.formats.udi.reading import REFUSALS, Ambiguous, Udi, Wrong
from casecart.formats.udi.separator import swallowed

if TYPE_CHECKING:
    from casecart.formats.udi.identifier import Row
    from casecart.formats.udi.piece import Mark

__all__ = ["SYMBOLOGIES", "scanned"]

# AIM's identifiers of the symbols that hold GS1 elements: GS1-128, DataBar, DataMatrix, QR.
SYMBOLOGIES: Final = frozenset({"]C1", "]e0", "]d2", "]Q3"})

# Character set 82 (GS1 General Specifications §7.11), and the separator.
_CLEAN: Final = re.compile(r"[\x1d!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]*")


def scanned(text: str, start: int, end: int, year: int, *, prefixed: bool) -> Udi | Ambiguous:
    """What the characters from `start` to `end` say.

    Separators that were turned into other characters on the way are understood where no value can contain those.

    Args:
        text: the code.
        start: where it begins, behind the scanner's prefix.
        end: where it ends, without line ends.
        year: the current one.
        prefixed: whether a symbology identifier says that this is GS1.

    Raises:
        Wrong: it is no GS1.
    """
    clean = _CLEAN.fullmatch(text, start, end) is not None
    if clean and "<GS>" not in text:
        return _elements(text, start, end, year, prefixed=prefixed)
    if not clean:
        refuse_others(text, start, end)
    if GS not in text and (repaired := mended(text)) != text:
        while end > start and repaired[end - 1] == GS:  # a blank at the end shows nothing
            end -= 1
        try:
            reading = _elements(repaired, start, end, year, prefixed=prefixed)
        except Wrong:
            if not clean:
                raise
        else:
            return _as_given(reading, text)
    return _elements(text, start, end, year, prefixed=prefixed)


def _as_given(reading: Udi | Ambiguous, text: str) -> Udi | Ambiguous:
    """The same with its own text back and the repair noted. The repair keeps every position."""
    if isinstance(reading, Udi):
        return msgspec.structs.replace(reading, text=text, warnings=(SEPARATOR, *reading.warnings))
    readings = tuple(msgspec.structs.replace(each, text=text) for each in reading.readings)
    return msgspec.structs.replace(reading, text=text, readings=readings)


def _elements(  # noqa: C901, PLR0912 - the way of every scan, where each call would cost a tenth of the time
    text: str, start: int, end: int, year: int, *, prefixed: bool
) -> Udi | Ambiguous:
    marks: list[Mark] = []
    found: dict[str, str] = {}
    separated = False
    last: Row | None = None
    at = begin = start
    while at < end:
        if text[at] == GS:
            separated = True
            at += 1
            continue
        row = ROWS_BY_PREFIX.get(text[at : at + 2]) or row_at(text, at)
        if row is None:
            raise Wrong("unknown-element", "No GS1 application identifier begins here.", at)
        identifier, kind, width, fixed, _, maximum, digits, _, _, _ = row
        begin = at + width
        if fixed:
            stop = begin + fixed
            value = text[begin:stop]
            if stop > end or (digits and not value.isdecimal()) or GS in value:
                raise _bad(row, at)
        else:
            stop = text.find(GS, begin, end)
            if stop < 0:
                stop = end
                last = row
            value = text[begin:stop]
            if not row.minimum <= stop - begin <= maximum or (digits and not value.isdecimal()):
                if stop == end and not separated:
                    break
                raise _bad(row, at)
        if found.setdefault(identifier, value) != value:
            raise Wrong("contradiction", f"({identifier}) comes twice, with different values.", at)
        marks.append((kind, identifier, at, begin, stop))
        at = stop
    partial = separated or prefixed
    if last is not None and not separated:
        # Nothing shows that separators survive the way here: the last value may have swallowed what followed it.
        whole = at == end
        ambiguous = swallowed(text, begin, end, last, found, marks=marks, year=year, partial=partial, whole=whole)
        if ambiguous is not None:
            return ambiguous
        if not whole:
            raise _bad(last, at)
    if not marks:
        raise Wrong("structure", REFUSALS["structure"], start)
    clean = _CLEAN.fullmatch(text, start, end)
    notes = () if clean else (CHARACTER,)
    return device(text, found, marks, form="scanned", year=year, partial=partial, notes=notes)


def _bad(row: Row, at: int) -> Wrong:
    sort = "digits" if row.digits else "characters"
    least = f"{row.minimum}" if row.minimum == row.maximum else f"{row.minimum} to {row.maximum}"
    return Wrong("bad-element", f"The value of ({row.identifier}) must have {least} {sort}.", at)
