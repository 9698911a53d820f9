"""The master data that a test begins with: tables from files, and rows written in the test, in a store of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.master.import_plan import plan_import
from casecart.master.ownership import OwnershipRule
from casecart.master.table_file import read_cells, read_table_file
from casecart.master.tables import TABLES, table_for
from casecart.master.versions import versions
from casecart.store import Change
from casecart.store.memory import MemoryStore
from casecart.workspace import Finding, WorkspaceError
from casecart.workspace.files import Folder, contents
from casecart.workspace.findings import did_you_mean, listed
from casecart.workspace.tests_reader import inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from casecart.canonical.master import MasterDocument
    from casecart.master.table_file import DocumentKey, TableRows
    from casecart.workspace import Text, Workspace
    from casecart.workspace.channel_tests import MasterFixture

__all__ = ["FixtureStores"]

_LARGEST = 50_000_000  # bytes of a table


class FixtureStores:
    """Stores with master data, each made once.

    Args:
        workspace: whose tests they are for.
        now: when the data were brought in, µs since 1970.
    """

    def __init__(self, workspace: Workspace, now: int) -> None:
        self._workspace, self._now = workspace, now
        self._made: dict[tuple[int, ...], MemoryStore | WorkspaceError] = {}

    def of(self, file: str, fixtures: Sequence[MasterFixture | None]) -> MemoryStore | None:
        """The store of these fixtures, each brought in over those before it; None: there are none.

        Args:
            file: of the tests, below the root.
            fixtures: of the file, and of one test. They must live as long as this does.

        Raises:
            WorkspaceError: something is wrong with them.
        """
        given = [each for each in fixtures if each is not None]
        if not given:
            return None
        key = tuple(map(id, given))
        if key not in self._made:
            try:
                self._made[key] = self._store(file, given)
            except WorkspaceError as error:
                self._made[key] = error
        made = self._made[key]
        if isinstance(made, WorkspaceError):
            raise made
        return made

    def _store(self, file: str, fixtures: Sequence[MasterFixture]) -> MemoryStore:
        store = MemoryStore()
        documents: dict[DocumentKey, MasterDocument] = {}
        for fixture in fixtures:
            tables = [*self._files(file, fixture), *self._rows(file, fixture)]
            plan = plan_import(
                documents,
                tables,
                source=str(fixture.source),
                owners=OwnershipRule(),  # what a test begins with is so, whoever says it
                part=True,
                facilities={str(name) for name in self._workspace.engine.facilities},
            )
            _refuse(plan.findings)
            documents.update({each.key: each.after for each in plan.changes if each.after is not None})
            rows = versions(plan.changes, actor="test", source=str(fixture.source), origin=file, now=self._now)
            if rows:
                change = Change()
                change.publish(store.append_master(rows))
                store.write(change)
        return store

    def _files(self, file: str, fixture: MasterFixture) -> Iterator[TableRows]:
        root = self._workspace.root
        for named in fixture.files:
            path = inside(root, file, named)
            if path is None or not path.exists():
                _refuse([Finding(named.place, "error", "missing-file", f"there is no file '{named}'")])
                continue
            for each in sorted(path.glob("*.csv")) if path.is_dir() else [path]:
                yield self._table(each.relative_to(root.resolve()).as_posix(), named)

    def _table(self, file: str, named: Text) -> TableRows:
        table = table_for(file.rpartition("/")[2])
        if table is None:
            words = f"{file} is not called after a table of master data; those are {listed(TABLES, most=30)}"
            near = did_you_mean(file.rpartition("/")[2].split(".")[0], TABLES)
            raise WorkspaceError([Finding(named.place, "error", "file-name", words, near)])
        findings: list[Finding] = []
        data = contents(Folder(self._workspace.root), file, _LARGEST, findings)
        if data is not None and len(data) > _LARGEST:
            words = f"{file} is larger than {_LARGEST // 1_000_000} MB: a test needs a few lines of it"
            findings.append(Finding(named.place, "error", "too-large", words))
        _refuse(findings)
        rows, found = read_table_file(data or b"", file, table)
        return _read(rows, found)

    @staticmethod
    def _rows(file: str, fixture: MasterFixture) -> Iterator[TableRows]:
        for name, told in fixture.rows.items():
            rows, findings = read_cells([{str(k): str(v) for k, v in row.items()} for row in told], file, TABLES[name])
            # Rows in a test have no lines of a table: what is wrong is told at the name of the table.
            place = getattr(name, "place", fixture.place)
            yield _read(rows, [Finding(place, each.severity, each.code, each.message) for each in findings])


def _read(rows: TableRows | None, findings: Sequence[Finding]) -> TableRows:
    _refuse(findings)
    if rows is None:
        raise WorkspaceError(findings)
    return rows


def _refuse(findings: Sequence[Finding]) -> None:
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise WorkspaceError(sorted(errors, key=lambda finding: finding.place))
