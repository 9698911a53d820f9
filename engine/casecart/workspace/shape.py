"""The shape of a declared value, made from a type annotation: what the reader and the schema walk over."""

from __future__ import annotations

import types
import typing
from collections import abc
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args, get_origin

from casecart.workspace.findings import NOWHERE, Place
from casecart.workspace.scalar import BOOLEAN, DECIMAL, INTEGER, TEXT, ScalarType
from casecart.workspace.secret import Secret
from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.workspace.declaration import Declared

__all__ = [
    "AnyOf",
    "Anything",
    "Choice",
    "Component",
    "Entries",
    "Items",
    "Kind",
    "Record",
    "Scalar",
    "SecretReference",
    "Shape",
    "Tree",
    "shape_of",
]


@dataclass(frozen=True, slots=True)
class Component:
    """A listener or destination of the configuration: its `kind`, and the settings of that kind."""

    kind: str
    settings: Declared
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Tree:
    """What stands there, as written, where the rooms above know what it is: a text, several, or a block of keys."""

    value: Text | tuple[Tree, ...] | Mapping[Text, Tree] | None
    """None: nothing, `~` or `null`, not in quotes."""
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value, written as text."""

    type: ScalarType


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some given words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A secret, by reference."""


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    item: Shape


@dataclass(frozen=True, slots=True)
class Entries:
    """A block whose keys are names that the analyst gives."""

    value: Shape


@dataclass(frozen=True, slots=True)
class Record:
    """A block with the keys of a declaration."""

    declaration: type[Declared]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """A block that is one of several declarations: the one whose name is among its keys."""

    declarations: tuple[type[Declared], ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A block whose `kind:` tells by which installed component's declaration it is read."""


@dataclass(frozen=True, slots=True)
class Anything:
    """A `Tree`: text, lists and blocks, as the analyst likes."""


Shape = Scalar | Choice | SecretReference | Items | Entries | Record | AnyOf | Kind | Anything

_SCALARS: dict[Any, ScalarType] = {str: TEXT, Text: TEXT, int: INTEGER, bool: BOOLEAN, Decimal: DECIMAL}


def shape_of(annotation: object) -> Shape:
    """The shape that an annotation declares; `T | None` has the shape of T.

    Raises:
        TypeError: nothing in a workspace can be declared like that.
    """
    if annotation in _SCALARS:
        return Scalar(_SCALARS[annotation])
    if annotation is Secret:
        return SecretReference()
    if annotation is Component:
        return Kind()
    if annotation is Tree:
        return Anything()
    if hasattr(annotation, "__keys__"):
        return Record(cast("type[Declared]", annotation))
    return _generic(annotation, get_origin(annotation), get_args(annotation))


def _generic(annotation: object, origin: object, arguments: tuple[Any, ...]) -> Shape:
    if origin is Annotated and isinstance(arguments[1], ScalarType):
        return Scalar(arguments[1])
    if origin is Literal:
        return Choice(tuple(str(word) for word in arguments))
    if origin is tuple and arguments[1:] == (...,):
        return Items(shape_of(arguments[0]))
    if origin is abc.Mapping:
        return Entries(shape_of(arguments[1]))
    if origin in {typing.Union, types.UnionType}:
        others = tuple(argument for argument in arguments if argument is not type(None))
        if len(others) == 1:
            return shape_of(others[0])
        if all(hasattr(other, "__keys__") for other in others):
            return AnyOf(others)
    raise TypeError(f"{annotation!r} cannot be declared in a workspace")
