"""Changes to the text of a code table: rows go in and out, and every other line stays as somebody wrote it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, NamedTuple

from casecart.workspace.table import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["Cells", "put", "take_out"]

Cells = Mapping[str, str]
"""A row's cells by their columns, as they are written; what is missing is empty."""


class _Record(NamedTuple):
    """A row, and the text that it was read from; no text: it is another by now."""

    cells: Cells
    text: str = ""


def put(text: str, rows: Iterable[Cells]) -> str:
    """The table with more rows, or with them in place of those that have their code, match and first day.

    A row for the same code that holds on a new one's first day, and began before it, ends on the day before.
    Columns that are needed, and not there, are added.

    Args:
        text: of a table that `read_table` can read.
        rows: each has a code and a value at least; what they don't tell stays as it is.
    """
    header, records, end = _read(text)
    known: dict[tuple[str, str], list[int]] = {}
    for number, record in enumerate(records):
        known.setdefault(_code(record.cells), []).append(number)
    for row in rows:
        same = known.setdefault(_code(row), [])
        begins = row.get("valid_from", "")
        for number in same:
            cells = records[number].cells
            if _goes_on(cells, begins):
                last = date.fromisoformat(begins) - timedelta(days=1)
                records[number] = _Record({**cells, "valid_to": last.isoformat()})
            if cells.get("valid_from", "") == begins:
                changed = {**cells, **row}
                if any(changed.get(name, "") != cells.get(name, "") for name in COLUMNS):
                    records[number] = _Record(changed)
                break
        else:
            same.append(len(records))
            records.append(_Record(row))
    return _written(header, records, end)


def take_out(text: str, code: str) -> str:
    """The table without the rows of a code, on whatever days they hold."""
    header, records, end = _read(text)
    return _written(header, [record for record in records if record.cells.get("code") != code], end)


def _code(row: Cells) -> tuple[str, str]:
    return row.get("code", ""), row.get("match") or "exact"


def _goes_on(row: Cells, day: str) -> bool:
    """Whether a row that began before a day still holds on it; days are written so that texts sort as they do."""
    return bool(day) and row.get("valid_from", "") < day <= (row.get("valid_to") or day)


def _read(text: str) -> tuple[list[str], list[_Record], str]:
    """Header, rows, and the line end."""
    records = _records(text)
    header, first = next(records)
    end = first[len(first.rstrip("\r\n")) :] or "\n"
    return header, [_Record(dict(zip(header, cells, strict=False)), raw) for cells, raw in records], end


def _records(text: str) -> Iterator[tuple[list[str], str]]:
    """The cells of each record, and its text with the line end; empty lines go with what follows them."""
    lines: list[str] = []

    def read() -> Iterator[str]:
        for line in io.StringIO(text, newline=""):
            lines.append(line)
            yield line

    for cells in csv.reader(read(), strict=True):
        if cells:
            yield cells, "".join(lines)
            lines.clear()


def _written(header: Sequence[str], records: Sequence[_Record], end: str) -> str:
    needed = [name for name in COLUMNS if name not in header and any(each.cells.get(name) for each in records)]
    columns = [*header, *needed]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=end)
    writer.writerow(columns)
    for record in records:
        if record.text and not needed:
            out.write(record.text if record.text.endswith(("\n", "\r")) else record.text + end)
        else:
            writer.writerow([record.cells.get(name, "") for name in columns])
    return out.getvalue()
