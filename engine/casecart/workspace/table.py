"""Code tables: mappings/tables/NAME.csv, the sender's codes and what they are to us."""

from __future__ import annotations

import csv
import fnmatch
import io
import re
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from casecart.workspace.findings import Finding, Place, did_you_mean, listed, shown
from casecart.workspace.yaml import decode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["COLUMNS", "DEFAULT", "LARGEST", "MATCHES", "Match", "Row", "Table", "read_table"]

LARGEST = 16 * 2**20
"""The most bytes a code table may have."""

DEFAULT = "*"
"""The code of the row that holds for every code that has none of its own."""

COLUMNS: Final = ("code", "value", "about", "match", "valid_from", "valid_to")
"""What a table may have; the first two it must have, in front."""

Match = Literal["exact", "range", "pattern"]
MATCHES: Final[tuple[Match, ...]] = ("exact", "range", "pattern")
"""What a row's code stands for: itself; the numbers from one to another, `100..199`; or texts, in which `*` is any text
and `?` one character."""

_NUMBER: Final = r"[0-9]{1,18}(?:\.[0-9]{1,9})?"
_RANGE: Final = re.compile(rf"({_NUMBER})\.\.({_NUMBER})", re.ASCII)
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_LONGEST: Final = 200  # characters of a text that a pattern is held against
_MOST_WIDE: Final = 1_000  # ranges and patterns, which are gone through one by one


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a code table.

    Attributes:
        code: as it is written.
        value: what it is to us.
        about: for people.
        place: in the file.
        match: what the code stands for.
        valid_from: the first day on which the row holds; None: it always did.
        valid_to: the last day; None: it still does.
    """

    code: str
    value: str
    about: str
    place: Place
    match: Match = "exact"
    valid_from: date | None = None
    valid_to: date | None = None

    @property
    def plain(self) -> bool:
        """Whether it is for one code, or for all, on every day."""
        return self.match == "exact" and self.valid_from is None and self.valid_to is None

    def fits(self, code: str) -> bool:
        """Whether it is for a code, on some day; a default is for all of them."""
        if self.match == "exact":
            return self.code in (code, DEFAULT)
        if self.match == "pattern":
            return len(code) <= _LONGEST and _pattern(self.code).fullmatch(code) is not None
        low, high = _ends(self.code)
        return re.fullmatch(_NUMBER, code, re.ASCII) is not None and low <= Decimal(code) <= high

    def holds(self, day: date) -> bool:
        """Whether it holds on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)

    def meets(self, other: Row) -> bool:
        """Whether there is a day on which both hold."""
        return (self.valid_from or date.min) <= (other.valid_to or date.max) and (other.valid_from or date.min) <= (
            self.valid_to or date.max
        )


