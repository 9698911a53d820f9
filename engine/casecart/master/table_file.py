"""Reads a file of a master data table: strictly, line by line, every mistake with its line and column."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from casecart.canonical.master import SEPARATOR
from casecart.formats.udi import fits, gtin
from casecart.master.findings import MOST_FINDINGS
from casecart.master.tables import OWNERSHIPS, STATUSES, SYSTEMS, Column, ColumnType, Table
from casecart.workspace.findings import Finding, Place, did_you_mean, listed, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["LARGEST", "DocumentKey", "TableRow", "TableRows", "read_cells", "read_quantity", "read_table_file"]

LARGEST: Final = 512 * 1024 * 1024
LONGEST_CELL: Final = 1_000


class DocumentKey(NamedTuple):
    """Which document of the master data."""

    kind: str
    facility: str
    key: str


class TableRow(NamedTuple):
    """A line of a table.

    `cells` is a row within the document, or the fields of the document itself that the file has columns for.
    """

    line: int
    key: DocumentKey
    cells: Any


@dataclass(slots=True)
class TableRows:
    """A whole file."""

    table: Table
    file: str
    columns: tuple[str, ...]
    rows: list[TableRow] = field(default_factory=list)
    removed: bool = False
    """Its lines are no more."""

    def place(self, line: int, column: str) -> Place:
        """Where a cell is."""
        return Place(self.file, line, self.columns.index(column) + 1 if column in self.columns else 1)


class _Wrong(ValueError):
    """A cell can't be read; the words say why."""


def read_table_file(data: bytes, file: str, table: Table) -> tuple[TableRows | None, list[Finding]]:
    """Reads a table's file.

    Args:
        data: UTF-8, with or without a mark at its beginning; cells between commas, or between semicolons or tabs when
            the header has no comma.
        file: its name, for findings.
        table: what it is.

    Returns:
        The rows, or None where something is wrong; and the findings, some of which may be warnings.
    """
    findings = _not_text(data, file)
    if findings:
        return None, findings
    reading = _Reading(table, file, findings)
    header = data[: data.find(b"\n") + 1] or data
    separator = next((mark for mark in ",;\t" if mark.encode() in header), ",")
    # Decoded piece by piece: a million lines need not be there twice.
    text = io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=separator, strict=True)
    line = 1
    try:
        if not reading.header(next(reader, [])):
            return None, findings
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                reading.row(line, cells)
            if reading.errors >= MOST_FINDINGS:
                words = f"more than {MOST_FINDINGS} mistakes; the rest of the file was not looked at"
                reading.wrong(Place(file, line), words)
                break
            line = reader.line_num + 1
    except csv.Error as error:
        words = "the line is not CSV: a quote stands where none may, or a cell is very long"
        if "unexpected end" in str(error):
            words = "a quote is opened in this line and never closed; the file may be cut short"
        reading.wrong(Place(file, line), words)
    return (None if reading.errors else reading.finished()), findings


def read_cells(rows: Iterable[Mapping[str, str]], file: str, table: Table) -> tuple[TableRows | None, list[Finding]]:
    """Reads rows that a system gave itself, as if they stood in a table's file.

    Args:
        rows: column → cell; a column that no row has says nothing, and one that a row lacks is empty there.
        file: what findings name in place of a file; the first row is line 2.
        table: what it is.

    Returns:
        As `read_table_file`.
    """
    findings: list[Finding] = []
    reading = _Reading(table, file, findings)
    told = list(rows)
    names = {name for row in told for name in row} | {column.name for column in table.columns if column.required}
    columns = [column.name for column in table.columns if column.name in names]
    reading.header([*columns, *sorted(names.difference(columns))])
    for line, row in enumerate(told, 2):
        if reading.errors >= MOST_FINDINGS:
            break
        reading.row(line, [row.get(name, "") for name in columns])
    return (None if reading.errors else reading.finished()), findings


