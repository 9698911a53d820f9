"""What is different between two workspaces, in the words of those who own them; a function of both, and of no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from casecart.runtime.difference import AT_START
from casecart.workspace import Declared, Table, keys_of
from casecart.workspace.findings import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from casecart.workspace import Component, Workspace

__all__ = ["ChangeKind", "FileChange", "WorkspaceChange", "changed_files", "changes"]

ChangeKind = Literal["added", "changed", "removed"]

_AT_ONCE: Final = ("facilities", "intake", "retain")
"""Those that it takes up while it runs, listeners and destinations aside."""


class FileChange(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is different."""

    file: str
    kind: ChangeKind


class WorkspaceChange(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that is different."""

    sort: Literal["channel", "listener", "destination", "setting", "ownership"]
    name: str
    kind: ChangeKind
    why: list[str]
    """What of it is; empty where it was added or removed."""
    restart: bool
    """Whether an engine that runs can't take it up."""


def changed_files(old: Mapping[str, bytes], new: Mapping[str, bytes]) -> list[FileChange]:
    """By their paths."""
    return [
        FileChange(file=file, kind=_kind(file in old, file in new))
        for file in sorted(old.keys() | new.keys())
        if old.get(file) != new.get(file)
    ]


def changes(old: Workspace, new: Workspace) -> list[WorkspaceChange]:
    """Channels first, then the ways in and out, then what is said of all of them."""
    zones = _zones(old, new)
    return [
        *_channels(old, new),
        *_components("listener", old, new, zones),
        *_components("destination", old, new, {}),
        *_settings(old, new),
    ]


def _channels(old: Workspace, new: Workspace) -> Iterator[WorkspaceChange]:
    for name in sorted({*map(str, old.channels), *map(str, new.channels)}):
        if name in old.channels and name in new.channels:
            if old.revision(name) != new.revision(name):
                yield _change("channel", name, list(_why_channel(name, old, new)))
        else:
            yield _change("channel", name, [], _kind(name in old.channels, name in new.channels))


def _why_channel(name: str, old: Workspace, new: Workspace) -> Iterator[str]:
    before, now = old.files_of(name), new.files_of(name)
    for file in dict.fromkeys((*now, *before)):
        if file in before and file in now:
            if old.digests[file] != new.digests[file]:
                yield _why_file(file, old, new)
        else:
            yield f"{file} is used {'no longer' if file in before else 'from now on'}"


def _why_file(file: str, old: Workspace, new: Workspace) -> str:
    folder, _, name = file.rpartition("/")
    stem = name.rpartition(".")[0]
    if folder == "mappings/tables":
        return f"table {stem}: {_rows(old.tables[stem], new.tables[stem])}"
    what = {"mappings": "mapping", "hooks": "hook"}.get(folder)
    return "its file" if what is None else f"{what} {stem}"


def _rows(old: Table, new: Table) -> str:
    before, now = _by_code(old), _by_code(new)
    counts = {
        "added": len(now.keys() - before.keys()),
        "removed": len(before.keys() - now.keys()),
        "changed": sum(before[key] != now[key] for key in before.keys() & now.keys()),
    }
    said = [f"{number} {'row' if number == 1 else 'rows'} {what}" for what, number in counts.items() if number]
    return listed(said) or "written in another way"


def _by_code(table: Table) -> dict[tuple[Any, ...], str]:
    return {(row.code, row.match, row.valid_from, row.valid_to): row.value for row in table.rows}


def _components(
    sort: Literal["listener", "destination"], old: Workspace, new: Workspace, also: Mapping[str, str]
) -> Iterator[WorkspaceChange]:
    before, now = _named(sort, old), _named(sort, new)
    for name in sorted(before.keys() | now.keys()):
        if name not in before or name not in now:
            yield _change(sort, name, [], _kind(name in before, name in now))
            continue
        why = [*_why_component(before[name], now[name]), *_what_it_reads(now[name], old, new)]
        why += [also[""]] if "" in also else []
        if why:
            yield _change(sort, name, why)


def _named(sort: Literal["listener", "destination"], workspace: Workspace) -> dict[str, Component]:
    found = workspace.engine.listeners if sort == "listener" else workspace.engine.destinations
    return {str(name): component for name, component in found.items()}


def _why_component(old: Component, new: Component) -> Iterator[str]:
    if old.kind != new.kind:
        yield f"kind {old.kind} is {new.kind}"
    elif different := [key for key, one, other in _pairs(old.settings, new.settings) if one != other]:
        yield listed(different)


def _pairs(old: Declared, new: Declared) -> Iterator[tuple[str, object, object]]:
    for key in keys_of(type(new)):
        yield key.name, getattr(old, key.attribute, None), getattr(new, key.attribute)


def _what_it_reads(component: Component, old: Workspace, new: Workspace) -> Iterator[str]:
    """Files that it names: its template, the mapping that writes for it with its tables."""
    for name in sorted(_texts(component.settings)):
        if old.texts.get(name) != new.texts.get(name) and name in old.texts:
            yield name
        if name in old.outgoing and name in new.outgoing:
            tables = {str(field.table) for field in new.outgoing[name].fields.values() if field.table is not None}
            files = [f"mappings/{name}.yaml", *(f"mappings/tables/{table}.csv" for table in sorted(tables))]
            yield from (
                _why_file(file, old, new)
                for file in files
                if old.digests.get(file) != new.digests.get(file) and file in old.digests
            )


def _texts(value: object) -> set[str]:
    """Every text that is written in a block of settings."""
    if isinstance(value, str):
        return {str(value)}
    if isinstance(value, Declared):
        return set().union(*(_texts(getattr(value, key.attribute)) for key in keys_of(type(value))))
    return set()


def _settings(old: Workspace, new: Workspace) -> Iterator[WorkspaceChange]:
    for name in (*AT_START, *_AT_ONCE):
        before, now = getattr(old.engine, name), getattr(new.engine, name)
        if before == now:
            continue
        kind = _kind(before is not None, now is not None)
        why = list(_why_block(before, now)) if kind == "changed" else []
        yield _change("setting", name, why, kind, restart=name in AT_START)
    if old.ownership != new.ownership:
        kind = _kind(old.ownership is not None, new.ownership is not None)
        yield _change("ownership", "config/ownership.yaml", [], kind)


def _why_block(old: object, new: object) -> Iterator[str]:
    if isinstance(old, Declared) and isinstance(new, Declared):
        yield from (key for key, one, other in _pairs(old, new) if one != other)
    elif isinstance(old, str) and isinstance(new, str):
        yield f"{old} is {new}"


def _zones(old: Workspace, new: Workspace) -> dict[str, str]:
    """Under no name what is to be said of each listener: they read the times of their senders by these zones."""
    before, now = ({str(name): each for name, each in it.engine.facilities.items()} for it in (old, new))
    changed = [name for name in sorted(before.keys() & now.keys()) if before[name] != now[name]]
    return {"": f"facility {listed(changed)}"} if changed else {}


def _change(
    sort: Literal["channel", "listener", "destination", "setting", "ownership"],
    name: str,
    why: list[str],
    kind: ChangeKind = "changed",
    *,
    restart: bool = False,
) -> WorkspaceChange:
    return WorkspaceChange(sort=sort, name=name, kind=kind, why=why, restart=restart)


def _kind(before: object, now: object) -> ChangeKind:
    return "changed" if before and now else "added" if now else "removed"
