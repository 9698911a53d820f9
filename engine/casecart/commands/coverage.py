"""What the tests of a workspace reach: each source of each field, each row of a table, `where`, each route entry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.canonical import Case, Usage
from casecart.commands.tested_view import CoveredFile, UncoveredView
from casecart.mapping.planning import plan
from casecart.master.record import document_of
from casecart.master.tables import TABLES
from casecart.workspace import OtherwiseStep, RouteStep, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import msgspec

    from casecart.runtime.reach import Reach
    from casecart.workspace import Channel, Mapping, Place, Row, Table, Workspace

__all__ = ["covered"]


def covered(workspace: Workspace, channels: Sequence[str], reach: Reach) -> list[CoveredFile]:
    """How much of each file was reached, the mappings' first, by name.

    Args:
        workspace: whose tests were run.
        channels: whose parts count.
        reach: what was reached.
    """
    declared = [workspace.channels[name] for name in channels]
    # What notes cases for another channel is reached by that one's tests too.
    names = sorted({str(name) for each in declared for name in each.mappings} & workspace.mappings.keys())
    mappings = [workspace.mappings[name] for name in names]
    parts: list[tuple[Place, str, bool]] = []
    for mapping in mappings:
        parts += _mapping(workspace, mapping, reach)
    for table, codes in _codes(workspace, mappings, reach).items():
        parts += _table(workspace.tables[table], codes)
    for channel in declared:
        parts += _route(channel, reach)
    files: dict[str, list[tuple[Place, str, bool]]] = {}
    for part in parts:
        files.setdefault(part[0].file, []).append(part)
    return [_file(file, of) for file, of in files.items()]


def _file(file: str, parts: Sequence[tuple[Place, str, bool]]) -> CoveredFile:
    reached = sum(was for _, _, was in parts)
    return CoveredFile(
        file=file,
        parts=len(parts),
        reached=reached,
        percent=round(100 * reached / len(parts), 1),
        never=[UncoveredView(file=file, line=place.line, what=what) for place, what, was in sorted(parts) if not was],
    )


def _mapping(workspace: Workspace, mapping: Mapping, reach: Reach) -> Iterator[tuple[Place, str, bool]]:
    """Its sources, and what its `where` says."""
    name = str(mapping.mapping)
    makes = str(mapping.makes)
    canonical: dict[str, type[msgspec.Struct]] = {"Usage": Usage, "Case": Case}
    document = canonical[makes] if makes in canonical else document_of(TABLES[makes])
    try:
        fields = {each.name: each for each in plan(mapping, workspace.tables, document).fields}
    except WorkspaceError:  # its channel does not compile, which is told
        return
    for field, declared in mapping.fields.items():
        texts = (*declared.path, *declared.agree, *declared.join)
        for text, source in zip(texts, fields[str(field)].paths, strict=False):
            yield text.place, f"path {text} was never used", (name, str(field), str(source)) in reach.sources
    if mapping.where is not None:
        place = mapping.where.place
        yield place, "where never let a line pass", name in reach.kept
        yield place, "where never left a line out", name in reach.left


def _codes(workspace: Workspace, mappings: Sequence[Mapping], reach: Reach) -> dict[str, set[Row]]:
    """Table → the rows of it that were used."""
    used: dict[str, set[Row]] = {}
    for mapping in mappings:
        for field, declared in mapping.fields.items():
            if declared.table is None:
                continue
            rows = used.setdefault(str(declared.table), set())
            table = workspace.tables[str(declared.table)]
            for of, name, text, day in reach.texts:
                if (of, name) == (str(mapping.mapping), str(field)):
                    rows.update(filter(None, [table.row(text, day)]))
    return dict(sorted(used.items()))


def _table(table: Table, used: set[Row]) -> Iterator[tuple[Place, str, bool]]:
    for row in table.rows:
        yield row.place, f"row {row.code} was never used", row in used


def _route(channel: Channel, reach: Reach) -> Iterator[tuple[Place, str, bool]]:
    step = next((each for each in channel.steps if isinstance(each, RouteStep)), None)
    for number, entry in enumerate(step.route if step is not None else (), 1):
        what = "otherwise" if isinstance(entry, OtherwiseStep) else f"when {entry.when}" if entry.when else "the entry"
        yield entry.place, f"route: {what} was never taken", (str(channel.channel), number) in reach.entries
