"""Code tables of a workspace: who uses them, what a code is, and changes to their files, which a person reviews."""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from casecart.commands.refusal import Refusal
from casecart.commands.workspace import check, read_workspace
from casecart.workspace import WorkspaceError
from casecart.workspace.declaration import NAME
from casecart.workspace.findings import Finding, did_you_mean
from casecart.workspace.table import COLUMNS, LARGEST, Table, read_table
from casecart.workspace.table_text import put, take_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from casecart.workspace import Workspace
    from casecart.workspace.declaration import Declared
    from casecart.workspace.table import Row
    from casecart.workspace.table_text import Cells
    from casecart.workspace.text import Text

__all__ = [
    "TableChange",
    "TableRow",
    "TableUse",
    "TableView",
    "import_rows",
    "look_up",
    "remove_rows",
    "set_row",
    "table_file",
    "tables_of",
]

Became = Literal["added", "changed", "same", "removed"]


class TableUse(msgspec.Struct, frozen=True, kw_only=True):
    """A field that goes through a table."""

    file: str
    line: int
    mapping: str
    field: str
    channels: tuple[str, ...]
    """Those that use the mapping."""


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row, as it is written."""

    code: str
    value: str
    about: str
    match: str
    valid_from: date | None
    valid_to: date | None
    line: int


class TableView(msgspec.Struct, frozen=True, kw_only=True):
    """A code table."""

    name: str
    file: str
    rows: tuple[TableRow, ...]
    uses: tuple[TableUse, ...]


class TableChange(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a table's file, row by row."""

    file: str
    written: bool
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    same: int = 0


def tables_of(root: Path, name: str | None = None) -> tuple[TableView, ...]:
    """The tables of a workspace, by name; or the one of a name.

    Raises:
        WorkspaceError: its files have errors.
        Refusal: there is no table of that name.
    """
    workspace = read_workspace(root)
    if name is not None:
        _known(workspace, name)
    wanted = sorted(workspace.tables) if name is None else [name]
    uses = [*_uses(workspace)]
    return tuple(
        TableView(
            name=each,
            file=_file(each),
            rows=tuple(map(_row, workspace.tables[each].rows)),
            uses=tuple(use for table, use in uses if table == each),
        )
        for each in wanted
    )


def look_up(root: Path, name: str, code: str, day: date) -> TableRow | None:
    """The row that a code has on a day; None: there is none. Raises as `tables_of`."""
    found = _known(read_workspace(root), name).row(code, day)
    return None if found is None else _row(found)


def table_file(root: Path, name: str) -> str:
    """The text of a table's file. Raises as `tables_of`."""
    _known(read_workspace(root), name)
    return (root / _file(name)).read_bytes().decode("utf-8-sig")


def set_row(root: Path, name: str, row: Cells) -> TableChange:
    """Puts a row into a table, or in the place of the one that is there.

    Raises:
        Refusal: there is no such table, or the row would break what is right now; the file is as it was.
    """
    return _changed(root, name, lambda text: put(text, [row]))


def remove_rows(root: Path, name: str, code: str) -> TableChange:
    """Takes the rows of a code out of a table. Raises as `set_row`; also where there are none."""
    done = _changed(root, name, lambda text: take_out(text, code))
    if not done.removed:
        raise Refusal("not-found", f"{done.file} has no row for '{code}'")
    return done


def import_rows(root: Path, name: str, file: Path, *, replace: bool = False, dry: bool = False) -> TableChange:
    """Brings the rows of another CSV file into a table, which is made if it isn't there.

    Args:
        root: of the workspace.
        name: of the table.
        file: with the columns of a code table.
        replace: rows that the file has not are taken out.
        dry: nothing is written.

    Raises:
        Refusal: as `set_row`; or the file is no code table, or the name can't be one.
    """
    if not re.fullmatch(NAME, name):
        raise Refusal("bad-value", "a table's name is of letters, digits, '-', '_' and '.'")
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise Refusal("not-found", f"{file} can't be read: {error.strerror}") from None
    table, findings = read_table(data, str(file), name)
    if table is None:
        more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
        raise Refusal("bad-value", f"nothing was written: {findings[0]}{more}")
    new = data.decode("utf-8-sig")

    def brought(text: str) -> str:
        return new if replace else put(text, map(_cells, table.rows))

    return _changed(root, name, brought, make=True, dry=dry)


