"""The versions of resources in a FHIR message that name all of their lines: what they leave out is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.formats.fhir.envelope import changed_at
from casecart.formats.fhir.path import PathFailed, Scope
from casecart.mapping.mapped import Version
from casecart.mapping.trouble import means_otherwise, path_failed, resource_deleted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from casecart.formats.fhir.path import FhirPath
    from casecart.formats.fhir.path.value import Json
    from casecart.mapping.fhir_message import FhirMessage
    from casecart.mapping.plan import FhirLines

__all__ = ["names_all", "versions_of"]


def names_all(line: Scope, lines: FhirLines) -> bool:
    """Whether a line's resource is a version that names all of its lines, so that what it leaves out is taken back."""
    resource = line.resource
    if lines.takes_back is None or resource.get("id").__class__ is not str:
        return False
    try:
        return _is_whole(lines.takes_back, resource, line.find)
    except PathFailed:
        return False


def versions_of(message: FhirMessage, lines: FhirLines) -> list[Version]:
    """Each resource of the mapping's type in a message, as far as it has an id: two of one id are one.

    A resource that is deleted, or that may mean something else than it says, names nothing; then a person is asked
    about what was told of it before.
    """
    asked = lines.takes_back
    if asked is None:
        return []
    found: list[Version] = []
    for place, resource in message.resources(lines.resource):
        name = resource.get("id")
        if name.__class__ is not str:
            continue
        problem, whole = None, False
        if message.modifiers.within(resource):
            problem = _OTHERWISE.at(place)
        else:
            try:
                whole = _is_whole(asked, resource, message.find)
            except PathFailed as why:
                problem = path_failed("takes_back", asked.text)(why)[0].at(place)
        found.append(Version(place, f"{lines.resource}/{name}", whole, problem, changed_at(resource)))
    deletions = message.deletions()
    if not deletions:
        return found
    told = {version.name: version.changed_at for version in found}
    for deletion in deletions:
        called = f"{deletion.type}/{deletion.id}"
        last, when = told.get(called), deletion.at
        newer = called not in told or (when is not None and last is not None and when >= last)
        if deletion.type == lines.resource and newer:
            place = f"Bundle.entry[{deletion.entry}]"
            found.append(Version(place, called, whole=False, problem=_DELETED.at(place), changed_at=when))
    return found


def _is_whole(asked: FhirPath, resource: Json, find: Callable[[str, Sequence[Json]], Json]) -> bool:
    return asked.function(resource, Scope(resource, resource, resource, {}, find)) in (True, [True])


_OTHERWISE: Final = means_otherwise()[0]
_DELETED: Final = resource_deleted()[0]
