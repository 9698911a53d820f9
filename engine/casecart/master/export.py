"""Documents as the tables that they came in, and a change of one in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casecart.canonical.master import SEPARATOR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from casecart.canonical.master import MasterDocument
    from casecart.master.import_plan import DocumentChange
    from casecart.master.table_file import DocumentKey
    from casecart.master.tables import Table

__all__ = ["describe", "export_rows"]


def export_rows(table: Table, documents: Iterable[tuple[DocumentKey, MasterDocument]]) -> Iterator[list[str]]:
    """The header, then a line for each document or each of its rows. To import that changes nothing."""
    names = [column.name for column in table.columns]
    yield names
    for key, document in documents:
        if key.kind != table.kind:
            continue
        keys = dict(zip(names, key.key.split(SEPARATOR), strict=False))
        inner: Iterable[Any] = (document,) if table.row is None else getattr(document, table.attribute)
        for row in inner:
            cells = {**{name: getattr(row, "item" if name == "substitute" else name, None) for name in names}, **keys}
            if table.row is None and "facility" in names:
                cells["facility"] = key.facility
            elif table.row is not None:
                cells["facility"] = row.facility or key.facility
            yield [_cell(cells[name]) for name in names]


def _cell(value: Any) -> str:  # noqa: ANN401 - whatever a document has
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def describe(change: DocumentChange) -> list[str]:
    """What is another one afterwards, a line each."""
    name = " ".join([change.key.kind, *change.key.key.split(SEPARATOR)])
    if change.key.facility:
        name += f" at {change.key.facility}"
    if change.after is None:
        return [f"{name}: removed"]
    words = []
    before = change.before
    if before is None:
        words.append(f"{name}: new")
    for field in change.after.__struct_fields__:
        old, new = getattr(before, field, None), getattr(change.after, field)
        if old == new:
            continue
        if isinstance(new, tuple):
            words += _rows(name, field, old or (), new)
        elif before is not None:
            words.append(f"{name}: {field} {_shown(old)} → {_shown(new)}")
    return words


def _rows(name: str, field: str, old: Iterable[Any], new: Iterable[Any]) -> Iterator[str]:
    was, is_ = list(old), list(new)
    for row in is_:
        if row not in was:
            yield f"{name}: {field} + {_row(row)}"
    for row in was:
        if row not in is_:
            yield f"{name}: {field} - {_row(row)}"


def _row(row: Any) -> str:  # noqa: ANN401 - a row of a document
    said = ((field, getattr(row, field)) for field in row.__struct_fields__)
    return " ".join(f"{field} {_cell(value)}" for field, value in said if value not in (None, ""))


def _shown(value: Any) -> str:  # noqa: ANN401 - whatever a document has
    return f"'{_cell(value)}'" if value is not None and value != "" else "nothing"