def _changed(
    root: Path, name: str, change: Callable[[str], str], *, make: bool = False, dry: bool = False
) -> TableChange:
    """Changes a table's file, unless that would break what is right now."""
    before = check(root)
    path, file = root / _file(name), _file(name)
    there = path.exists()
    if not there and not make:
        known = [each.stem for each in path.parent.glob("*.csv")]
        raise Refusal("not-found", f"there is no table {file}", did_you_mean(name, known))
    old = path.read_bytes() if there else b"code,value\n"
    table, findings = read_table(old, file, name)
    if table is None:
        raise WorkspaceError(findings)
    # A mark in front that Excel writes is nobody's cell, and stays.
    text = old.decode("utf-8")
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    data = (mark + change(text.removeprefix(mark)).removeprefix("\ufeff")).encode()
    after, findings = read_table(data, file, name)
    if after is None:
        raise Refusal("bad-value", f"the row can't be: {findings[0].message}", findings[0].suggestion)
    done = _difference(file, table, after, written=not dry and (data != old or not there))
    if done.written:
        _write(path, data)
        worse = [each for each in check(root).findings if each.severity == "error" and not _told(each, before.findings)]
        if worse:
            path.write_bytes(old) if there else path.unlink()
            raise Refusal("bad-value", f"with that the workspace can't be run: {worse[0]}")
    return done


def _told(finding: Finding, before: tuple[Finding, ...]) -> bool:
    """Whether it was found before as well, on whatever line."""
    return any(
        (finding.place.file, finding.code, finding.message) == (each.place.file, each.code, each.message)
        for each in before
    )


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".new")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        if path.exists():
            Path(name).chmod(path.stat().st_mode & 0o777)
        else:
            Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _difference(file: str, old: Table, new: Table, *, written: bool) -> TableChange:
    before, after = ({_name(row): _cells(row) for row in table.rows} for table in (old, new))
    return TableChange(
        file=file,
        written=written,
        added=tuple(name for name in after if name not in before),
        changed=tuple(name for name in after if name in before and after[name] != before[name]),
        removed=tuple(name for name in before if name not in after),
        same=sum(before.get(name) == cells for name, cells in after.items()),
    )


def _name(row: Row) -> str:
    """A row, for a person: its code, and since when it holds."""
    return row.code if row.valid_from is None else f"{row.code} from {row.valid_from}"


def _cells(row: Row) -> dict[str, str]:
    written = {name: getattr(row, name) for name in COLUMNS}
    written["match"] = "" if row.match == "exact" else row.match
    return {name: "" if value is None else str(value) for name, value in written.items()}


def _row(row: Row) -> TableRow:
    return TableRow(
        code=row.code,
        value=row.value,
        about=row.about,
        match=row.match,
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        line=row.place.line,
    )


def _known(workspace: Workspace, name: str) -> Table:
    table = workspace.tables.get(name)
    if table is None:
        raise Refusal("not-found", f"there is no table {_file(name)}", did_you_mean(name, workspace.tables))
    return table


def _file(name: str) -> str:
    return f"mappings/tables/{name}.csv"


def _uses(workspace: Workspace) -> Iterator[tuple[str, TableUse]]:
    """Each field with a table, in the order of mappings and fields."""
    channels: dict[str, list[str]] = {}
    for name, channel in workspace.channels.items():
        for used_mapping in channel.mappings:
            channels.setdefault(used_mapping, []).append(str(name))
    declared: list[tuple[str, str, Declared, Text | None]] = [
        (name, field, mapped, mapped.table)
        for name, mapping in workspace.mappings.items()
        for field, mapped in mapping.fields.items()
    ]
    declared += [
        (name, field, mapped, mapped.table)
        for name, writing in workspace.outgoing.items()
        for field, mapped in writing.fields.items()
    ]
    for mapping, field, mapped, table in declared:
        if table is not None:
            place, used = mapped.at("table"), tuple(dict.fromkeys(channels.get(mapping, ())))
            yield str(table), TableUse(file=place.file, line=place.line, mapping=mapping, field=field, channels=used)
