"""What stands in which field of HL7 v2: by the field, by its data type, and for observations by what was observed.

`hl7v2-fields.csv` says it of single fields, `hl7v2-segments.csv` names segments of items, which speak of no person, and
those of people, of which no code is needed, `hl7v2-types.csv` has a rule for each component of a data type,
`hl7v2-observations.csv` for OBX-5 by OBX-3. All other fields have their standard's data type
(`casecart.formats.hl7v2.field_types`). What no table knows is `unknown`.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, cast

from casecart.formats.deidentify.rules import RULES
from casecart.formats.hl7v2.field_types import field_types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.formats.deidentify.rules import Rule

__all__ = ["Shape", "field_shape", "observation_rule", "type_shape"]

_CODED: Final = frozenset({"CE", "CWE", "CNE", "CF"})
# As `CWE` has them; the ninth is what somebody typed.
_CODED_SUPPLY: Final = (
    *("supply", "description", "supply", "supply", "description"),
    *("supply", "supply", "supply", "text", "supply"),
)
# What a code may tell of a person: race, religion, county. None of it is needed.
_PERSONS: Final = {"code": "identifier", "description": "text"}
# Of master data these may still be a person's; all else is the item's.
_PEOPLE: Final = frozenset({"XPN", "XCN", "PPN", "PN", "CN", "XTN", "TN", "XAD", "AD", "CNN", "NDL", "ED"})
_OBSERVED: Final = "OBX-5"


class Shape:
    """The rules of a field's components, and of those that are themselves made of several, of their subcomponents.

    Args:
        of: for each component a rule, or the name of a data type.
        default: for components behind those.
    """

    def __init__(self, of: tuple[str, ...], default: Rule) -> None:
        self._of, self._default = of, default
        self.whole = len(of) == 1 and not of[0].isupper()
        """Whether it has one component only: then the whole field has that one's rule."""

    def rule(self, component: int, subcomponent: int) -> Rule:
        """Of a part, counted from 1."""
        told = self._of[component - 1] if component <= len(self._of) else "unknown"
        if self.whole:
            told = self._of[0]
        if told.isupper():
            return type_shape(told).rule(subcomponent, 1)
        return cast("Rule", told) if told in RULES else self._default


def _rows(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(files(__package__).joinpath(name).read_text("utf-8").splitlines()))


@cache
def _fields() -> Mapping[str, str]:
    return {row["field"]: row["rule"] for row in _rows("hl7v2-fields.csv")}


@cache
def _types() -> Mapping[str, tuple[str, ...]]:
    return {row["type"]: tuple(row["components"].split()) for row in _rows("hl7v2-types.csv")}


@cache
def _segments() -> Mapping[str, str]:
    return {row["segment"]: row["of"] for row in _rows("hl7v2-segments.csv")}


@cache
def _observations() -> Mapping[str, Rule]:
    return {row["code"]: cast("Rule", row["rule"]) for row in _rows("hl7v2-observations.csv")}


@cache
def type_shape(name: str) -> Shape:
    """Of a data type; one that is not known has unknown parts."""
    return Shape(_types().get(name, ()), "unknown")


@cache
def _of_person(kind: str) -> Shape:
    return Shape(tuple(_PERSONS.get(rule, rule) for rule in _types().get(kind, ())), "unknown")


@cache
def field_shape(segment: str, number: int) -> Shape:
    """Of a field."""
    field = f"{segment}-{number}"
    kind = field_types().get(field, "")
    told = _fields().get(field)
    if told is None and _segments().get(segment) == "item" and kind not in _PEOPLE:
        told = "supply" if kind not in {"DTM", "TS", "DT"} else "keep"
    if told is None and _segments().get(segment) == "person":
        return _of_person(kind)
    if told is None:
        return type_shape(kind)
    if told.isupper():
        return type_shape(told)
    if told == "supply" and kind in _CODED:
        return Shape(_CODED_SUPPLY, "supply")
    if told == "udi":
        return Shape(("udi", "keep", "keep", "keep"), "unknown")
    return Shape((told,), "unknown")


def observation_rule(code: str) -> Rule | None:
    """Of an observation's value, by its code; None: as its data type says."""
    return _observations().get(code)
