"""A FHIR resource value by value: each is handed out with the rule of its element, and what comes back is put there.

The rule is that of the element (`fhir-elements.csv`), else of its data type (`fhir-types.csv`), as FHIR's definitions
have it for the resources that casecart reads. In other resources, and in what no definition has, data types are known
by their members. What is in extensions is unknown, whatever its type.
"""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from casecart.formats.deidentify.links import impersonal
from casecart.formats.deidentify.rules import YEARS, Leaf
from casecart.formats.fhir import VERSIONS
from casecart.formats.fhir.definitions import definitions

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from casecart.formats.deidentify.rules import Rule, Turn
    from casecart.formats.fhir.definitions import Type

__all__ = ["names", "patient_of", "turned"]

_PATIENT: Final = re.compile(r"(?:.*/)?Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/.*)?", re.DOTALL)
_OLDEST: Final = 89
_LONGEST: Final = 64  # characters of a number
_SHORTER: Final = frozenset({"mo", "month", "months", "wk", "week", "weeks", "d", "day", "days", "h", "min"})
# What stays also in an extension: it says what kind of value it is.
_KINDS: Final = frozenset({"Extension.url", "Coding.system", "Identifier.system", "Quantity.system", "Reference.type"})
_STATES: Final = frozenset(
    {"status", "intent", "priority", "use", "gender", "type", "mode", "kind", "rank", "language", "contentType"}
)
_WORD: Final = re.compile(r"[a-z][a-z\-]{0,30}")

# Members by which a data type is known where no definition tells it; the first of which one is there.
_SHAPES: Final = (
    ("HumanName", ("family", "given")),
    ("Reference", ("reference",)),
    ("CodeableConcept", ("coding",)),
    ("Attachment", ("contentType",)),
    ("Narrative", ("div",)),
    ("Address", ("line", "city", "postalCode")),
    ("Annotation", ("authorString", "authorReference")),
    ("Period", ("start", "end")),
    ("Meta", ("lastUpdated", "profile")),
)
_BY_NAME: Final = {
    "identifier": "Identifier",
    "telecom": "ContactPoint",
    "address": "Address",
    "photo": "Attachment",
    "note": "Annotation",
    "extension": "Extension",
    "modifierExtension": "Extension",
    "coding": "Coding",
    "meta": "Meta",
    "contained": "Resource",
    "resource": "Resource",
}


class _Place(NamedTuple):
    """Where one is.

    Attributes:
        path: without content; of members that no definition has, the name is left out.
        foreign: whether it is within an extension.
        department: whether what stands there names a part of the facility.
        contained: whether the resource is within another.
    """

    path: str
    foreign: bool = False
    department: bool = False
    contained: bool = False


def _rows(name: str) -> list[list[str]]:
    return list(csv.reader(files(__package__).joinpath(name).read_text("utf-8").splitlines()))[1:]


@cache
def _elements() -> Mapping[str, Rule]:
    return {element: cast("Rule", rule) for element, rule, _ in _rows("fhir-elements.csv")}


@cache
def _types() -> Mapping[str, Rule]:
    return {name: cast("Rule", rule) for name, rule, _ in _rows("fhir-types.csv")}


def patient_of(resource: Mapping[str, Any]) -> str:
    """The id of the first patient that is named, to move the dates of all of that patient's resources alike."""
    return next(_patients(resource), "")


