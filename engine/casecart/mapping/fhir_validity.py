"""Whether the resources that a mapping reads are as FHIR defines them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.formats.fhir import VERSIONS, validate, validate_strictly
from casecart.mapping.trouble import not_valid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from casecart.formats.fhir import Problem
    from casecart.formats.fhir.path.value import Json
    from casecart.mapping.plan import FhirLines
    from casecart.mapping.trouble import Found

__all__ = ["Validity"]

_NAMES: Final = {number: name for name, number in VERSIONS.items()}


class Validity:
    """Says what is wrong with the resources of a message; each is looked at once.

    A resource is right if it is so in the version of its message or in that of the mapping: which one a sender speaks
    is often a guess. Elements that FHIR doesn't have are let pass where it isn't strict.

    Args:
        lines: of the mapping.
        version: of the message, as 4.0.1; empty: nothing is looked at.
    """

    def __init__(self, lines: FhirLines, version: str) -> None:
        self._strict = lines.validate == "strict"
        self._versions = tuple(dict.fromkeys((version, lines.version)))
        self._looks = bool(version) and lines.validate != "none"
        self._known: dict[int, tuple[Problem, ...]] = {}

    def of(self, resource: Json, place: str) -> tuple[Found, ...]:
        """What is wrong with a resource that stands at a place; nothing, if it is right."""
        problems = self._problems(resource) if self._looks else ()
        if not problems:
            return ()
        first = problems[0]
        _, dot, rest = first.place.partition(".")
        return not_valid(_NAMES.get(self._versions[0], ""), first, place + dot + rest, several=len(problems) > 1)

    def of_bound(self, bound: Mapping[str, Json]) -> tuple[Found, ...]:
        """The same of the resources that `bind` has found, whose places are called by their names: `%device.status`."""
        if not self._looks:
            return ()
        found: list[Found] = []
        for name, value in bound.items():
            for each in value if value.__class__ is list else (value,):
                if each.__class__ is dict and "resourceType" in each:
                    found += self.of(each, f"%{name}")
        return tuple(found)

    def _problems(self, resource: Json) -> tuple[Problem, ...]:
        # The message holds every resource for as long as this lives, so that none takes another's identity.
        known = self._known.get(id(resource))
        if known is None:
            found = [self._look(resource, version) for version in self._versions[:1]]
            if found[0]:
                found += [self._look(resource, version) for version in self._versions[1:]]
            known = self._known[id(resource)] = found[0] if all(found) else ()
        return known

    def _look(self, resource: Json, version: str) -> tuple[Problem, ...]:
        if self._strict:
            return validate_strictly(resource, version).problems
        return validate(resource, version, tolerant=True).problems
