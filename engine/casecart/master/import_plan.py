"""What an import would change: the documents as files say them, against those that are there. Nothing is written here.

A file is all that its source says of its table: what it said before and says no more is removed. A part of a table
removes nothing. A column that the file lacks says nothing; an empty cell says that there is none. What a system can't
say, its tables lack for no reason: where they were asked of it, a `Reach` says how far their silence goes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from casecart.canonical.master import KINDS, SEPARATOR
from casecart.master.checks import check
from casecart.master.findings import MOST_FINDINGS
from casecart.workspace.findings import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from casecart.canonical.master import MasterDocument
    from casecart.master.ownership import OwnershipRule
    from casecart.master.table_file import DocumentKey, TableRow, TableRows
    from casecart.master.tables import Table

__all__ = ["Conflict", "DocumentChange", "ImportPlan", "Reach", "Tally", "empty_document", "groups_of", "plan_import"]


@dataclass(frozen=True, slots=True)
class DocumentChange:
    """A document before and after; None: it is not there."""

    key: DocumentKey
    before: MasterDocument | None
    after: MasterDocument | None


@dataclass(frozen=True, slots=True)
class Conflict:
    """A system says something that another one owns. Nothing of it is taken over."""

    key: DocumentKey
    group: str
    source: str
    owners: frozenset[str]
    proposal: Mapping[str, Any]
    """The fields of the document as the system would have them."""


@dataclass(slots=True)
class Tally:
    """The lines of a table: how many there were, and what becomes of them."""

    before: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    same: int = 0


@dataclass(slots=True)
class ImportPlan:
    """What an import would do. With an error among the findings it must not be done."""

    changes: list[DocumentChange] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Whether something is wrong with it."""
        return any(finding.severity == "error" for finding in self.findings)


class Reach(Protocol):
    """What tables that lack something may remove."""

    def document(self, key: DocumentKey) -> bool:
        """Whether this document goes when its table lacks it."""

    def row(self, key: DocumentKey, row: Any) -> bool:  # noqa: ANN401 - a row of a document
        """Whether this row of a document, which the source said before, goes when its table lacks it."""


def groups_of(table: Table) -> dict[str, list[str]]:
    """Group → columns, of a table whose lines are documents."""
    groups: dict[str, list[str]] = {}
    for column in table.columns:
        if column.group:
            groups.setdefault(column.group, []).append(column.name)
    return groups


def plan_import(
    current: Mapping[DocumentKey, MasterDocument],
    tables: Sequence[TableRows],
    *,
    source: str,
    owners: OwnershipRule,
    part: bool,
    facilities: Collection[str],
    reach: Reach | None = None,
) -> ImportPlan:
    """Plans the import of files that belong together.

    Args:
        current: every document there is.
        tables: the files, read without errors.
        source: the system that says all this.
        owners: who may say what.
        part: the files are parts of their tables.
        facilities: the names that the workspace knows.
        reach: how far the tables' silence goes; None: as far as what the source may say.
    """
    planning = _Planning(current, source, owners, part=part, reach=reach)
    # Documents first: rows within one may belong to a document of the same import.
    for rows in sorted(tables, key=lambda each: each.table.row is not None):
        planning.once(rows)
        if rows.table.row is None:
            planning.documents(rows)
        else:
            planning.inner(rows)
    plan = planning.finished()
    plan.findings += islice(check(plan.changes, current, tables, facilities), MOST_FINDINGS)
    plan.findings.sort(key=lambda finding: finding.place)
    if len(plan.findings) > MOST_FINDINGS:
        place = plan.findings[MOST_FINDINGS].place
        words = f"more than {MOST_FINDINGS} mistakes; the others are not shown"
        plan.findings[MOST_FINDINGS:] = [Finding(place, "error", "table-row", words)]
    return plan


