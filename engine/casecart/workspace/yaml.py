"""The strict YAML reader: bytes in, nodes with places and findings out, and never an exception.

Scalars stay text. What makes YAML surprising is refused with a finding: anchors, aliases, tags, merge keys,
duplicate keys, several documents. Size and depth are capped.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import yaml

from casecart.workspace.findings import Finding, Place, shown
from casecart.workspace.node import BrokenNode, Entry, ListNode, MapNode, Node, TextNode
from casecart.workspace.syntax import Repair, explain, quote_path

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DEEPEST", "LARGEST", "MOST", "decode", "parse"]

LARGEST = 2**20
"""The most bytes a YAML file of a workspace may have."""

DEEPEST = 30
"""How many lists and blocks may stand in one another."""

MOST = 50_000
"""How many values a file may have."""

_REPAIRS = 20  # each reads the file anew
_REFUSED = {
    "yaml-anchor": "anchors (&name) and aliases (*name) are not used here; write it out, or quote the text",
    "yaml-tag": "a tag (!name) is not used here; remove it, or quote the text",
    "yaml-merge": "a merge key (<<) is not used here; write the keys out",
    "yaml-key": "a key is expected here, not a list or a block; quote it if it is text",
    "yaml-documents": "a second document begins here; a file holds one",
    "yaml-syntax": "a line that begins with % is a directive, and those are not used here",
    "too-large": f"the file has more than {MOST} values, which is the most it may have",
    "yaml-depth": f"values are nested more than {DEEPEST} deep",
}
# libyaml gives the same events ten times as fast; the pure parser is there where it was built without.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# U+0085, U+2028 and U+2029 are line ends to YAML and to no editor: line numbers would be wrong after them.
_NO_TEXT = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_LINE_END = re.compile(r"\r\n|\r|\n")


def parse(data: bytes, file: str) -> tuple[Node | None, list[Finding]]:
    """Reads one file's bytes; the node is None when its text cannot be read to the end."""
    text, findings = decode(data, file, largest=LARGEST)
    if text is None:
        return None, findings
    repairs: list[Repair] = []
    lines = _LINE_END.split(text)
    while True:
        builder = _Builder(file, repairs)
        try:
            node = builder.build("\n".join(lines))
        except _Refused:
            return None, sorted([*findings, *builder.findings], key=_order)
        except yaml.YAMLError as error:
            repair = quote_path(error, lines) if len(repairs) < _REPAIRS else None
            if repair is None:
                error_finding = builder.moved(explain(error, lines, file))
                return None, sorted([*findings, *builder.findings, error_finding], key=_order)
            place = builder.moved_place(Place(file, repair.line + 1, repair.start + 1))
            message = "put the path in quotes: inside { } and [ ] a bracket or a comma would end it"
            findings.append(Finding(place, "error", "quote-path", message))
            lines[repair.line] = _quoted(lines[repair.line], repair)
            repairs.append(repair)
        else:
            return node, sorted([*findings, *builder.findings], key=_order)


def decode(data: bytes, file: str, *, largest: int) -> tuple[str | None, list[Finding]]:
    """The text of a workspace file: UTF-8, with or without a byte order mark, of printable characters."""
    if len(data) > largest:
        message = f"the file has more than {largest // 1024} KiB, which is the most it may have"
        return None, [Finding(Place(file), "error", "too-large", message)]
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8-sig", "replace")
        message = "the file is not UTF-8 text from here on; save it with the encoding UTF-8"
        return None, [Finding(_place_after(before, file), "error", "not-utf-8", message)]
    if (match := _NO_TEXT.search(text)) is not None:
        message = f"the character U+{ord(match[0]):04X} has no place in a text file; remove it"
        return None, [Finding(_place_after(text[: match.start()], file), "error", "not-text", message)]
    return text, []


def _place_after(text: str, file: str) -> Place:
    lines = _LINE_END.split(text)
    return Place(file, len(lines), len(lines[-1]) + 1)


def _quoted(line: str, repair: Repair) -> str:
    return f'{line[: repair.start]}"{line[repair.start : repair.end]}"{line[repair.end :]}'


def _order(finding: Finding) -> Place:
    return finding.place