@dataclass(frozen=True, slots=True)
class Table:
    """A code table.

    Attributes:
        name: the file's.
        rows: all of them, in the order of the file.
        values: the value of each code whose own row always holds.
        default: the value of every code without a row of its own, where that row always holds; None: there is none.
        plain: whether `values` and `default` say all; else a code is looked up on a day.
    """

    name: str
    rows: tuple[Row, ...]
    values: Mapping[str, str] = field(init=False, repr=False)
    default: str | None = field(init=False)
    plain: bool = field(init=False)
    _own: Mapping[str, list[Row]] = field(init=False, repr=False)
    _wide: tuple[Row, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        own: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.match == "exact" and row.code != DEFAULT:
                own.setdefault(row.code, []).append(row)
        wide = tuple(row for row in self.rows if row.match != "exact")
        defaults = tuple(row for row in self.rows if row.match == "exact" and row.code == DEFAULT)
        always = {row.code: row.value for row in self.rows if row.plain}
        default = always.pop(DEFAULT, None)
        for name, value in (
            ("values", MappingProxyType(always)),
            ("default", default),
            ("plain", all(row.plain for row in self.rows)),
            ("_own", own),
            ("_wide", wide + defaults),
        ):
            object.__setattr__(self, name, value)

    def row(self, code: str, day: date) -> Row | None:
        """The row of a code on a day: its own, else the first range or pattern that it fits, else the default."""
        own = next((row for row in self._own.get(code, ()) if row.holds(day)), None)
        return own or next((row for row in self._wide if row.fits(code) and row.holds(day)), None)

    def lookup(self, code: str, day: date) -> str | None:
        """The value of a code on a day; None: there is no row for it."""
        found = self.row(code, day)
        return None if found is None else found.value


@lru_cache(maxsize=4096)
def _pattern(code: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(code.replace("[", "[[]")))


@lru_cache(maxsize=4096)
def _ends(code: str) -> tuple[Decimal, Decimal]:
    low, _, high = code.partition("..")
    return Decimal(low), Decimal(high)


def read_table(data: bytes, file: str, name: str) -> tuple[Table | None, list[Finding]]:
    """Reads a code table strictly: UTF-8, a header, every row complete, no code twice, no stray spaces."""
    text, findings = decode(data, file, largest=LARGEST)
    if text is None:
        return None, findings
    records = _records(text, file, findings)
    place, header = next(records, (Place(file), []))
    if findings or not _header_fits(header, place, findings):
        return None, findings
    rows = [row for place, cells in records if (row := _row(header, cells, place, findings)) is not None]
    several = [row for row in rows if row.match != "exact"]
    if len(several) > _MOST_WIDE:
        message = f"a table has at most {_MOST_WIDE:,} ranges and patterns: give codes rows of their own"
        findings.append(Finding(several[_MOST_WIDE].place, "error", "table-row", message))
    else:
        findings += [*_twice(rows), *_overlapping(several)]
    if findings:
        return None, sorted(findings, key=lambda finding: finding.place)
    return Table(name, tuple(rows)), []


def _twice(rows: Iterable[Row]) -> Iterator[Finding]:
    """Rows for one code, on one day."""
    known: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        known.setdefault((row.match, row.code), []).append(row)
    for same in known.values():
        last = same[0] if len(same) == 1 else min(same, key=_begins)
        for row in sorted(same, key=_begins)[1:] if len(same) > 1 else ():
            if last.meets(row):
                first, second = sorted((last, row), key=lambda each: each.place)
                dated = "" if first.plain and second.plain else ", for a day that this one holds on too"
                message = (
                    f"the code {shown(row.code)} is already in line {first.place.line}{dated}; keep one of the two"
                )
                yield Finding(second.place, "error", "duplicate-code", message)
            last = max(last, row, key=lambda each: each.valid_to or date.max)


def _begins(row: Row) -> tuple[date, Place]:
    return row.valid_from or date.min, row.place


def _overlapping(rows: Sequence[Row]) -> Iterator[Finding]:
    """Ranges that have a number in common, on one day: which is meant is nobody's guess."""
    begun: list[Row] = []
    for row in sorted((row for row in rows if row.match == "range"), key=lambda row: (_ends(row.code), row.place)):
        begun = [each for each in begun if _ends(each.code)[1] >= _ends(row.code)[0]]
        other = next((each for each in begun if each.meets(row) and each.code != row.code), None)
        if other is not None:
            first, second = sorted((other, row), key=lambda each: each.place)
            message = f"the range {second.code} has numbers of {first.code} in line {first.place.line}: part them"
            yield Finding(second.place, "error", "duplicate-code", message)
        begun.append(row)


def _records(text: str, file: str, findings: list[Finding]) -> Iterator[tuple[Place, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        place = Place(file, reader.line_num + 1)
        try:
            cells = next(reader, None)
        except csv.Error:
            message = "the line is not CSV: a quote is not closed, stands alone, or a cell is very long"
            findings.append(Finding(place, "error", "table-row", message))
            return
        if cells is None:
            return
        if cells:  # an empty line says nothing
            yield place, cells


def _header_fits(header: Sequence[str], place: Place, findings: list[Finding]) -> bool:
    if tuple(header[:2]) == COLUMNS[:2] and set(header) <= set(COLUMNS) and len(set(header)) == len(header):
        return True
    words = f"the first line names the columns: code,value and behind them any of {listed(COLUMNS[2:])}"
    odd = next((name for name in header if name not in COLUMNS), None)
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        words += "; they are separated by commas"
    elif odd is not None:
        words += f", and {shown(odd)} is none of them"
    suggestion = did_you_mean(odd, set(COLUMNS) - set(header)) if odd else None
    findings.append(Finding(place, "error", "table-header", words, suggestion))
    return False


def _row(header: Sequence[str], cells: Sequence[str], place: Place, findings: list[Finding]) -> Row | None:
    try:
        return _read_row(header, cells, place)
    except _Wrong as wrong:
        findings.append(Finding(place, "error", "table-row", wrong.message, wrong.suggestion))
        return None


class _Wrong(Exception):
    """A line of a table can't be read."""

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.message, self.suggestion = message, suggestion


def _read_row(header: Sequence[str], cells: Sequence[str], place: Place) -> Row:
    if len(cells) != len(header):
        counts = f"the line has {len(cells)} cells, and the header {len(header)}"
        raise _Wrong(f"{counts}; text with a comma in it goes in quotes")
    given = dict(zip(header, cells, strict=True))
    for column in COLUMNS[:2]:
        cell = given[column]
        if not cell or cell != cell.strip():
            what = "has spaces around it, and would not be found" if cell.strip() else "is empty"
            raise _Wrong(f"the {column} {what}; write it as it should be compared")
    code, match = given["code"], given.get("match") or "exact"
    if match not in MATCHES:
        raise _Wrong(f"match is exact, range or pattern, and not {shown(match)}", did_you_mean(match, MATCHES))
    if match == "range" and ((ends := _RANGE.fullmatch(code)) is None or Decimal(ends[1]) > Decimal(ends[2])):
        raise _Wrong("the code of a range is its first and last number, as in 100..199")
    days = {column: _day(given.get(column, ""), column) for column in ("valid_from", "valid_to")}
    row = Row(code, given["value"], given.get("about", ""), place, match, **days)
    if not row.meets(row):
        raise _Wrong("valid_to is before valid_from, so that the row never holds")
    return row


def _day(cell: str, column: str) -> date | None:
    if not cell:
        return None
    if _DAY.fullmatch(cell):
        with suppress(ValueError):
            return date.fromisoformat(cell)
    raise _Wrong(f"{column} is no day: write it as 2026-01-31, or leave it empty")
