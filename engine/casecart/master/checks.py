"""What must hold between documents after an import: numbers name one item, what is referred to is there, no circles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from casecart.canonical.master import SEPARATOR, Identifier, Item
from casecart.master.items import FIELD_OF_SYSTEM
from casecart.master.table_file import DocumentKey
from casecart.workspace.findings import Finding, Place, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from casecart.canonical.master import MasterDocument
    from casecart.master.import_plan import DocumentChange
    from casecart.master.table_file import TableRow, TableRows

__all__ = ["check", "clashes", "two_quantities"]


def check(
    changes: Sequence[DocumentChange],
    current: Mapping[DocumentKey, MasterDocument],
    tables: Sequence[TableRows],
    facilities: Collection[str],
) -> Iterator[Finding]:
    """Everything that is wrong between the documents, each at the line of a file that brings it about."""
    after: dict[DocumentKey, MasterDocument] = dict(current)
    for change in changes:
        if change.after is None:
            after.pop(change.key, None)
        else:
            after[change.key] = change.after
    lines = _Lines(tables)
    yield from _facilities(tables, facilities)
    yield from _references(tables, after)
    changed = {change.key for change in changes if isinstance(change.after, Item)}
    for number, identifier, other in clashes(changed, after):
        place, too = lines.identifier(number, identifier), other
        if place.line == 1:  # that one was known; it is the other's line that brings it about
            place, too = lines.identifier(other, identifier), number
        words = f"the number is one of item {too} too; an item must be told by it alone"
        yield Finding(place, "error", "duplicate-identifier", f"column value: {words}")
    yield from _quantities(changed, after, lines)
    yield from _circles(changed, after, lines)


class _Lines:
    """Where in the files something is said."""

    def __init__(self, tables: Sequence[TableRows]) -> None:
        self._tables = {rows.table.name: rows for rows in tables}

    def identifier(self, item: str, identifier: Identifier) -> Place:
        def same(row: TableRow) -> bool:
            cells = row.cells
            return (row.key.key, cells.system, cells.value, cells.facility, cells.valid_from) == (
                item, identifier.system, identifier.value, identifier.facility, identifier.valid_from
            )  # fmt: skip

        return self._place("identifiers", "value", same)

    def substitute(self, item: str, other: str) -> Place:
        return self._place("substitutes", "substitute", lambda row: (row.key.key, row.cells.item) == (item, other))

    def _place(self, table: str, column: str, fits: Any) -> Place:  # noqa: ANN401 - a function of a row
        rows = self._tables.get(table)
        if rows is None:
            return Place(next(iter(self._tables.values())).file if self._tables else "-")
        line = next((row.line for row in rows.rows if fits(row)), 1)
        return rows.place(line, column)


def _facilities(tables: Sequence[TableRows], facilities: Collection[str]) -> Iterator[Finding]:
    for rows in tables:
        for row in rows.rows:
            name = row.key.facility if rows.table.row is None else row.cells.facility
            if name and name not in facilities:
                words = f"column facility: there is no facility '{name}'"
                yield Finding(
                    rows.place(row.line, "facility"), "error", "unknown-name", words, did_you_mean(name, facilities)
                )


def _references(tables: Sequence[TableRows], after: Mapping[DocumentKey, MasterDocument]) -> Iterator[Finding]:
    """What a line refers to is there."""
    there = {(key.kind, key.key) for key in after}
    dimensions = {key.key.split(SEPARATOR)[0] for key in after if key.kind == "dimension"}
    for rows in tables:
        referring = [column for column in rows.table.columns if column.refers and column.name in rows.columns]
        for row in rows.rows:
            for column in referring:
                value = _referred(row, column.name)
                if value and (column.refers, value) not in there:
                    words = f"column {column.name}: there is no {column.refers} '{value}'"
                    yield Finding(rows.place(row.line, column.name), "error", "unknown-name", words)
            if rows.table.name == "assignments":
                kind, key = "location", row.cells.value
                if row.cells.dimension != "location":
                    kind, key = "dimension", f"{row.cells.dimension}{SEPARATOR}{row.cells.value}"
                    if row.cells.dimension not in dimensions:
                        continue  # nothing is known of its values
                if (kind, key) not in there:
                    words = f"column value: there is no {row.cells.dimension} '{row.cells.value}'"
                    yield Finding(rows.place(row.line, "value"), "error", "unknown-name", words)


def _referred(row: TableRow, column: str) -> str:
    if isinstance(row.cells, dict):
        if column in row.cells:
            return row.cells[column] or ""
        return row.key.key.split(SEPARATOR)[0]  # the item of a lot
    return str(getattr(row.cells, "item" if column == "substitute" else column))


def clashes(
    changed: set[DocumentKey], after: Mapping[DocumentKey, MasterDocument]
) -> Iterator[tuple[str, Identifier, str]]:
    """Numbers of changed items that name another item too: item, identifier and the other item.

    A charge code may have many items, for it names none; every other number names one, as long as the days overlap.
    """
    mine: dict[tuple[str, str, str, str], list[tuple[str, Identifier]]] = {}
    for key in sorted(changed):  # always the same line is told
        for name, number, identifier in _unique(key, after.get(key)):
            mine.setdefault(name, []).append((number, identifier))
    for (field, facility, value, _), named in mine.items():
        number, identifier = named[0]
        yield from _twice(named, named)
        if field == "item" and value != number and DocumentKey("item", facility, value) in after:
            yield number, identifier, value
    for key in after.keys() - changed if mine else ():
        for name, number, identifier in _unique(key, after[key]):
            if name in mine:
                yield from _twice(mine[name], [(number, identifier)])


def _unique(
    key: DocumentKey, document: MasterDocument | None
) -> Iterator[tuple[tuple[str, str, str, str], str, Identifier]]:
    """The numbers that no other item may have: how they are told apart, the item and the number."""
    for identifier in document.identifiers if isinstance(document, Item) else ():
        if identifier.system != "charge":
            yield _name(key, identifier), key.key, identifier


def _twice(
    named: Sequence[tuple[str, Identifier]], others: Sequence[tuple[str, Identifier]]
) -> Iterator[tuple[str, Identifier, str]]:
    for place, (number, identifier) in enumerate(named):
        for other, its in others[:place] if others is named else others:
            if other != number and _overlap(identifier, its):
                yield number, identifier, other


def _name(key: DocumentKey, identifier: Identifier) -> tuple[str, str, str, str]:
    field = FIELD_OF_SYSTEM[identifier.system]
    return field, identifier.facility or key.facility, identifier.value, identifier.issuer.casefold()


def _overlap(one: Identifier, other: Identifier) -> bool:
    starts = [row.valid_from for row in (one, other) if row.valid_from is not None]
    ends = [row.valid_to for row in (one, other) if row.valid_to is not None]
    return not starts or not ends or max(starts) <= min(ends)


def two_quantities(key: DocumentKey, item: Item) -> tuple[Identifier, Identifier] | None:
    """Two rows of one number that hold on the same day and name different quantities of the item."""
    known: dict[tuple[str, str, str, str], list[Identifier]] = {}
    for identifier in item.identifiers:
        rows = known.setdefault(_name(key, identifier), [])
        for row in rows:
            if row.quantity != identifier.quantity and _overlap(row, identifier):
                return row, identifier
        rows.append(identifier)
    return None


def _quantities(
    changed: Collection[DocumentKey], after: Mapping[DocumentKey, MasterDocument], lines: _Lines
) -> Iterator[Finding]:
    """A number is one level of packaging."""
    for key in sorted(changed):
        item = after[key]
        pair = two_quantities(key, item) if isinstance(item, Item) else None
        if pair is not None:
            words = (
                f"column quantity: by one line the number names {pair[0].quantity}, and by another {pair[1].quantity}, "
                "on the same days; perhaps two systems say it differently"
            )
            place = max(lines.identifier(key.key, identifier) for identifier in pair)
            yield Finding(place, "error", "two-quantities", words)


def _circles(
    changed: Collection[DocumentKey], after: Mapping[DocumentKey, MasterDocument], lines: _Lines
) -> Iterator[Finding]:
    """No item is, through others, a substitute of itself."""
    leads: dict[str, list[str]] = {}
    for key, document in after.items():
        if isinstance(document, Item) and document.substitutes:
            leads.setdefault(key.key, []).extend(row.item for row in document.substitutes)
    told: set[str] = set()
    for key in sorted(changed):
        if key.key in leads and key.key not in told:
            circle = _circle(key.key, leads)
            if circle:
                told.update(circle)
                words = f"column substitute: a circle of substitutes: {' → '.join([*circle, circle[0]])}"
                yield Finding(lines.substitute(circle[0], (*circle, circle[0])[1]), "error", "cyclic-substitute", words)


def _circle(start: str, leads: Mapping[str, Sequence[str]]) -> list[str]:
    """The items of a circle that begins and ends with this one; without recursion, for chains may be long."""
    path, open_, seen = [start], [iter(leads[start])], {start}
    while open_:
        following = next(open_[-1], None)
        if following is None:
            open_.pop()
            path.pop()
        elif following == start:
            return path
        elif following in leads and following not in seen:
            seen.add(following)
            path.append(following)
            open_.append(iter(leads[following]))
    return []