class _Refused(Exception):
    """The finding is made, and reading on would be pointless or harmful."""


class _Builder:
    """Builds nodes from the parser's events."""

    def __init__(self, file: str, repairs: list[Repair]) -> None:
        self.findings: list[Finding] = []
        self._file = file
        self._repairs = repairs
        self._count = 0
        self._anchors: dict[str, Finding] = {}

    def build(self, text: str) -> Node:
        events = yaml.parse(text, Loader=_LOADER)
        node: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if node is not None:
                    self._refuse(event, "yaml-documents")
                    raise _Refused
                if event.version or event.tags:
                    self._refuse(event, "yaml-syntax")
                    raise _Refused
                node = self._node(next(events), events, 1)
        if node is None:
            self.findings.append(Finding(Place(self._file), "error", "empty-value", "the file is empty"))
            raise _Refused
        return node

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        place = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            # One of an anchor that is there may stand for billions of values: the file is not read on. One of none is
            # a text that begins with *.
            if event.anchor in self._anchors:
                others = [finding for finding in self.findings if finding.code != "yaml-anchor"]
                self.findings = [*others, self._anchors[event.anchor]]
                raise _Refused
            self._refuse(event, "yaml-anchor")
            return BrokenNode(place)
        self._count += 1
        if self._count > MOST:
            self._refuse(event, "too-large")
            raise _Refused
        opening = cast("yaml.ScalarEvent | yaml.CollectionStartEvent", event)
        if opening.anchor is not None:
            self._refuse(event, "yaml-anchor")
            self._anchors.setdefault(opening.anchor, self.findings[-1])
        if opening.tag is not None:
            self._refuse(event, "yaml-tag")
        if isinstance(opening, yaml.ScalarEvent):
            return TextNode(place, opening.value, plain=not opening.style)
        if depth > DEEPEST:
            self._refuse(event, "yaml-depth")
            raise _Refused
        flow = bool(opening.flow_style)
        if isinstance(opening, yaml.SequenceStartEvent):
            return ListNode(place, tuple(self._items(events, depth)), flow=flow)
        entries, partial = self._entries(events, depth)
        return MapNode(place, entries, flow=flow, partial=partial)

    def _items(self, events: Iterator[yaml.Event], depth: int) -> Iterator[Node]:
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            yield self._node(event, events, depth + 1)

    def _entries(self, events: Iterator[yaml.Event], depth: int) -> tuple[tuple[Entry, ...], bool]:
        entries: dict[str, Entry] = {}
        partial = False
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._node(event, events, depth + 1)
            known = len(self.findings)
            value = self._node(next(events), events, depth + 1)
            if isinstance(key, TextNode) and key.plain and key.text == "<<":
                del self.findings[known:]  # the alias behind it is the same mistake
                self._refuse(event, "yaml-merge")
                partial = True
            elif not isinstance(key, TextNode):
                if not isinstance(key, BrokenNode):
                    self._refuse(event, "yaml-key")
                partial = True
            elif key.text in entries:
                before = f"{shown(key.text)} is already given in line {entries[key.text].key.place.line}"
                self._refuse(event, "duplicate-key", f"{before}; keep one of the two")
            else:
                entries[key.text] = Entry(key, value)
        return tuple(entries.values()), partial

    def _refuse(self, event: yaml.Event, code: str, message: str | None = None) -> None:
        self.findings.append(Finding(self._place(event), "error", code, message or _REFUSED[code]))

    def _place(self, event: yaml.Event) -> Place:
        mark = cast("yaml.Mark", event.start_mark)
        return self.moved_place(Place(self._file, mark.line + 1, mark.column + 1))

    def moved_place(self, place: Place) -> Place:
        """The place in the file as it is, without the quotes that were set to read on."""
        if not self._repairs:
            return place
        column = place.column
        # The last quotes set were set in the text that all earlier ones had moved.
        for repair in reversed(self._repairs):
            if repair.line == place.line - 1:
                column -= (column > repair.start + 1) + (column > repair.end + 2)
        return Place(place.file, place.line, column)

    def moved(self, finding: Finding) -> Finding:
        """The finding at its place in the file as it is."""
        return replace(finding, place=self.moved_place(finding.place))