class _Planning:
    def __init__(
        self,
        current: Mapping[DocumentKey, MasterDocument],
        source: str,
        owners: OwnershipRule,
        *,
        part: bool,
        reach: Reach | None,
    ) -> None:
        self._current, self._source, self._owners, self._part = current, source, owners, part
        self._reach = reach
        self._after: dict[DocumentKey, MasterDocument | None] = {}
        self._plan = ImportPlan()
        self._files: dict[str, str] = {}
        self._kinds = Counter(key.kind for key in current)

    def once(self, rows: TableRows) -> None:
        """No table and no line comes twice."""
        first_file = self._files.setdefault(rows.table.name, rows.file)
        if first_file != rows.file:
            words = f"{first_file} is the table {rows.table.name} too; make one file of them, or import each as a part"
            self._plan.findings.append(Finding(Place(rows.file), "error", "duplicate-table", words))
        seen: dict[Any, int] = {}
        same = rows.table.same
        for row in rows.rows:
            key = (row.key, *(getattr(row.cells, "item" if name == "substitute" else name) for name in same))
            first = seen.setdefault(key, row.line)
            if first != row.line:
                words = f"the line says the same as line {first} speaks of; keep one of the two"
                self._plan.findings.append(
                    Finding(rows.place(row.line, rows.columns[0]), "error", "duplicate-row", words)
                )

    # --- tables whose lines are documents
    def documents(self, rows: TableRows) -> None:
        """Adds, changes and removes documents."""
        table = rows.table
        tally = self._tally(table.name)
        groups = {group: [name for name in names if name in rows.columns] for group, names in groups_of(table).items()}
        for row in rows.rows:
            if rows.removed:
                self._remove(row.key, next(iter(groups)), tally)
            else:
                self._document(row, groups, tally)
        if rows.removed:
            return
        tally.before = self._kinds[table.kind]
        if self._part:
            return
        present = {row.key for row in rows.rows}
        first = next(iter(groups))
        for key in [key for key in self._current if key.kind == table.kind]:
            reached = self._reach is None or self._reach.document(key)
            if key not in present and reached and self._may(key, first):
                self._after[key] = None
                tally.removed += 1

    def _remove(self, key: DocumentKey, first: str, tally: Tally) -> None:
        if self._now(key) is None:
            return
        if self._may(key, first):
            self._after[key] = None
            tally.removed += 1
        else:
            # Who takes it over keeps what it was: lines of earlier days name it.
            self._conflict(key, first, {"status": "inactive"})

    def _document(self, row: TableRow, groups: Mapping[str, Sequence[str]], tally: Tally) -> None:
        before = self._now(row.key)
        document = empty_document(row.key) if before is None else before
        told = {group: {name: _stored(row, name) for name in names} for group, names in groups.items()}
        if before is None and not self._may(row.key, first := next(iter(groups))):
            # Whether there is such a document is the owner's of its first group to say.
            self._conflict(row.key, first, {name: value for said in told.values() for name, value in said.items()})
            tally.same += 1
            return
        changed: dict[str, Any] = {}
        for group, said in told.items():
            other = {name: value for name, value in said.items() if getattr(document, name) != value}
            if other and not self._may(row.key, group):
                self._conflict(row.key, group, other)
            else:
                changed |= other
        if before is None:
            tally.added += 1
        elif changed:
            tally.changed += 1
        else:
            tally.same += 1
            return
        self._after[row.key] = msgspec.structs.replace(document, **changed)

    # --- tables whose lines are rows within documents
    def inner(self, rows: TableRows) -> None:
        """Adds, changes and removes rows."""
        table, tally = rows.table, self._tally(rows.table.name)
        said: dict[DocumentKey, list[Any]] = {}
        for row in rows.rows:
            key = self._owner_of(row)
            if key is None:
                column = table.columns[0].name
                words = f"column {column}: there is no {table.kind} of this number"
                self._plan.findings.append(Finding(rows.place(row.line, column), "error", "unknown-name", words))
                continue
            said.setdefault(key, []).append(msgspec.structs.replace(row.cells, source=self._source))
        if not self._part:
            for key, document in self._current.items():
                if key.kind == table.kind and self._now(key) is not None:
                    tally.before += len(self._own(key, document, table.attribute))
                    if key not in said and self._own(key, document, table.attribute):
                        said[key] = []
        for key, news in said.items():
            self._rows(key, news, table, tally, removed=rows.removed)

    def _owner_of(self, row: TableRow) -> DocumentKey | None:
        """The document that a row belongs to: the one for all facilities, else the facility's own."""
        if self._now(row.key) is not None:
            return row.key
        local = row.key._replace(facility=row.cells.facility)
        return local if self._now(local) is not None else None

    def _rows(self, key: DocumentKey, news: list[Any], table: Table, tally: Tally, *, removed: bool = False) -> None:
        document = self._now(key)
        assert document is not None  # noqa: S101 - the callers looked
        own = self._own(key, document, table.attribute)
        names = ["item" if name == "substitute" else name for name in table.same]
        known = {tuple(getattr(each, name) for name in names): each for each in own}
        told = {tuple(getattr(each, name) for name in names): each for each in news}
        wished = {**known, **told} if self._part else told
        if removed:
            wished = {name: row for name, row in known.items() if name not in told}
        if wished == known:
            tally.same += len(known)
            return
        others = [each for each in getattr(document, table.attribute) if not self._is_own(key, each)]
        merged = self._allowed(key, table.attribute, known, wished)
        if merged != wished:
            owners: set[str] = set()
            for name in known.keys() | wished.keys():
                if known.get(name) != wished.get(name) and merged.get(name) == known.get(name):
                    owners |= self._owners_of(key, table.attribute, known.get(name) or wished[name])
            proposal = {table.attribute: (*others, *wished.values())}
            self._plan.conflicts.append(Conflict(key, table.attribute, self._source, frozenset(owners), proposal))
        tally.added += len(merged.keys() - known.keys())
        tally.removed += len(known.keys() - merged.keys())
        both = merged.keys() & known.keys()
        changed = sum(merged[each] != known[each] for each in both)
        tally.changed += changed
        tally.same += len(both) - changed
        if merged != known:
            self._after[key] = msgspec.structs.replace(document, **{table.attribute: (*others, *merged.values())})

    def _allowed(
        self, key: DocumentKey, group: str, known: Mapping[Any, Any], wished: Mapping[Any, Any]
    ) -> Mapping[Any, Any]:
        """What is wished, but for rows of facilities where the source has no say: those stay as they are known."""
        if self._owners.everybodys(key.kind, group):
            return wished
        merged = {
            name: row
            for name, row in wished.items()
            if row == known.get(name) or self._may(key._replace(facility=row.facility or key.facility), group)
        }
        for name, row in known.items():
            if name not in merged and not self._may(key._replace(facility=row.facility or key.facility), group):
                merged[name] = row
        return merged

    def _owners_of(self, key: DocumentKey, group: str, row: Any) -> frozenset[str]:  # noqa: ANN401 - a row of a document
        return self._owners.of(key.kind, group, row.facility or key.facility) or frozenset()

    def _own(self, key: DocumentKey, document: Any, attribute: str) -> list[Any]:  # noqa: ANN401 - one that has such rows
        return [row for row in getattr(document, attribute) if self._is_own(key, row)]

    def _is_own(self, key: DocumentKey, row: Any) -> bool:  # noqa: ANN401 - a row of a document
        return row.source == self._source and (self._reach is None or self._reach.row(key, row))

    # --- both
    def _now(self, key: DocumentKey) -> MasterDocument | None:
        return self._after[key] if key in self._after else self._current.get(key)

    def _may(self, key: DocumentKey, group: str) -> bool:
        return self._owners.may(self._source, key.kind, group, key.facility)

    def _conflict(self, key: DocumentKey, group: str, proposal: Mapping[str, Any]) -> None:
        owned = self._owners.of(key.kind, group, key.facility) or frozenset()
        self._plan.conflicts.append(Conflict(key, group, self._source, owned, proposal))

    def _tally(self, name: str) -> Tally:
        return self._plan.tallies.setdefault(name, Tally())

    def finished(self) -> ImportPlan:
        """The plan, with every document that is another one afterwards."""
        self._plan.changes = [
            DocumentChange(key, before, after)
            for key, after in self._after.items()
            if (before := self._current.get(key)) != after
        ]
        return self._plan


def _stored(row: TableRow, name: str) -> Any:  # noqa: ANN401 - a cell
    """A cell as the document has it: a text of a recall that is empty is ""."""
    value = row.cells[name]
    return "" if value is None and row.key.kind == "recall" and name != "published" else value


def empty_document(key: DocumentKey) -> MasterDocument:
    """A document of this key that says nothing yet."""
    parts = key.key.split(SEPARATOR)
    document = KINDS[key.kind]
    names: Iterable[str] = document.__struct_fields__
    said: dict[str, Any] = dict(zip(names, parts, strict=False))
    return document(**said)