def _not_text(data: bytes, file: str) -> list[Finding]:
    def refused(code: str, words: str, line: int = 1) -> list[Finding]:
        return [Finding(Place(file, line), "error", code, words)]

    if len(data) > LARGEST:
        return refused("too-large", f"the file has {len(data):,} bytes, and may have {LARGEST:,}")
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return refused("not-utf-8", "the file is UTF-16; save it as UTF-8")
    if (nul := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, nul) + 1
        return refused("not-text", "the file has a NUL character in it, which no text has", line)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return refused("not-utf-8", "the line is not UTF-8 text; save the file with that encoding", line)
    return []


class _Reading:
    def __init__(self, table: Table, file: str, findings: list[Finding]) -> None:
        self._table, self._file, self._findings = table, file, findings
        self._columns: list[Column] = []
        self._counted: dict[str, int] = {}
        self._warnings = 0
        self.errors = 0
        self.made = TableRows(table, file, ())

    def wrong(self, place: Place, words: str, code: str = "table-row", suggestion: str | None = None) -> None:
        """A mistake more."""
        self.errors += 1
        self._findings.append(Finding(place, "error", code, words, suggestion))

    def _warned(self, place: Place, words: str) -> None:
        self._warnings += 1
        if self._warnings <= MOST_FINDINGS:
            self._findings.append(Finding(place, "warning", "table-row", words))

    def finished(self) -> TableRows:
        """All rows."""
        if (more := self._warnings - MOST_FINDINGS) > 0:
            words = f"{more:,} more warnings of this file are not shown"
            self._findings.append(Finding(Place(self._file), "warning", "table-row", words))
        return self.made

    def header(self, names: Sequence[str]) -> bool:
        """Whether the first line names the table's columns."""
        known = {column.name: column for column in self._table.columns}
        names = [name.strip().lower() for name in names]
        for number, name in enumerate(names, 1):
            place = Place(self._file, 1, number)
            if name not in known:
                words = f"{shown(name)} is not a column of {self._table.name}, which has {listed(known, most=20)}"
                self.wrong(place, words, "table-header", did_you_mean(name, known.keys() - set(names)))
            elif name in names[: number - 1]:
                self.wrong(place, f"the column {shown(name)} is there twice", "table-header")
        missing = [name for name, column in known.items() if column.required and name not in names]
        if missing:
            columns = f"the column{'s' if len(missing) > 1 else ''} {listed(missing)}"
            words = f"{columns} {'are' if len(missing) > 1 else 'is'} missing in the first line of {self._table.name}"
            self.wrong(Place(self._file), words, "table-header")
        if self.errors:
            return False
        self._columns = [known[name] for name in names]
        self.made.columns = tuple(names)
        return True

    def row(self, line: int, cells: Sequence[str]) -> None:
        if len(cells) != len(self._columns):
            words = f"the line has {len(cells)} cells, and the first line {len(self._columns)}"
            if len(cells) < len(self._columns):
                words += "; if it is the last one, the file may be cut short"
            self.wrong(Place(self._file, line), words)
            return
        values: dict[str, Any] = {}
        right = True
        for number, (column, cell) in enumerate(zip(self._columns, cells, strict=True), 1):
            try:
                values[column.name] = _cell(column, cell.strip())
            except ValueError as wrong:
                right = False
                place = Place(self._file, line, number)
                self.wrong(place, f"column {column.name}: {wrong}")
        if right and self._sensible(line, values):
            self.made.rows.append(self._made(line, values))

    def _sensible(self, line: int, values: dict[str, Any]) -> bool:
        start, end = values.get("valid_from"), values.get("valid_to")
        if start is not None and end is not None and end < start:
            place = self.made.place(line, "valid_to")
            self.wrong(place, "column valid_to: it lies before valid_from")
            return False
        if self._table.name == "identifiers":
            return self._identifier(line, values)
        if self._table.name == "recalls" and not (values.get("di") or values.get("item")):
            place = self.made.place(line, "di")
            words = "column di: the line must say what is called back, by di or by item"
            self.wrong(place, words)
            return False
        if values.get("di"):
            values["di"] = gtin(values["di"]) or values["di"]
        return True

    def _identifier(self, line: int, values: dict[str, Any]) -> bool:
        value, system = values["value"], values["system"]
        if system == "HIBCC":
            values["value"] = value.removeprefix("+").upper()
        if system != "GS1":
            return True
        number = gtin(value)
        place = self.made.place(line, "value")
        if number is None:
            words = "column value: a GTIN has 8, 12, 13 or 14 digits and nothing else"
            self.wrong(place, words)
            return False
        if not fits(number):
            self._warned(place, "column value: the check digit of this GTIN is wrong; it is taken as it is")
        values["value"] = number
        return True

    def _made(self, line: int, values: dict[str, Any]) -> TableRow:
        table = self._table
        parts = [values.pop(column.name, None) or "" for column in table.columns[: table.keys]]
        if table.name == "recalls" and not parts[1]:
            self._counted[parts[0]] = self._counted.get(parts[0], 0) + 1
            parts[1] = str(self._counted[parts[0]])
        key = SEPARATOR.join(parts)
        if table.row is None:
            facility = values.pop("facility", None) or ""
            return TableRow(line, DocumentKey(table.kind, facility, key), values)
        if "substitute" in values:
            values["item"] = values.pop("substitute")
        given = {name: value for name, value in values.items() if value is not None}
        return TableRow(line, DocumentKey(table.kind, "", key), table.row(**given))


