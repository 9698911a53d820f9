"""The types of expressions: what a name can stand for, and what fits what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Final, Literal, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BOOL",
    "DATE",
    "DECIMAL",
    "MISSING",
    "TEXT",
    "UNKNOWN",
    "Kind",
    "ListOf",
    "Record",
    "Type",
    "joined",
    "record_of",
]

Word = Literal["text", "decimal", "date", "bool", "missing", "unknown"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of single values.

    `values` are all that a text can ever be, when that is known: a comparison with another is a mistake that would
    filter or route silently.
    """

    word: Word
    values: frozenset[str] | None = None

    def __str__(self) -> str:
        return {"decimal": "a decimal", "date": "a date"}.get(self.word, self.word)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of values of one type; as a value it is a tuple."""

    item: Type

    def __str__(self) -> str:
        return f"a list of {self.item}"


@dataclass(frozen=True, slots=True)
class Record:
    """What has members: a document. Its members may be missing, itself never is."""

    members: Mapping[str, Type]

    def __str__(self) -> str:
        return "a document"


Type = Kind | ListOf | Record

TEXT: Final = Kind("text")
DECIMAL: Final = Kind("decimal")
DATE: Final = Kind("date")
BOOL: Final = Kind("bool")
MISSING: Final = Kind("missing")
"""The type of `null`. A missing value is None, whatever its type."""
UNKNOWN: Final = Kind("unknown")
"""The type of what has a mistake in it, and of the items of `[]`. It fits all, so that a mistake is told once."""


def joined(one: Type, other: Type) -> Type | None:
    """The type that holds the values of both, or None when they don't fit together."""
    if one in (UNKNOWN, MISSING):
        return other
    if other in (UNKNOWN, MISSING):
        return one
    if isinstance(one, ListOf) and isinstance(other, ListOf):
        item = joined(one.item, other.item)
        return None if item is None else ListOf(item)
    if isinstance(one, Kind) and isinstance(other, Kind) and one.word == other.word:
        known = one.values is not None and other.values is not None
        return Kind(one.word, (one.values or frozenset()) | (other.values or frozenset()) if known else None)
    return None


@cache
def record_of(document: type) -> Record:
    """The type of a document, from the annotations of its class.

    Text of a `Literal` has known values. A member of a type that expressions don't have can't be named in one.
    """
    members = {name: type_of(hint) for name, hint in get_type_hints(document).items()}
    return Record({name: known for name, known in members.items() if known is not None})


def type_of(hint: object) -> Type | None:
    """The type of values that are annotated so, or None when expressions have none for them."""
    if get_origin(hint) in (Union, UnionType):
        rest = [choice for choice in get_args(hint) if choice is not NoneType]
        return type_of(rest[0]) if len(rest) == 1 else None
    if get_origin(hint) is Literal and all(isinstance(value, str) for value in get_args(hint)):
        return Kind("text", frozenset(get_args(hint)))
    if get_origin(hint) is tuple and get_args(hint)[1:] == (Ellipsis,):
        item = type_of(get_args(hint)[0])
        return None if item is None else ListOf(item)
    simple: dict[object, Type] = {str: TEXT, Decimal: DECIMAL, int: DECIMAL, date: DATE, bool: BOOL}
    return simple.get(hint)
