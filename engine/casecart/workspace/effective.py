"""Every value that a workspace is run with: as somebody wrote it, with its place, or as the declaration has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from casecart.workspace.declaration import Declared
from casecart.workspace.findings import Place
from casecart.workspace.secret import Secret
from casecart.workspace.shape import Component

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.workspace.load import Workspace

__all__ = ["EffectiveValue", "effective_values"]


class EffectiveValue(NamedTuple):
    """A value.

    Attributes:
        name: of the file's thing and its key, as `channel or-usage: steps[2].resolve.location.from`.
        text: the value; of a secret where it is, never itself.
        place: where it was written; None: nobody did, and it is the default.
    """

    name: str
    text: str
    place: Place | None


def effective_values(workspace: Workspace) -> Iterator[EffectiveValue]:
    """All of the configuration, then of channels and mappings by name; nothing of keys that are absent."""
    things: list[tuple[str, Declared]] = [("engine", workspace.engine)]
    things += [("ownership", workspace.ownership)] if workspace.ownership is not None else []
    things += [(f"channel {name}", channel) for name, channel in workspace.channels.items()]
    things += [(f"mapping {name}", mapping) for name, mapping in workspace.mappings.items()]
    things += [(f"mapping {name}", outgoing) for name, outgoing in workspace.outgoing.items()]
    for thing, declared in things:
        for name, text, place in _of_block(declared, ""):
            yield EffectiveValue(f"{thing}: {name}", text, place)


def _of_block(declared: Declared, before: str) -> Iterator[tuple[str, str, Place | None]]:
    for key in declared.__keys__:
        value, place = getattr(declared, key.attribute), declared.written_at(key.name)
        if place is None and isinstance(value, str | tuple | int | float):
            if key.default not in _NOTHING:
                yield f"{before}{key.name}", str(key.default), None
        elif isinstance(value, float):
            yield f"{before}{key.name}", _span(value), place
        else:
            yield from _of(value, f"{before}{key.name}", place)


def _of(value: object, name: str, place: Place | None) -> Iterator[tuple[str, str, Place | None]]:
    if isinstance(value, Component):
        yield f"{name}.kind", str(value.kind), value.place
        yield from _of_block(value.settings, f"{name}.")
    elif isinstance(value, Declared):
        yield from _of_block(value, f"{name}.")
    elif isinstance(value, Secret):
        yield name, f"{{file: {value.file}}}" if value.env is None else f"{{env: {value.env}}}", value.place
    elif isinstance(value, Mapping):
        for each, inner in value.items():
            yield from _of(inner, f"{name}.{each}", _place(inner) or place)
    elif isinstance(value, tuple) and any(isinstance(each, Declared) for each in value):
        for number, inner in enumerate(value, 1):
            yield from _of(inner, f"{name}[{number}]", _place(inner) or place)
    elif value not in {None, False, ()}:
        text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        yield name, "true" if value is True else text, place


def _place(value: object) -> Place | None:
    """Where it was written: a list stands where its first entry does."""
    first = value[0] if isinstance(value, tuple) and value else value
    place = getattr(first, "place", None)
    return place if isinstance(place, Place) else None


_NOTHING: Final = frozenset({None, "[]", "{}", "''"})
"""Defaults that say nothing."""


def _span(seconds: float) -> str:
    """A duration, in the largest unit that fits."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds * 1000:g}ms"
