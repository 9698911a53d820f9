"""GS1 separators that were lost on the way from the scanner to here: what a value may have swallowed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from casecart.formats.udi.day import yymmdd
from casecart.formats.udi.element import device
from casecart.formats.udi.gtin import fits
from casecart.formats.udi.identifier import ROWS, row_at
from casecart.formats.udi.reading import Ambiguous, Udi, Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from casecart.formats.udi.identifier import Row
    from casecart.formats.udi.piece import Mark

__all__ = ["swallowed"]

# The search is bounded: a reader of twenty readings has stopped reading, and a value of nothing but digits has many.
_MOST_READINGS: Final = 16
_MOST_STEPS: Final = 2000

_DEVICE: Final = [row for row in ROWS.values() if row.device]

# A variable count stands beside a GTIN of variable measure only, whose first digit says so (GS1 General Specifications
# §3, on identifier 30). Elsewhere two digits of a lot would look like one far too often.
_COUNT: Final = "30"
_VARIABLE: Final = "9"

# A first look, at the speed of a regular expression: without any of these in it a value has swallowed nothing.
_HINT: Final = re.compile(
    "|".join(
        row.identifier + (rf"\d{{{row.fixed}}}" if row.fixed else rf"\d{{{row.minimum}}}" if row.digits else ".")
        for row in _DEVICE
    )
)

_WORDS: Final = (
    "The separators between values were lost, and the last value may hold more than one. "
    "Have the scanner, or what stands between, pass the control character 0x1D on."
)


def swallowed(
    text: str,
    begin: int,
    end: int,
    last: Row,
    found: Mapping[str, str],
    *,
    marks: Sequence[Mark],
    year: int,
    partial: bool,
    whole: bool,
) -> Ambiguous | None:
    """The readings of a code without separators, if it has others than the one that takes it as written.

    Other elements are looked for in its last value: of those that labels of devices carry, each once, with dates that
    exist, a GTIN with a right check digit, a count (30) only beside a GTIN of variable measure.

    Args:
        text: the code.
        begin: of its last value.
        end: of that, and of the code.
        last: what its last value is said to be.
        found: the elements' values; the last one among them only if it has the length and digits that it must.
        marks: likewise, where they stand.
        year: the current one.
        partial: whether a reading without a device identifier counts.
        whole: whether the last one is among them.
    """
    if whole:
        if _HINT.search(text, begin + last.minimum, end) is None:
            return None
        marks = marks[:-1]
    search = _Search(text, end, year)
    before = {identifier: value for identifier, value in found.items() if identifier != last.identifier}
    readings: list[Udi] = []
    seen = frozenset(found) | {last.identifier}
    if "01" in found and not found["01"].startswith(_VARIABLE):
        seen |= {_COUNT}
    for tail in search.variable(last, begin, seen):
        values = before | {identifier: text[value:stop] for _, identifier, _, value, stop in tail}
        try:
            readings.append(device(text, values, [*marks, *tail], form="scanned", year=year, partial=partial))
        except Wrong:
            continue
        if len(readings) == _MOST_READINGS:
            search.complete = False
            break
    as_written = whole and len(readings) == 1 and len(readings[0].marks) == len(marks) + 1
    if not readings or (as_written and search.complete):
        return None
    return Ambiguous(
        text=text, code="separators-lost", words=_WORDS, readings=tuple(readings), complete=search.complete
    )


class _Search:
    """All ways to cut the rest of a code into elements, the one with the longest values first.

    Attributes:
        complete: False when the search gave up.
    """

    def __init__(self, text: str, end: int, year: int) -> None:
        self.text, self.end, self.year = text, end, year
        self.steps = 0
        self.complete = True

    def variable(self, row: Row, begin: int, seen: frozenset[str]) -> Iterator[list[Mark]]:
        """The ways to read an element of no fixed length whose value begins there, and all after it."""
        limit = min(begin + row.maximum, self.end)
        if row.digits:
            while limit > begin and not self.text[begin:limit].isdecimal():
                limit -= 1
        for stop in range(limit, begin + row.minimum - 1, -1):
            mark = (row.kind, row.identifier, begin - row.width, begin, stop)
            for tail in self.elements(stop, seen):
                yield [mark, *tail]

    def elements(self, at: int, seen: frozenset[str]) -> Iterator[list[Mark]]:
        """The ways to read elements from there to the end."""
        if at == self.end:
            yield []
            return
        self.steps += 1
        if self.steps > _MOST_STEPS:
            self.complete = False
            return
        row = row_at(self.text, at)
        if row is None or not row.device or row.identifier in seen:
            return
        begin = at + row.width
        if not row.fixed:
            yield from self.variable(row, begin, seen | {row.identifier})
            return
        stop = begin + row.fixed
        if self._plausible(row, self.text[begin:stop]):
            for tail in self.elements(stop, seen | {row.identifier}):
                yield [(row.kind, row.identifier, at, begin, stop), *tail]

    def _plausible(self, row: Row, value: str) -> bool:
        if len(value) != row.fixed or not value.isdecimal():
            return False
        if row.kind == "di":
            return fits(value)
        return not row.date or yymmdd(value[:6], self.year).date is not None
