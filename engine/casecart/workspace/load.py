"""Loads a workspace: every file read strictly, every name resolved, or all that is wrong in one go."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from casecart.workspace.channel import Channel
from casecart.workspace.claims import double_claims
from casecart.workspace.declaration import Declared
from casecart.workspace.engine import Engine
from casecart.workspace.files import Files, Folder, contents, listing
from casecart.workspace.findings import Finding, Place, WorkspaceError, did_you_mean, listed, shown
from casecart.workspace.hook import LARGEST as LARGEST_HOOK
from casecart.workspace.hook import faults_of
from casecart.workspace.mapping import Mapping as MappingFile
from casecart.workspace.node import MapNode, Node, TextNode
from casecart.workspace.outgoing import OutgoingMapping
from casecart.workspace.ownership import Ownership, misnamed
from casecart.workspace.reader import read
from casecart.workspace.reading import Kinds, Reading
from casecart.workspace.table import LARGEST as LARGEST_TABLE
from casecart.workspace.table import Table, read_table
from casecart.workspace.yaml import LARGEST, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from casecart.workspace.text import Text

__all__ = ["Loaded", "Workspace", "load", "read_all"]

_D = TypeVar("_D", bound=Declared)
_ENGINE = "config/engine.yaml"
_OWNERSHIP = "config/ownership.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A whole workspace that has no errors; nothing in it changes."""

    root: Path
    engine: Engine
    ownership: Ownership | None
    """None: every system may say everything of the master data."""
    channels: Mapping[str, Channel]
    mappings: Mapping[str, MappingFile]
    outgoing: Mapping[str, OutgoingMapping]
    """The mappings that write."""
    tables: Mapping[str, Table]
    hooks: Mapping[str, str]
    """The source of each hook that a channel has, by its path below the root."""
    texts: Mapping[str, str]
    """Files that settings name because of what is written in them, such as templates, by their path below the root."""
    warnings: tuple[Finding, ...]
    digests: Mapping[str, str]
    """The SHA-256 of every file that was read, by its path below the root."""

    def revision(self, channel: str) -> str:
        """What a channel's messages run under: a SHA-256 over its file, its mappings and their tables, and its hook.

        Raises:
            KeyError: there is no such channel.
        """
        files = self.files_of(channel)
        return hashlib.sha256("".join(f"{file}\0{self.digests[file]}\n" for file in files).encode()).hexdigest()

    def files_of(self, channel: str) -> list[str]:
        """The files that decide what a channel makes of a message, by their paths: those that `revision` is over."""
        mappings = {str(name) for name in self.channels[channel].mappings}
        fields = [field for name in mappings for field in self.mappings[name].fields.values()]
        tables = {str(field.table) for field in fields if field.table is not None}
        step = self.channels[channel].hook
        return [
            f"channels/{channel}.yaml",
            *([] if step is None else [str(step.hook.file)]),
            *(f"mappings/{name}.yaml" for name in sorted(mappings)),
            *(f"mappings/tables/{name}.csv" for name in sorted(tables)),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What could be read of a workspace, and what is wrong in it so far."""

    workspace: Workspace | None
    """None when it has errors."""
    findings: tuple[Finding, ...]
    """In the order of files and lines."""
    channels: Mapping[str, Channel]
    """Those of which each file is right by itself, as all below; what they name may not be there."""
    mappings: Mapping[str, MappingFile]
    outgoing: Mapping[str, OutgoingMapping]
    tables: Mapping[str, Table]
    leftovers: Sequence[tuple[str, str, Text]]
    """The paths and expressions of the other files: the type's name, the format of what is read (empty: not said), and
    the text."""


def load(
    root: Path, *, kinds: Kinds, document_fields: Mapping[str, frozenset[str]], files: Files | None = None
) -> Workspace:
    """Loads the workspace in a folder.

    Args:
        root: The folder that holds `config/`, `channels/` and `mappings/`.
        kinds: The installed kinds of listeners and destinations.
        document_fields: The fields of each canonical document, by its name.
        files: Where its files are read, if not in the folder; secrets and certificates are in the folder all the same.

    Raises:
        WorkspaceError: with everything that is wrong, in the order of files and lines.
    """
    loaded = read_all(root, kinds=kinds, document_fields=document_fields, files=files)
    if loaded.workspace is None:
        raise WorkspaceError(loaded.findings)
    return loaded.workspace


def read_all(
    root: Path, *, kinds: Kinds, document_fields: Mapping[str, frozenset[str]], files: Files | None = None
) -> Loaded:
    """Reads all files, whatever is wrong in them; the arguments are those of `load`."""
    return _Loading(root, kinds, document_fields, Folder(root) if files is None else files).loaded()


class _Loading:
    """One loading of one workspace."""

    def __init__(self, root: Path, kinds: Kinds, document_fields: Mapping[str, frozenset[str]], files: Files) -> None:
        self._root, self._files = root, files
        self._reading = Reading(kinds)
        self._findings = self._reading.findings
        self._digests: dict[str, str] = {}
        self._formats: dict[str, str] = {}  # of what a mapping reads, by its file
        # `makes` knows one document so far, so that a field needs no saying of which.
        self._reading.defined["field"] = set(document_fields.get("Usage", ()))

    def loaded(self) -> Loaded:
        if not self._root.is_dir():
            message = "there is no such folder; `casecart init DIR` makes a workspace"
            raise WorkspaceError([Finding(Place(str(self._root)), "error", "missing-file", message)])
        engine = self._engine()
        ownership = self._ownership()
        tables = dict(self._tables())
        mappings: dict[str, MappingFile] = {}
        outgoing: dict[str, OutgoingMapping] = {}
        for name, mapping in self._mappings():
            if isinstance(mapping, MappingFile):
                mappings[name] = mapping
            else:
                outgoing[name] = mapping
        self._columns(mappings)
        channels = dict(self._each("channels", "channel", Channel))
        hooks = dict(self._hooks(channels))
        texts = dict(self._texts())
        self._resolve()
        self._findings.extend(double_claims(channels.values()))
        findings = tuple(sorted(self._findings, key=lambda finding: finding.place))
        loaded = Loaded(
            workspace=None,
            findings=findings,
            channels=MappingProxyType(channels),
            mappings=MappingProxyType(mappings),
            outgoing=MappingProxyType(outgoing),
            tables=MappingProxyType(tables),
            leftovers=(),
        )
        if engine is None or any(finding.severity == "error" for finding in findings):
            return replace(loaded, leftovers=self._leftovers(loaded))
        workspace = Workspace(
            root=self._root,
            engine=engine,
            ownership=ownership,
            channels=loaded.channels,
            mappings=loaded.mappings,
            outgoing=loaded.outgoing,
            tables=loaded.tables,
            hooks=MappingProxyType(hooks),
            texts=MappingProxyType(texts),
            warnings=findings,
            digests=MappingProxyType(self._digests),
        )
        return replace(loaded, workspace=workspace)

    def _leftovers(self, loaded: Loaded) -> list[tuple[str, str, Text]]:
        """The paths and expressions of files that are wrong."""
        instances: list[Declared] = [*loaded.channels.values(), *loaded.mappings.values(), *loaded.outgoing.values()]
        right = {each.place.file for each in instances}
        texts = [(sort, text) for sort, text in self._reading.texts if text.place.file not in right]
        return [(sort, self._formats.get(text.place.file, ""), text) for sort, text in texts]

    def _engine(self) -> Engine | None:
        node = self._node(_ENGINE)
        if isinstance(node, MapNode) and not node.partial:
            # A block that is missing or odd is one mistake; that it defines no names would be no other.
            blocks = {entry.key.text for entry in node.entries if isinstance(entry.value, MapNode)}
            absent = {"facilities": "facility", "listeners": "listener", "destinations": "destination"}
            given = {entry.key.text for entry in node.entries}
            for block, sort in absent.items():
                if block in blocks or (block == "destinations" and block not in given):
                    self._reading.defined.setdefault(sort, set())
        return None if node is None else read(Engine, node, self._reading)

    def _ownership(self) -> Ownership | None:
        self._findings.extend(misnamed(self._files))
        if not self._files.there(_OWNERSHIP):
            return None
        node = self._node(_OWNERSHIP)
        return None if node is None else read(Ownership, node, self._reading)

    def _each(self, folder: str, key: str, declaration: type[_D]) -> Iterator[tuple[str, _D]]:
        names = self._reading.defined.setdefault(key, set())
        for name, file in listing(self._files, folder, ".yaml", self._findings):
            names.add(name)
            node = self._node(file)
            if node is None:
                continue
            self._compare_name(node, key, name)
            instance = read(declaration, node, self._reading)
            if instance is not None:
                yield name, instance

    def _mappings(self) -> Iterator[tuple[str, MappingFile | OutgoingMapping]]:
        """Those that read, and those that write; what can't be told to be either may be named as either."""
        reading = self._reading.defined.setdefault("mapping", set())
        writing = self._reading.defined.setdefault("outgoing mapping", set())
        for name, file in listing(self._files, "mappings", ".yaml", self._findings):
            node = self._node(file)
            if not isinstance(node, MapNode) or node.partial:
                reading.add(name)
                writing.add(name)
            if node is None:
                continue
            self._compare_name(node, "mapping", name)
            self._formats[file] = _text_at(node, "reads", "format")
            writes = isinstance(node, MapNode) and any(entry.key.text == "writes" for entry in node.entries)
            (writing if writes else reading).add(name)
            if writes:
                instance: MappingFile | OutgoingMapping | None = read(OutgoingMapping, node, self._reading)
            else:
                instance = read(MappingFile, node, self._reading)
            if instance is not None:
                yield name, instance

    def _columns(self, mappings: Mapping[str, MappingFile]) -> None:
        """The fields of a line of a table are known where mappings are compiled, and are none of a document."""
        others = {
            getattr(name, "place", None) for each in mappings.values() if each.makes != "Usage" for name in each.fields
        }
        used = self._reading.used
        used[:] = [(sort, name) for sort, name in used if sort != "field" or name.place not in others]

    def _tables(self) -> Iterator[tuple[str, Table]]:
        names = self._reading.defined.setdefault("table", set())
        for name, file in listing(self._files, "mappings/tables", ".csv", self._findings):
            names.add(name)
            data = self._bytes(file, LARGEST_TABLE)
            if data is None:
                continue
            table, findings = read_table(data, file, name)
            self._findings.extend(findings)
            if table is not None:
                yield name, table

    def _hooks(self, channels: Mapping[str, Channel]) -> Iterator[tuple[str, str]]:
        """The hooks that channels name; a file that none names is only a file."""
        for step in filter(None, (channel.hook for channel in channels.values())):
            file = step.hook.file
            if not self._files.regular(file, "hooks"):
                message = f"there is no file {file} in the workspace"
                self._reading.error(file.place, "missing-file", message)
                continue
            data = self._bytes(str(file), LARGEST_HOOK)
            if data is None or len(data) > LARGEST_HOOK:
                self._reading.error(file.place, "bad-hook", f"{file} has more than {LARGEST_HOOK} bytes")
                continue
            findings = list(faults_of(data, str(file)))
            self._findings.extend(findings)
            if not findings:
                yield str(file), data.decode()

    def _texts(self) -> Iterator[tuple[str, str]]:
        """Files that settings name by keys that say so (`names="file"`)."""
        for name in [text for sort, text in self._reading.used if sort == "file"]:
            try:
                data = self._files.read(str(name), LARGEST + 1)
                text = data.decode()
            except (OSError, ValueError):
                message = f"{shown(name)} is not there, or is not UTF-8 text"
                self._reading.error(name.place, "unreadable-file", message)
                continue
            if len(data) > LARGEST:
                self._reading.error(name.place, "too-large", f"{shown(name)} has more than {LARGEST:,} bytes")
                continue
            self._digests[str(name)] = hashlib.sha256(data).hexdigest()
            yield str(name), text

    def _node(self, file: str) -> Node | None:
        data = self._bytes(file, LARGEST)
        if data is None:
            return None
        node, findings = parse(data, file)
        self._findings.extend(findings)
        return node

    def _bytes(self, file: str, largest: int) -> bytes | None:
        data = contents(self._files, file, largest, self._findings)
        if data is not None:
            self._digests[file] = hashlib.sha256(data).hexdigest()
        return data

    def _compare_name(self, node: Node, key: str, name: str) -> None:
        for entry in node.entries if isinstance(node, MapNode) else ():
            value = entry.value
            if entry.key.text == key and isinstance(value, TextNode) and not value.empty and value.text != name:
                names = f"{shown(value.text)} and its file {shown(name)}"
                message = f"this {key} calls itself {names}; make them the same"
                self._reading.error(value.place, "name-mismatch", message)

    def _resolve(self) -> None:
        """Every name that is used is defined; where definitions cannot be read, nothing is said."""
        for sort, name in self._reading.used:
            known = self._reading.defined.get(sort)
            if known is None or name in known:
                continue
            if sort == "field":
                message = f"{shown(name)} is not a field of Usage"
                suggestion = did_you_mean(name, known)
                if suggestion is None:
                    message += f", which has {listed(sorted(known), most=30)}"
                self._reading.error(name.place, "unknown-field", message, suggestion)
                continue
            there = (
                f"there {'are' if len(known) > 1 else 'is only'} {listed(sorted(known))}" if known else "there is none"
            )
            message = f"no {sort} has the name {shown(name)}; {there}"
            self._reading.error(name.place, "unknown-name", message, did_you_mean(name, known))


def _text_at(node: Node, *keys: str) -> str:
    """What stands under a key, under a key; empty where there is none, or no text."""
    found: Node | None = node
    for key in keys:
        entries = found.entries if isinstance(found, MapNode) else ()
        found = next((entry.value for entry in entries if entry.key.text == key), None)
    return found.text if isinstance(found, TextNode) else ""
