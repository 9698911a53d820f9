"""Master data that a system was asked for, as the tables of an import, and how far their silence goes.

A table that was asked for is all that the system says of it, as a file is. But a system can't say everything: what it
has no word for (another system's number, how many are in a box) it does not take back by saying nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from casecart.canonical.master import SEPARATOR, Identifier, Item
from casecart.master.table_file import DocumentKey, TableRows, read_cells
from casecart.master.tables import TABLES
from casecart.workspace.findings import Finding, Place, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from casecart.canonical.master import MasterDocument
    from casecart.master.ownership import OwnershipRule

__all__ = ["Known", "Pulled", "PulledReach", "pulled"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is there before.

    Attributes:
        documents: all of them.
        makers: the system that said each first.
        owners: who may say what.
    """

    documents: Mapping[DocumentKey, MasterDocument]
    makers: Mapping[DocumentKey, str]
    owners: OwnershipRule


@dataclass(frozen=True, slots=True)
class PulledReach:
    """What a system takes back by saying no more of it.

    Attributes:
        documents: those that go when it lacks them.
        systems: of the identifiers that it tells.
    """

    documents: Collection[DocumentKey]
    systems: Collection[str]

    def document(self, key: DocumentKey) -> bool:
        """What the system itself brought in, and nobody has said more of."""
        return key in self.documents

    def row(self, key: DocumentKey, row: Any) -> bool:  # noqa: ANN401 - a row of a document
        """An identifier as it can tell one: for one of the item's unit, everywhere and always."""
        if not isinstance(row, Identifier) or row.system not in self.systems or row.quantity != "1":
            return False
        return not any((key.facility, row.facility, row.unit, row.valid_from, row.valid_to))


@dataclass(slots=True)
class Pulled:
    """Tables, and what was found on the way.

    Attributes:
        asked: table → rows, as they came.
        reach: what they remove by lacking it.
        tables: the same, read.
        findings: of that.
    """

    asked: Mapping[str, Sequence[Mapping[str, str]]]
    reach: PulledReach
    tables: list[TableRows] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def named(self, finding: Finding) -> Finding:
        """A line says nothing to a person who has no file: its first cells do."""
        rows = self.asked.get(finding.place.file.rpartition("/")[2], ())
        place = finding.place.line - 2
        if not 0 <= place < len(rows):
            return finding
        cells = " ".join(list(rows[place].values())[:3])
        return replace(finding, message=f"{cells}: {finding.message}")


def pulled(
    asked: Mapping[str, Sequence[Mapping[str, str]]],
    known: Known,
    *,
    source: str,
    systems: Collection[str],
    origin: str,
) -> Pulled:
    """The tables of an import.

    Args:
        asked: table → rows: column → cell.
        known: what is there before.
        source: the system as which it is brought in.
        systems: of the identifiers that it tells.
        origin: where it was asked; findings name ``origin/table`` in place of a file.
    """
    made = Pulled(asked, PulledReach((), systems))
    for name, rows in asked.items():
        table, findings = read_cells(rows, f"{origin}/{name}", TABLES[name])
        made.findings += map(made.named, findings)
        if table is not None:
            made.tables.append(table)
    by_name = {rows.table.name: rows for rows in made.tables}
    _only_items_there_will_be(by_name, known, source)
    if (identifiers := by_name.get("identifiers")) is not None:
        identifiers.rows = [row for row in identifiers.rows if not _said_better(row.key, row.cells, known, made.reach)]
    gone, stay = _absent(made.tables, known, source)
    made.reach = PulledReach(gone, systems)
    made.findings += _staying(stay, origin)
    return made


def _only_items_there_will_be(by_name: Mapping[str, TableRows], known: Known, source: str) -> None:
    """What belongs to items that the source may not bring in waits for them: they are conflicts already."""
    if known.owners.may(source, "item", "description", ""):
        return
    for name in ("identifiers", "lots"):
        if (rows := by_name.get(name)) is not None:
            rows.rows = [
                row for row in rows.rows if DocumentKey("item", "", row.key.key.split(SEPARATOR)[0]) in known.documents
            ]


def _said_better(key: DocumentKey, told: Identifier, known: Known, reach: PulledReach) -> bool:
    """Whether it is known already how many of the item that number names, and it is not one."""
    item = known.documents.get(key)
    rows = item.identifiers if isinstance(item, Item) else ()
    return any(
        (row.system, row.value) == (told.system, told.value)
        and row.quantity != told.quantity
        and not reach.row(key, row)
        for row in rows
    )


def _absent(tables: Sequence[TableRows], known: Known, source: str) -> tuple[frozenset[DocumentKey], list[DocumentKey]]:
    """The source's own documents that it has no more: those that go, and those of which others have said something."""
    gone: set[DocumentKey] = set()
    stay: list[DocumentKey] = []
    for rows in tables:
        if rows.table.row is not None:
            continue
        present = {row.key for row in rows.rows}
        for key, document in known.documents.items():
            if (key.kind, key.facility) != (rows.table.kind, "") or known.makers.get(key) != source or key in present:
                continue
            if all(row.source == source for row in _rows(document)):
                gone.add(key)
            else:
                stay.append(key)
    return frozenset(gone), stay


def _rows(document: MasterDocument) -> Iterator[Any]:
    for name in document.__struct_fields__:
        value = getattr(document, name)
        if isinstance(value, tuple):
            yield from value


def _staying(stay: Sequence[DocumentKey], origin: str) -> Iterator[Finding]:
    for kind in sorted({key.kind for key in stay}):
        names = sorted(key.key for key in stay if key.kind == kind)
        words = f"{kind} {listed(names)}: no longer there, and kept here, since other systems say something of it too"
        yield Finding(Place(origin), "warning", "table-row", words)
