"""What FHIR's own definitions say of the resources that casecart reads, for R4, R4B and R5.

Each `*.json.gz` is a version's table, made from HL7's StructureDefinitions and ValueSets (CC0-1.0; those of R4 as
Medplum publishes them, Apache-2.0) by tests/support/fhir_definitions.py. A table has the names of all resources, and
the elements of those that casecart reads.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["MODIFIERS", "VERSIONS", "Definitions", "Member", "Type", "definitions"]

VERSIONS: Final = {"R4": "4.0.1", "R4B": "4.3.0", "R5": "5.0.0"}
"""The versions by the names that people give them. Everywhere else a version is its number."""


MODIFIERS: Final = frozenset({"implicitRules", "modifierExtension"})
"""Members that may turn the meaning of what they stand in, whatever that is (FHIR, isModifier)."""


@dataclass(frozen=True, slots=True)
class Member:
    """What may stand under one name in an object of JSON.

    Attributes:
        element: the element's name; of `performedPeriod` it is `performed`.
        type: a data type, the path of an inner element (`Procedure.performer`), or `Resource` for any resource.
        many: whether it is a list.
        codes: the codes that it may have; None where any may stand.
    """

    element: str
    type: str
    many: bool
    codes: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Type:
    """A resource, a data type or an inner element.

    Attributes:
        name: as `Member.type` has it.
        members: by their names in JSON, without `resourceType` and those of primitive values that begin with `_`.
        choices: of each element `value[x]` the names of which only one may be there.
        required: the elements that must be there.
    """

    name: str
    members: Mapping[str, Member]
    choices: Mapping[str, tuple[str, ...]]
    required: tuple[str, ...]


class _Table(msgspec.Struct, frozen=True):
    version: str
    resources: frozenset[str]
    types: dict[str, dict[str, str]]
    codes: dict[str, frozenset[str]]


class Definitions:
    """A version's definitions.

    Attributes:
        version: `4.0.1`, `4.3.0` or `5.0.0`.
        resources: the names of all resources of the version.
    """

    def __init__(self, table: _Table) -> None:
        self.version = table.version
        self.resources = table.resources
        self._table = table
        self._types: dict[str, Type] = {}

    def __contains__(self, name: str) -> bool:
        """Whether the table has the elements of this type. Of many resources it has the names only."""
        return name in self._table.types

    def __iter__(self) -> Iterator[str]:
        """The names of all types whose elements the table has."""
        return iter(self._table.types)

    def __getitem__(self, name: str) -> Type:
        """A type.

        Raises:
            KeyError: there are no elements of it.
        """
        if name not in self._types:
            self._types[name] = self._made(name)
        return self._types[name]

    def _made(self, name: str) -> Type:
        members: dict[str, Member] = {}
        choices: dict[str, tuple[str, ...]] = {}
        required: list[str] = []
        for element, told in self._table.types[name].items():
            cardinality, _, type_names = told.partition(" ")
            type_names, _, value_set = type_names.partition("=")
            low, _, high = cardinality.partition("..")
            choice = element.endswith("[x]")
            plain = element.removesuffix("[x]")
            names = []
            for type_name in type_names.split("|"):
                names.append(plain + type_name[0].upper() + type_name[1:] if choice else plain)
                codes = self._table.codes[value_set] if value_set else None
                members[names[-1]] = Member(plain, type_name, high != "1", codes)
            if choice:
                choices[plain] = tuple(names)
            if low != "0":
                required.append(plain)
        return Type(name, members, choices, tuple(required))


@cache
def definitions(version: str) -> Definitions:
    """The definitions of a version, read once.

    Args:
        version: a value of `VERSIONS`.

    Raises:
        KeyError: there is no such version.
    """
    if version not in VERSIONS.values():
        raise KeyError(version)
    packed = files(__package__).joinpath(f"{version}.json.gz").read_bytes()
    return Definitions(msgspec.json.decode(gzip.decompress(packed), type=_Table))
