"""What is wrong with a resource: structure, types, what must be there, choices, codes.

Checked are the resources that the version's table has the elements of; of others only the name is known, and their
content is not looked at. Not checked: profiles, invariants, what a reference points at, codes that need not be of a
set. A resource in which something may turn its meaning (a modifier extension) is told apart: whoever processes it must
know what that says, or leave it alone (FHIR, extensibility).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from casecart.formats.fhir.definitions import MODIFIERS, VERSIONS, definitions
from casecart.formats.fhir.primitive import LONGEST, PRIMITIVES, Number
from casecart.formats.fhir.problem import Problem
from casecart.formats.fhir.structs import passes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.formats.fhir.definitions import Definitions, Member, Type

__all__ = ["FINE", "Modifier", "Validation", "element_names", "look", "validate"]

_MOST: Final = 50
_DEEPEST: Final = 100
_FEW: Final = 20


@dataclass(frozen=True, slots=True)
class Modifier:
    """What may turn the meaning of the element that it stands in.

    Attributes:
        place: as of a `Problem`: `Procedure.modifierExtension[0]`, `Device.implicitRules`.
        url: which one; empty where it doesn't say.
    """

    place: str
    url: str


@dataclass(frozen=True, slots=True)
class Validation:
    """What was found.

    Attributes:
        problems: in the order of the resource, at most 50; empty: the resource is taken.
        modifiers: all modifier extensions and implicit rules, also of contained resources and entries.
    """

    problems: tuple[Problem, ...] = ()
    modifiers: tuple[Modifier, ...] = ()


FINE: Final = Validation()


def validate(resource: Mapping[str, Any], version: str, *, tolerant: bool = False) -> Validation:
    """What is wrong with a resource; `FINE` itself where there is nothing to say.

    Args:
        resource: as `read_resource` gives it.
        version: a value of `VERSIONS`.
        tolerant: elements that FHIR doesn't have are no problem.
    """
    return FINE if passes(resource, version) else look(resource, version, tolerant=tolerant)


def look(resource: Mapping[str, Any], version: str, *, tolerant: bool = False) -> Validation:
    """The same, element by element: slower, and with words. This decides."""
    looking = _Looking(definitions(version), tolerant=tolerant)
    with suppress(_Enough):
        looking.resource(resource, "", 0)
    return Validation(tuple(looking.problems), tuple(looking.modifiers))


class _Enough(Exception):
    """Nobody reads more problems."""


class _Looking:
    """One resource's problems and modifiers."""

    def __init__(self, defined: Definitions, *, tolerant: bool) -> None:
        self.problems: list[Problem] = []
        self.modifiers: list[Modifier] = []
        self._defined = defined
        self._tolerant = tolerant

    def _found(self, code: str, place: str, words: str) -> None:
        if self._tolerant and code == "unknown-element":
            return
        self.problems.append(Problem(code, place, words))
        if len(self.problems) == _MOST:
            raise _Enough

    def resource(self, value: object, place: str, depth: int) -> None:
        """A whole resource, the outermost where `place` is empty."""
        if type(value) is not dict:
            self._found("wrong-type", place, "This must be a resource, which is an object.")
            return
        name = value.get("resourceType")
        if type(name) is not str or not name:
            self._found("no-resource-type", place, "This has no `resourceType`.")
        elif name not in self._defined.resources:
            self._found(*_unknown(name, place, self._defined.version))
        elif name in self._defined:
            self._object(value, self._defined[name], place or name, depth)
        else:
            self._gather(value, place or name, depth)

    def _object(self, value: dict[str, Any], of: Type, place: str, depth: int) -> None:
        if depth > _DEEPEST:
            self._found("too-deep", place, f"Elements are more than {_DEEPEST} deep within each other.")
            return
        resource = of.name in self._defined.resources
        there: dict[str, str] = {}
        for number, (name, held) in enumerate(value.items(), 1):
            member = of.members.get(name)
            if member is not None:
                self._member(value, name, member, place, depth)
            elif name[:1] == "_" and (member := of.members.get(name[1:])) and member.type in PRIMITIVES:
                self._beside(held, member, f"{place}.{name}", depth)
            elif name != "resourceType" or not resource:
                self._found("unknown-element", place, _no_such(name, number, of, self._defined.version))
            if member is not None and held != []:
                answer = there.setdefault(member.element, name.removeprefix("_"))
                if answer != name.removeprefix("_"):
                    words = f"Of {answer} and {name.removeprefix('_')} only one may be there."
                    self._found("several-choices", f"{place}.{member.element}", words)
        for element in of.required:
            if element not in there:
                self._found("missing-element", f"{place}.{element}", "This must be there.")

    def _member(self, owner: dict[str, Any], name: str, member: Member, place: str, depth: int) -> None:
        value, here = owner[name], f"{place}.{name if member.element == name else member.element}"
        if name in MODIFIERS:
            self._modifies(value, here)
        if value is None:
            self._found("null", here, "A member may not be null: leave it out.")
        elif not member.many:
            self._one(value, member, here, depth, contained=False)
        elif type(value) is not list:
            self._found("wrong-type", here, "This must be a list.")
        else:
            beside = owner.get(f"_{name}")
            for index, one in enumerate(value):
                if one is not None:
                    self._one(one, member, f"{here}[{index}]", depth, contained=name == "contained")
                elif member.type not in PRIMITIVES or not _has_one(beside, index):
                    self._found("null", f"{here}[{index}]", "Null may stand only beside an object of `_`.")

    def _one(self, value: Any, member: Member, place: str, depth: int, *, contained: bool) -> None:  # noqa: ANN401 - JSON
        if member.type in PRIMITIVES:
            self._primitive(value, member, place)
        elif member.type == "Resource":
            self.resource(value, place, depth + 1)
            if contained and type(value) is dict and "contained" in value:
                self._found("nested-contained", place, "What is contained may not contain resources itself.")
        elif type(value) is dict:
            self._object(value, self._defined[member.type], place, depth + 1)
        else:
            self._found("wrong-type", place, f"This must be {_one_or_list(value)}an object.")

    def _primitive(self, value: object, member: Member, place: str) -> None:
        primitive = PRIMITIVES[member.type]
        if isinstance(primitive, bool):
            if type(value) is not bool:
                self._found("wrong-type", place, "This must be true or false, without quotation marks.")
        elif isinstance(primitive, Number):
            self._number(value, primitive, place)
        elif type(value) is not str:
            self._found("wrong-type", place, f"This must be {_one_or_list(value)}a string: {primitive.words}.")
        elif primitive.longest and len(value) > primitive.longest:
            self._found("too-long", place, f"This has more than {LONGEST} characters.")
        elif member.codes is not None and value not in member.codes:
            self._found("unknown-code", place, _codes(member.codes))
        elif not primitive.holds(value):
            self._found("bad-value", place, f"This must be {primitive.words}{'' if value else ', and not empty'}.")

    def _number(self, value: object, primitive: Number, place: str) -> None:
        if type(value) is int or (type(value) is Decimal and primitive.decimal):
            if not primitive.holds(value):
                self._found("bad-value", place, f"This must be {primitive.words}.")
        elif type(value) is str and primitive.text:
            digits = value.removeprefix("-")
            if not (digits.isascii() and digits.isdecimal() and len(digits) < _FEW and primitive.holds(int(value))):
                self._found("bad-value", place, f"This must be {primitive.words}.")
        else:
            self._found("wrong-type", place, f"This must be {primitive.words}, without quotation marks.")

    def _beside(self, value: object, member: Member, place: str, depth: int) -> None:
        """What `_birthDate` says beside `birthDate`: its id and extensions."""
        element = self._defined["Element"]
        if not member.many:
            listed: list[tuple[str, object]] = [(place, value)]
        elif type(value) is list:
            listed = [(f"{place}[{index}]", one) for index, one in enumerate(value) if one is not None]
        else:
            self._found("wrong-type", place, "This must be a list, as long as the one that it stands beside.")
            return
        for here, one in listed:
            if type(one) is dict:
                self._object(one, element, here, depth + 1)
            else:
                self._found("wrong-type", here, "This must be an object, with an id or extensions.")

    def _modifies(self, value: object, place: str) -> None:
        if type(value) is str:
            self.modifiers.append(Modifier(place, value))
        for index, one in enumerate(value if type(value) is list else ()):
            url = one.get("url") if type(one) is dict else None
            self.modifiers.append(Modifier(f"{place}[{index}]", url if type(url) is str else ""))

    def _gather(self, value: object, place: str, depth: int) -> None:
        """The modifiers in a resource whose elements are not known."""
        if depth > _DEEPEST:
            self._found("too-deep", place, f"Elements are more than {_DEEPEST} deep within each other.")
        elif type(value) is list:
            for index, one in enumerate(value):
                self._gather(one, f"{place}[{index}]", depth + 1)
        elif type(value) is dict:
            for name, one in value.items():
                # The names are nobody's that is known: they may hold anything.
                known = name in element_names()
                if name in MODIFIERS:
                    self._modifies(one, f"{place}.{name}")
                self._gather(one, f"{place}.{name}" if known else place, depth + 1)


