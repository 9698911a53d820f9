"""The lines of a FHIR message: the elements of its resources that become documents, and where they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from casecart.formats.fhir.envelope import changed_at
from casecart.formats.fhir.path import PathFailed, Scope
from casecart.formats.fhir.path.operate import items
from casecart.mapping.fhir_text import modified
from casecart.mapping.trouble import means_otherwise, path_failed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from casecart.formats.fhir.path.value import Json
    from casecart.mapping.fhir_validity import Validity
    from casecart.mapping.plan import FhirLines
    from casecart.mapping.trouble import Found

__all__ = ["finder_of", "lines_of", "resources_in"]


@dataclass(slots=True)
class Line(Scope):
    """A line; `failed` says what is wrong with it before any field is read. Where nothing was found, `this` is None."""

    failed: tuple[Found, ...] = ()


def lines_of(message: Json, lines: FhirLines, validity: Validity) -> tuple[list[str], list[Line]]:
    """The place of each line, and what its paths are asked in.

    The message is a resource, or a bundle of any type with the resource in its entries; what an entry requests is not
    looked at. Places are FHIRPath, which counts from 0: `Procedure.focalDevice[0]`, and in a bundle
    `Bundle.entry[2].resource.focalDevice[0]`. Of several versions of a resource in one bundle the newest has
    lines. Those of a resource that is not right have failed.
    """
    find = finder_of(message)
    names: list[str] = []
    found: list[Line] = []
    for at, resource in resources_in(message, lines.resource):
        place = at + lines.below
        try:
            given = lines.each.function(resource, Scope(resource, resource, resource, {}, find))
        except PathFailed as why:
            names.append(place)
            found.append(Line(None, resource, resource, {}, find, failed=path_failed("each", lines.each.text)(why)))
            continue
        elements = items(given)
        if not elements:
            continue  # a resource without lines keeps nobody busy, whatever is wrong with it
        failed = (*(means_otherwise() if modified((resource,)) else ()), *validity.of(resource, at))
        names += [f"{place}[{number}]" for number in range(len(elements))] if lines.below else [place] * len(elements)
        found += [Line(element, resource, resource, {}, find, failed=failed) for element in elements]
    return names, found


def finder_of(message: Json) -> Callable[[str, Sequence[Json]], Json]:
    """What leads from a reference in a message to the resource that is meant, as a `Scope` wants it."""
    return _Finder(message).find


def resources_in(message: Json, kind: str) -> list[tuple[str, Json]]:
    """The resources of a type, by their places; of several versions in a bundle the newest."""
    if message.get("resourceType") == kind:
        return [(kind, message)]
    newest: dict[object, tuple[str, Json]] = {}
    for number, resource, url in _entries(message):
        if resource.get("resourceType") != kind:
            continue
        # By its URL: resources of two servers may have one id, and neither is to be lost.
        identity = url.partition("/_history/")[0] if url.__class__ is str else resource.get("id")
        known: object = identity if identity.__class__ is str else number
        before = newest.get(known)
        if before is None or _version(resource) >= _version(before[1]):
            newest[known] = f"Bundle.entry[{number}].resource", resource
    return list(newest.values())


def _entries(message: Json) -> Iterator[tuple[int, Json, Json]]:
    """Number, resource and full URL."""
    entries = message.get("entry") if message.get("resourceType") == "Bundle" else None
    for number, entry in enumerate(entries if entries.__class__ is list else ()):
        resource = entry.get("resource") if entry.__class__ is dict else None
        if resource.__class__ is dict:
            yield number, resource, entry.get("fullUrl")


def _version(resource: Json) -> tuple[int, int]:
    """Later ones are higher: `meta.lastUpdated`, else a version that is a number."""
    meta = resource.get("meta")
    meta = meta if meta.__class__ is dict else {}
    updated, version = changed_at(resource), meta.get("versionId")
    number = int(version) if version.__class__ is str and _NUMBER.fullmatch(version) else 0
    return (_UNTOLD if updated is None else updated, number)


_NUMBER: Final = re.compile("[0-9]{1,18}")
_UNTOLD: Final = -(2**63)  # before every moment


class _Finder:
    """What references lead to within a message; the bundle is looked through when the first reference asks."""

    def __init__(self, message: Json) -> None:
        self._message = message
        self._known: dict[str, Json] | None = None
        self._servers: dict[int, str] = {}
        """Of each entry's resource, by its identity, the URL of its server with a slash behind it."""

    def find(self, reference: str, holders: Sequence[Json]) -> Json:
        """The resource, or None: it is not here, or two might be meant.

        Args:
            reference: `#id`, `Device/17`, an absolute URL or `urn:uuid:…`; a version behind it is not compared.
            holders: the resources that may contain what `#id` means.
        """
        if reference[:1] == "#":
            found = [each for holder in holders for each in _contained(holder) if each.get("id") == reference[1:]]
            return found[0] if len(found) == 1 else None
        if self._known is None:
            self._known = self._index()
        name = reference.partition("/_history/")[0]
        if ":" in name or not self._servers:
            return self._known.get(name)
        # A relative reference is one at the server of the entry that it stands in (FHIR, resolving references in
        # bundles); what has no such URL means the one resource of that name.
        servers = {self._servers.get(id(holder), "") for holder in holders} or {""}
        return self._known.get(servers.pop() + name) if len(servers) == 1 else None

    def _index(self) -> dict[str, Json]:
        """Every resource by its URL, and by its type and id; of several versions the newest."""
        known: dict[str, Json] = {}
        places: dict[str, object] = {}
        for number, resource, url in _entries(self._message):
            where = url if url.__class__ is str else number
            own = f"{resource.get('resourceType')}/{resource.get('id')}"
            if url.__class__ is str and url.startswith(("http://", "https://")) and url.endswith(f"/{own}"):
                self._servers[id(resource)] = url.removesuffix(own)
            for name in (url, own):
                if name.__class__ is not str:
                    continue
                if places.setdefault(name, where) != where:
                    known[name] = None  # of two servers, or of none: either could be meant
                elif name not in known or (known[name] is not None and _version(resource) >= _version(known[name])):
                    known[name] = resource
        return known


def _contained(holder: Json) -> list[Json]:
    contained = holder.get("contained") if holder.__class__ is dict else None
    return [each for each in contained if each.__class__ is dict] if contained.__class__ is list else []