def _patients(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if node.get("resourceType") == "Patient" and isinstance(node.get("id"), str):
            yield node["id"]
        reference = node.get("reference")
        if isinstance(reference, str) and (match := _PATIENT.fullmatch(reference)) is not None:
            yield match[1]
        for each in node.values():
            yield from _patients(each)
    elif isinstance(node, list):
        for each in node:
            yield from _patients(each)


def turned(resource: Mapping[str, Any], turn: Turn, keep: Collection[str] = ()) -> dict[str, Any]:
    """A resource with each value as `turn` has it.

    Args:
        resource: as `read_resource` gives it.
        turn: what becomes of a value.
        keep: elements whose values stay, as `Device.serialNumber`.
    """
    return _Walk(turn, keep).resource(resource, _Place(""))


class _Walk:
    def __init__(self, turn: Turn, keep: Collection[str]) -> None:
        self._turn, self._keep = turn, keep

    def resource(self, node: Mapping[str, Any], place: _Place) -> dict[str, Any]:
        name = node.get("resourceType")
        kind = name if isinstance(name, str) else ""
        known = any(kind in definitions(version).resources for version in VERSIONS.values())
        path = f"{place.path}:{kind}" if place.path and known else place.path or (kind if known else "resource")
        return self._object(node, kind, place._replace(path=path))

    def _object(self, node: Mapping[str, Any], kind: str, place: _Place) -> dict[str, Any]:
        defined = _defined(kind, node)
        written: dict[str, Any] = {}
        for name, value in node.items():
            if name == "resourceType":
                written[name] = value
            elif name.startswith("_"):  # the extensions of a value
                written[name] = self._value(value, "Element", place, "", "")
            else:
                written[name] = self._member(name, value, kind, defined, place)
        if "value" in node and _is_old(node, kind):
            written["value"] = _OLDEST + 1
        return written

    def _member(self, name: str, value: object, kind: str, defined: Type | None, place: _Place) -> object:
        member = defined.members.get(name) if defined is not None else None
        if member is not None:
            element, type_name = f"{kind}.{name}", member.type
            path = f"{place.path}.{name}"
        else:
            element, type_name = "", _guessed(name, value)
            path = f"{place.path}.?"
        here = place._replace(path=path)
        if kind == "Extension" and name not in {"url", "id", "extension"}:
            here = here._replace(foreign=True)
        if _elements().get(element) == "keep":
            here = here._replace(department=True)
        if name == "contained":
            here = here._replace(contained=True)
        return self._value(value, type_name, here, element, name)

    def _value(self, value: object, type_name: str, place: _Place, element: str, name: str) -> object:
        if isinstance(value, list):
            return [self._value(each, type_name, place, element, name) for each in value]
        if isinstance(value, dict):
            if type_name == "Resource" or "resourceType" in value:
                return self.resource(value, place)
            return self._object(value, type_name if type_name[:1].isupper() else _guessed(name, value), place)
        if isinstance(value, str):
            return self._text(value, type_name, place, element, name)
        if isinstance(value, (int, Decimal)) and not isinstance(value, bool) and (place.foreign or not element):
            return self._number(value, place)
        return value

    def _number(self, value: int | Decimal, place: _Place) -> int | Decimal:
        """One that is not known to be harmless."""
        written = f"{value:f}" if isinstance(value, Decimal) else str(value)
        rule: Rule = "unknown" if len(written) <= _LONGEST else "identifier"
        new = self._turn(Leaf(rule, written, place.path))
        return value if new == written else type(value)(new)

    def _text(self, value: str, type_name: str, place: _Place, element: str, name: str) -> str:
        rule = self._rule(value, type_name, place, element, name)
        return self._turn(Leaf(rule, value, place.path)) if value.strip() else value

    def _rule(self, value: str, type_name: str, place: _Place, element: str, name: str) -> Rule:
        if element in self._keep:
            return "supply"
        if name == "id":
            return _of_id(element.partition(".")[0], place)
        rule = _elements().get(element) or _types().get(type_name, "unknown")
        if not element and name in _STATES and _WORD.fullmatch(value):
            rule = "keep"
        if place.department and element in {"Identifier.value", "Reference.reference"}:
            return "supply"
        if place.foreign and rule in {"keep", "supply", "code", "description"} and element not in _KINDS:
            return "unknown"
        return "link" if element == "Reference.reference" else rule


def _of_id(kind: str, place: _Place) -> Rule:
    if place.contained or not kind or not any(kind in definitions(each).resources for each in VERSIONS.values()):
        return "label"
    return "keep" if impersonal(kind) else "id"


@cache
def _tables() -> tuple[Any, ...]:
    return tuple(definitions(version) for version in VERSIONS.values())


@cache
def names() -> frozenset[str]:
    """The names that FHIR gives, in small letters: of members, data types and resources."""
    members = {name for table in _tables() for kind in table for name in (kind, *table[kind].members)}
    return frozenset(name.casefold() for name in members.union(*(table.resources for table in _tables())))


def _defined(kind: str, node: Mapping[str, Any]) -> Type | None:
    """The definition that has most of the members: that of the version which the resource was written in."""
    found = [table[kind] for table in _tables() if kind in table]
    return max(found, key=lambda each: sum(name in each.members for name in node), default=None)


def _guessed(name: str, value: object) -> str:
    """A data type by its members, where no definition tells it."""
    node = value[0] if isinstance(value, list) and value else value
    if not isinstance(node, dict):
        return ""
    if name in _BY_NAME:
        return _BY_NAME[name]
    return next((kind for kind, members in _SHAPES if any(each in node for each in members)), "")


def _is_old(node: Mapping[str, Any], kind: str) -> bool:
    """Whether it is an age of more than 89 years, which becomes 90 (45 CFR 164.514(b)(2)).

    Whatever has years for its unit is one; an Age also without a unit.
    """
    value = node["value"]
    if not isinstance(value, (int, Decimal)) or isinstance(value, bool) or value <= _OLDEST:
        return False
    units = {str(node.get(name, "")).strip().casefold() for name in ("code", "unit")}
    return bool(units & YEARS) or (kind == "Age" and not units & _SHORTER)
