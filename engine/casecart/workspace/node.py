"""What a strictly read YAML file consists of: texts, lists and blocks of keys, each with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casecart.workspace.findings import Place

__all__ = ["BrokenNode", "Entry", "ListNode", "MapNode", "Node", "TextNode"]

_EMPTY = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class TextNode:
    """A scalar, as written: nothing but the declared type decides what `NO` or `0012` is."""

    place: Place
    text: str
    plain: bool = True
    """Neither quoted nor a block scalar."""

    @property
    def empty(self) -> bool:
        """Nothing, `~` or `null` stands there, not in quotes."""
        return self.plain and self.text in _EMPTY


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list, in brackets (`flow`) or with dashes."""

    place: Place
    items: tuple[Node, ...]
    flow: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value."""

    key: TextNode
    value: Node


@dataclass(frozen=True, slots=True)
class MapNode:
    """A block of keys, none of them twice, in braces (`flow`) or indented."""

    place: Place
    entries: tuple[Entry, ...]
    flow: bool = False
    partial: bool = False
    """A key was refused, so that a key that seems to be missing may have been meant by it."""


@dataclass(frozen=True, slots=True)
class BrokenNode:
    """A value that was refused; its finding is made, and nothing more is to be said of it."""

    place: Place


Node = TextNode | ListNode | MapNode | BrokenNode