# What people and spreadsheets write for yes and no.
_FLAGS: Final = {"yes": True, "y": True, "true": True, "1": True, "no": False, "n": False, "false": False, "0": False}
_QUANTITY: Final = re.compile(r"\d{1,12}(?:\.\d{1,12}|/\d{1,12})?", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_CHOICES: Final[Mapping[str, Sequence[str]]] = {"system": SYSTEMS, "ownership": OWNERSHIPS, "status": STATUSES}


def _cell(column: Column, text: str) -> Any:  # noqa: ANN401 - what the column's type says
    """The value of a cell; None where it is empty."""
    if not text:
        if column.required:
            raise _Wrong("it is empty, and must not be")
        return None
    if len(text) > LONGEST_CELL:
        raise _Wrong(f"it has {len(text):,} characters, and may have {LONGEST_CELL:,}")
    if _CONTROL.search(text):
        raise _Wrong("there is a control character in it, such as a line end")
    return _READERS[column.type](column, text)


def _flag(_: Column, text: str) -> bool:
    if text.lower() not in _FLAGS:
        raise _Wrong("write yes or no")
    return _FLAGS[text.lower()]


def _choice(column: Column, text: str) -> str:
    known = {each.lower(): each for each in _CHOICES[column.type]}
    if text.lower() not in known:
        raise _Wrong(f"write one of {listed(known.values())}")
    return known[text.lower()]


def _date(_: Column, text: str) -> date:
    if not _DATE.fullmatch(text):
        raise _Wrong("write a date as 2026-12-31")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _Wrong("there is no such day") from None


def read_quantity(text: str) -> str:
    """A quantity in lowest terms, so that 10, 10.0 and 20/2 are the same. Raises `ValueError` with words."""
    if not _QUANTITY.fullmatch(text):
        raise ValueError("write a quantity as 10, 2.5 or 1/3")
    try:
        value = Fraction(text)
    except ZeroDivisionError:
        raise ValueError("nothing can be divided by 0") from None
    if value == 0:
        raise ValueError("it must be more than 0")
    return str(value)


_READERS: Final[Mapping[ColumnType, Callable[[Column, str], Any]]] = {
    "text": lambda _, text: text,
    "flag": _flag,
    "date": _date,
    "quantity": lambda _, text: read_quantity(text),
    "system": _choice,
    "ownership": _choice,
    "status": _choice,
}
