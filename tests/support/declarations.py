"""Every declaration that can be reached from some others, for tests that walk all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.workspace import keys_of
from casecart.workspace.shape import AnyOf, Entries, Items, Record, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.workspace import Declared

__all__ = ["all_declarations"]


def all_declarations(*start: type[Declared]) -> list[type[Declared]]:
    """The given declarations and those that their keys hold, each once."""
    found: dict[type[Declared], None] = {}
    waiting = list(start)
    while waiting:
        declaration = waiting.pop(0)
        if declaration not in found:
            found[declaration] = None
            waiting.extend(inner for each in keys_of(declaration) for inner in _inside(each.shape))
    return list(found)


def _inside(shape: Shape) -> Iterator[type[Declared]]:
    match shape:
        case Record(declaration):
            yield declaration
        case AnyOf(declarations):
            yield from declarations
        case Items(inner) | Entries(inner):
            yield from _inside(inner)
        case _:
            pass