def _has_one(beside: object, index: int) -> bool:
    return type(beside) is list and index < len(beside) and type(beside[index]) is dict


def _one_or_list(value: object) -> str:
    return "one and no list: " if type(value) is list else ""


def _unknown(name: str, place: str, version: str) -> tuple[str, str, str]:
    here = _named(version)
    others = [other for other, number in VERSIONS.items() if name in definitions(number).resources]
    if others:
        return "other-version", place, f"{name} is no resource of {here}, but of {' and '.join(others)}."
    return "unknown-resource-type", place, f"`resourceType` names no resource of {here}."


def _no_such(name: str, number: int, of: Type, version: str) -> str:
    # A name that FHIR doesn't have may be anything, also a patient's.
    told = f"`{name}`" if name.removeprefix("_") in element_names() else f"its member {number}, counted from 1"
    return f"{of.name} has no such element in {_named(version)}: {told}."


def _named(version: str) -> str:
    return next(f"{name} ({number})" for name, number in VERSIONS.items() if number == version)


def _codes(codes: frozenset[str]) -> str:
    return f"This must be one of {', '.join(sorted(codes))}." if len(codes) <= _FEW else "This is no code of its set."


@cache
def element_names() -> frozenset[str]:
    """The names of all elements of all versions."""
    return frozenset(
        name
        for version in VERSIONS.values()
        for defined in (definitions(version),)
        for type_name in defined
        for name in defined[type_name].members
    )
