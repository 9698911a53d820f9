"""Records of master data as messages tell them: lines of tables, of which only what is told is there."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from casecart.master.table_file import read_cells
from casecart.workspace.findings import Finding, Place

if TYPE_CHECKING:
    from casecart.master.table_file import TableRows
    from casecart.master.tables import Table

__all__ = ["CHANGES", "Change", "document_of", "rows_of"]

Change = Literal["put", "deactivate", "reactivate", "remove"]
CHANGES: Final = "change"
"""The field that says what a message wants of a record; without it, that it is as told."""

_STATUS: Final = {"deactivate": "inactive", "reactivate": "active"}


def document_of(table: Table) -> type[msgspec.Struct]:
    """What a mapping makes for this table: a field for each column, None where the message says nothing of it."""
    columns = [(each.name, date | None if each.type == "date" else str | None, None) for each in table.columns]
    return msgspec.defstruct(table.name, [*columns, (CHANGES, Change | None, None)], frozen=True)


def rows_of(table: Table, record: Any, file: str) -> tuple[TableRows | None, list[Finding]]:  # noqa: ANN401 - a `document_of`
    """A record as a line of its table, as an import reads it: an empty text deletes, None leaves.

    Args:
        table: what it is a line of.
        record: of its `document_of`.
        file: what findings name.

    Returns:
        The line, or None where something is wrong with it, and the findings.
    """
    change = getattr(record, CHANGES) or "put"
    told = {
        column.name: value.isoformat() if isinstance(value, date) else value
        for column in table.columns
        if (value := getattr(record, column.name)) is not None
    }
    if change in _STATUS:
        if table.row is not None:
            words = f"a line of {table.name} is there or not: have the mapping's table give put or remove"
            return None, [Finding(Place(file), "error", "bad-value", words)]
        told = {column.name: told.get(column.name, "") for column in table.columns[: table.keys]}
        told["status"] = _STATUS[change]
    if table.row is not None:  # of a line within a document what is empty is not there, as in a table's file
        told = {name: value for name, value in told.items() if value}
    rows, findings = read_cells([told], file, table)
    if rows is not None:
        rows.removed = change == "remove"
    return rows, findings
