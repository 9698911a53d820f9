"""Code tables: mappings/tables/NAME.csv, the sender's codes and what they are to us."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from casecart.workspace.findings import Finding, Place, did_you_mean, shown
from casecart.workspace.yaml import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["DEFAULT", "LARGEST", "Row", "Table", "read_table"]

LARGEST = 16 * 2**20
"""The most bytes a code table may have."""

DEFAULT = "*"
"""The code of the row that holds for every code that has none of its own."""

_COLUMNS = ("code", "value", "about")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a code table."""

    code: str
    value: str
    about: str
    place: Place


@dataclass(frozen=True, slots=True)
class Table:
    """A code table. A code that is not in `values` has the value `default`; if that is None, it has none."""

    name: str
    values: Mapping[str, str]
    default: str | None
    rows: tuple[Row, ...]

    def lookup(self, code: str) -> str | None:
        """The value of a code, by its own row or by the default row."""
        return self.values.get(code, self.default)


def read_table(data: bytes, file: str, name: str) -> tuple[Table | None, list[Finding]]:
    """Reads a code table strictly: UTF-8, a header, every row complete, no code twice, no stray spaces."""
    text, findings = decode(data, file, largest=LARGEST)
    if text is None:
        return None, findings
    records = _records(text, file, findings)
    place, header = next(records, (Place(file), []))
    if not _header_fits(header, place, findings):
        return None, findings
    rows: dict[str, Row] = {}
    for place, cells in records:
        if (row := _row(header, cells, place, findings)) is None:
            continue
        if row.code in rows:
            before = f"the code {shown(row.code)} is already in line {rows[row.code].place.line}"
            message = f"{before}; keep one of the two"
            findings.append(Finding(place, "error", "duplicate-code", message))
            continue
        rows[row.code] = row
    if findings:
        return None, findings
    default = rows.get(DEFAULT)
    values = {code: row.value for code, row in rows.items() if code != DEFAULT}
    return Table(name, MappingProxyType(values), default.value if default else None, tuple(rows.values())), []


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
    if tuple(header) in {_COLUMNS, _COLUMNS[:2]}:
        return True
    words = "the first line names the columns: code,value or code,value,about"
    odd = next((name for name in header if name not in _COLUMNS), None)
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        words += "; they are separated by commas"
    elif odd is not None:
        words += f", and {shown(odd)} is none of them"
    suggestion = did_you_mean(odd, set(_COLUMNS) - set(header)) if odd else None
    findings.append(Finding(place, "error", "table-header", words, suggestion))
    return False


def _row(header: Sequence[str], cells: Sequence[str], place: Place, findings: list[Finding]) -> Row | None:
    if len(cells) != len(header):
        counts = f"the line has {len(cells)} cells, and the header {len(header)}"
        message = f"{counts}; text with a comma in it goes in quotes"
        findings.append(Finding(place, "error", "table-row", message))
        return None
    code, value, about = (*cells, "")[:3]
    for column, cell in zip(_COLUMNS, (code, value), strict=False):
        if not cell or cell != cell.strip():
            what = "has spaces around it, and would not be found" if cell.strip() else "is empty"
            message = f"the {column} {what}; write it as it should be compared"
            findings.append(Finding(place, "error", "table-row", message))
            return None
    return Row(code, value, about, place)
