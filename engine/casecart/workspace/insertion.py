"""A block more in a YAML file: what stands there stays as somebody wrote it, comments and order and line ends too."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from casecart.workspace.findings import Finding, Place, WorkspaceError, shown
from casecart.workspace.node import Entry, MapNode
from casecart.workspace.yaml import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["inserted"]

_MARK = "\ufeff"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")


def inserted(data: bytes, file: str, block: str, name: str, lines: Sequence[str]) -> bytes:
    """The file with an entry more at the end of one of its blocks.

    Args:
        data: of a file that can be read without findings.
        file: as findings call it.
        block: the key of the block, at the top level; one that is missing is added at the end of the file.
        name: of the entry.
        lines: of the entry, the first one `NAME:`, without indentation.

    Raises:
        WorkspaceError: `bad-name` where there is one of this name; `expected-keys` where the block is written in
            braces, in one line with others; or what the file can't be read for.
    """
    node, findings = parse(data, file)
    if not isinstance(node, MapNode) or node.flow or findings:
        _refuse(findings[0] if findings else _finding(Place(file), "expected-keys", "the file is no block of keys"))
    text = data.decode("utf-8-sig")
    rows = [row for row in _LINE.findall(text) if row]
    end = "\r\n" if rows and rows[0].endswith("\r\n") else "\n"
    entry = next((entry for entry in node.entries if entry.key.text == block), None)
    if entry is None:
        put = ["", f"{block}:", *(f"  {line}" for line in lines)]
        at = len(rows)
    else:
        at, indent = _behind(rows, entry, node, name)
        put = [f"{' ' * indent}{line}" for line in lines]
    if at and not rows[at - 1].endswith(("\r", "\n")):
        rows[at - 1] += end
    rows[at:at] = [line.rstrip() + end for line in put]
    made = "".join(rows).encode()
    return (_MARK.encode() if data.startswith(_MARK.encode()) else b"") + made


def _behind(rows: Sequence[str], entry: Entry, node: MapNode, name: str) -> tuple[int, int]:
    """Behind which row the block's last entry ends, and how far its entries are indented."""
    block = entry.value
    if not isinstance(block, MapNode) or block.flow or not block.entries:
        words = f"{shown(entry.key.text)} is not written as a block of lines: write each name in a line of its own"
        _refuse(_finding(entry.key.place, "expected-keys", words))
    for known in block.entries:
        if known.key.text == name:
            words = f"{shown(name)} is there already; nothing is overwritten"
            _refuse(_finding(known.key.place, "bad-name", words))
    later = [other.key.place.line for other in node.entries if other.key.place.line > entry.key.place.line]
    at = min(later) - 1 if later else len(rows)
    # What is said above the next key belongs to it; so do the empty lines before that.
    while at > 1 and re.match(r"(#.*|[ \t]*|---.*|\.\.\..*)[\r\n]*$", rows[at - 1]):
        at -= 1
    return at, block.entries[0].key.place.column - 1


def _finding(place: Place, code: str, words: str) -> Finding:
    return Finding(place, "error", code, words)


def _refuse(finding: Finding) -> NoReturn:
    raise WorkspaceError([finding])
