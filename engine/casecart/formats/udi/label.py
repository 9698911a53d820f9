"""GS1 as it is printed for people: application identifiers in parentheses, or in braces."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from casecart.formats.udi.control import GS, refuse_others
from casecart.formats.udi.element import device
from casecart.formats.udi.gtin import gtin
from casecart.formats.udi.identifier import ROWS
from casecart.formats.udi.note import CHARACTER, GTIN_LENGTH, PARENTHESES, Note
from casecart.formats.udi.reading import Ambiguous, Udi, Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.formats.udi.identifier import Row
    from casecart.formats.udi.piece import Mark

__all__ = ["bare", "printed", "spaced"]

_BRACKETED: Final = {"(": re.compile(r"\((\d{2,4})\)"), "{": re.compile(r"\{(\d{2,4})\}")}
_PLAIN: Final = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]*")
_BLANKS: Final = f" {GS}"
_WORD: Final = re.compile(r"[^ ]+")
# With so many brackets there are at most two thousand ways to read them.
_MOST_CUTS: Final = 12
_MOST_READINGS: Final = 16

_WORDS: Final = "A value may itself contain an application identifier in parentheses, and several readings fit."

# An element: its row, where its bracket opens, where it closes.
_Cut = tuple["Row", int, int]


def printed(text: str, start: int, end: int, year: int) -> Udi | Ambiguous:
    """What is printed from `start` to `end`.

    A value may contain parentheses: what stands in them is an application identifier if it is a known one. If that
    gives no reading, some of them are part of a value: as few as possible.

    Raises:
        Wrong: it does not begin with an application identifier, or no reading fits.
    """
    plain = _PLAIN.fullmatch(text, start, end) is not None
    if not plain:
        refuse_others(text, start, end)
    cuts: list[_Cut] = [
        (row, match.start(), match.end())
        for match in _BRACKETED[text[start]].finditer(text, start, end)
        if (row := ROWS.get(match[1])) is not None
    ]
    if not cuts or cuts[0][1] != start:
        raise Wrong("unknown-element", "No GS1 application identifier stands in the first brackets.", start)
    if plain and (regular := _regular(text, cuts, end)) is not None:
        found, marks = regular
        return device(text, found, marks, form="printed", year=year, partial=True)
    try:
        return _device(text, cuts, end, year)
    except Wrong:
        readings = list(_readings(text, cuts, end, year))
        if not readings:
            raise
    most = max(len(each.marks) for each in readings)
    readings = [each for each in readings if len(each.marks) == most]
    if len(readings) == 1:
        return readings[0]
    return Ambiguous(
        text=text,
        code="parentheses",
        words=_WORDS,
        readings=tuple(readings[:_MOST_READINGS]),
        complete=len(readings) <= _MOST_READINGS,
    )


def spaced(text: str, start: int, end: int, year: int) -> Udi | None:
    """Application identifiers and values in turn, blanks between them; None if that is not what it is.

    Raises:
        Wrong: it has a control character.
    """
    refuse_others(text, start, end)
    words = list(_WORD.finditer(text, start, end))
    cuts = [(row, word.start(), word.end()) for word in words[::2] if (row := ROWS.get(word[0])) is not None]
    if len(words) % 2 or 2 * len(cuts) != len(words) or all(row.kind != "di" for row, _, _ in cuts):
        return None
    try:
        return _device(text, cuts, end, year)
    except Wrong:
        return None


def bare(text: str, start: int, end: int) -> Udi:
    """A GTIN alone, of 8, 12, 13 or 14 digits."""
    value = gtin(text[start:end])
    if value is None:
        raise Wrong("bad-element", "A GTIN has 8, 12, 13 or 14 digits.", start)
    return device(text, {"01": value}, [("di", "01", start, start, end)], form="bare", year=0, partial=False)


def _regular(text: str, cuts: list[_Cut], end: int) -> tuple[dict[str, str], list[Mark]] | None:
    """The elements, if they are as the standard has them; nearly all labels are, and this is quick."""
    found: dict[str, str] = {}
    marks: list[Mark] = []
    stops = [at for _, at, _ in cuts]
    stops.append(end)
    for number, (row, at, close) in enumerate(cuts, start=1):
        identifier, kind, _, _, minimum, maximum, digits, _, _, _ = row
        stop = stops[number]
        value = text[close:stop]
        if not minimum <= stop - close <= maximum or (digits and not value.isdecimal()) or identifier in found:
            return None
        found[identifier] = value
        marks.append((kind, identifier, at, close, stop))
    return found, marks


def _device(text: str, cuts: list[_Cut], end: int, year: int, *notes: Note) -> Udi:
    found: dict[str, str] = {}
    marks: list[Mark] = []
    for number, (row, at, close) in enumerate(cuts):
        stop = cuts[number + 1][1] if number + 1 < len(cuts) else end
        value = _value(text, row, close, stop)
        if value is None:
            raise Wrong("bad-element", f"The value of ({row.identifier}) does not have its length or digits.", at)
        if found.setdefault(row.identifier, value) != value:
            raise Wrong("contradiction", f"({row.identifier}) comes twice, with different values.", at)
        if row.kind == "di" and len(text[close:stop].replace(" ", "").strip(GS)) != row.fixed:
            notes += (GTIN_LENGTH,)
        if not _PLAIN.fullmatch(value) and CHARACTER not in notes:
            notes += (CHARACTER,)
        begin = close + len(text[close:stop]) - len(text[close:stop].lstrip(_BLANKS))
        marks.append((row.kind, row.identifier, at, begin, begin + len(text[begin:stop].rstrip(_BLANKS))))
    return device(text, found, marks, form="printed", year=year, partial=True, notes=notes)


def _value(text: str, row: Row, begin: int, stop: int) -> str | None:
    """The value, if it is one of this identifier's."""
    value = text[begin:stop].strip(_BLANKS)
    if GS in value:
        return None
    if row.digits:
        value = value.replace(" ", "")
        if not (value.isdecimal() and value.isascii()):
            return None
        if row.kind == "di":
            return gtin(value)
    return value if row.minimum <= len(value) <= row.maximum else None


def _readings(text: str, cuts: list[_Cut], end: int, year: int) -> Iterator[Udi]:
    for way in _ways(text, cuts, end) if len(cuts) <= _MOST_CUTS else ():
        try:
            yield _device(text, way, end, year, PARENTHESES)
        except Wrong:
            continue


def _ways(
    text: str, cuts: list[_Cut], end: int, number: int = 0, seen: frozenset[str] = frozenset()
) -> Iterator[list[_Cut]]:
    """The choices among the cuts that give every value its length and digits and no identifier twice."""
    row, _, close = cuts[number]
    seen |= {row.identifier}
    for after in range(number + 1, len(cuts) + 1):
        stop = cuts[after][1] if after < len(cuts) else end
        if _value(text, row, close, stop) is None:
            continue
        if after == len(cuts):
            yield [cuts[number]]
        elif cuts[after][0].identifier not in seen:
            for rest in _ways(text, cuts, end, after, seen):
                yield [cuts[number], *rest]
