"""Whether the resources that a mapping reads are as FHIR defines them."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from casecart.formats.fhir import VERSIONS, validate, validate_strictly
from casecart.formats.fhir.structs import passes
from casecart.mapping.trouble import means_otherwise, not_valid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.formats.fhir import Problem
    from casecart.formats.fhir.path.value import Json
    from casecart.mapping.fhir_message import FhirMessage
    from casecart.mapping.fhir_text import Modifiers
    from casecart.mapping.plan import FhirLines
    from casecart.mapping.trouble import Found

__all__ = ["Validity", "validity_of"]

_NAMES: Final = {number: name for name, number in VERSIONS.items()}


def validity_of(message: FhirMessage, lines: FhirLines, version: str) -> Validity:
    """What there is to be said of a message's resources; mappings that look at them alike share it.

    Args:
        message: that the resources are in.
        lines: of the mapping.
        version: of the message, as 4.0.1; empty: nothing is looked at.
    """
    way = (lines.validate, version, lines.version)
    found = message.validities.get(way)
    if found is None:
        found = message.validities[way] = Validity(message.modifiers, lines.validate, (version, lines.version))
    return found


class Validity:
    """Says what is wrong with the resources of a message; each is looked at once.

    A resource is right if it is so in the version of its message or in that of the mapping: which one a sender speaks
    is often a guess. Elements that FHIR doesn't have are let pass where it isn't strict.

    Args:
        modifiers: of the message's resources.
        how: fast, strict or none.
        versions: of the message and of the mapping, as 4.0.1; the first empty: nothing is looked at.
    """

    __slots__ = ("_known", "_looks", "_modifiers", "_sound", "_strict", "_versions")

    def __init__(self, modifiers: Modifiers, how: str, versions: tuple[str, str]) -> None:
        self._modifiers = modifiers
        self._strict = how == "strict"
        self._versions = versions
        self._looks = bool(versions[0]) and how != "none"
        self._known: dict[int, tuple[Problem, ...]] = {}
        # By their identity, the resources with which surely nothing is wrong, and in which nothing is modified.
        self._sound: set[int] = set()

    def of_line(self, resource: Json, place: str) -> tuple[Found, ...]:
        """Why the lines of a resource can't be read: it may mean something else than it says, or is not right."""
        if self._is_sound(resource):
            return ()
        return (*(_OTHERWISE if self._modifiers.within(resource) else ()), *self._wrong(resource, place))

    def of_bound(self, bound: Mapping[str, Json]) -> tuple[Found, ...]:
        """The same of what `bind` has found, resources and others, whose places are called by its names.

        What is not understood may turn the meaning of all else, so that it is said alone.
        """
        doubtful = []
        for name, value in bound.items():
            for each in value if value.__class__ is list else (value,):
                kind = each.__class__
                if kind is list or (kind is dict and not ("resourceType" in each and self._is_sound(each))):
                    doubtful.append((name, each))
        if not doubtful:
            return ()
        if any(self._modifiers.within(each) for _, each in doubtful):
            return _OTHERWISE
        found = [
            self._wrong(each, f"%{name}")
            for name, each in doubtful
            if each.__class__ is dict and "resourceType" in each
        ]
        return tuple(chain.from_iterable(found))

    def _is_sound(self, resource: Json) -> bool:
        if id(resource) in self._sound:
            return True
        if not self._looks or self._strict or id(resource) in self._known or not passes(resource, self._versions[0]):
            return False
        self._sound.add(id(resource))
        self._modifiers.nowhere_in(resource)
        return True

    def _wrong(self, resource: Json, place: str) -> tuple[Found, ...]:
        """What is wrong with a resource that stands at a place; nothing, if it is right."""
        problems = self._problems(resource) if self._looks else ()
        if not problems:
            return ()
        first = problems[0]
        _, dot, rest = first.place.partition(".")
        return not_valid(_NAMES.get(self._versions[0], ""), first, place + dot + rest, several=len(problems) > 1)

    def _problems(self, resource: Json) -> tuple[Problem, ...]:
        known = self._known.get(id(resource))
        if known is None:
            first, other = self._versions
            known = self._look(resource, first)
            if known and other != first and not self._look(resource, other):
                known = ()
            self._known[id(resource)] = known
        return known

    def _look(self, resource: Json, version: str) -> tuple[Problem, ...]:
        if self._strict:
            return validate_strictly(resource, version).problems
        return validate(resource, version, tolerant=True).problems


_OTHERWISE: Final = means_otherwise()
