"""A FHIR message as its mappings go through it: its resources by type, and what references between them lead to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from casecart.formats.fhir.deletion import deletions_in
from casecart.formats.fhir.envelope import changed_at
from casecart.mapping.fhir_text import Modifiers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.formats.fhir.deletion import Deletion
    from casecart.formats.fhir.path.value import Json
    from casecart.mapping.fhir_validity import Validity

__all__ = ["FhirMessage"]


class FhirMessage:
    """A message, and what was found out about it: several mappings may read one, and it is gone through once.

    It holds every resource for as long as it lives, so that each is known by its identity; none must change meanwhile.

    Args:
        message: a resource, or a bundle of any type; what its entries request is not looked at.

    Attributes:
        modifiers: of its resources.
        validities: what was found to be wrong, by the way of looking; `fhir_validity.validity_of` has a use for them.
    """

    __slots__ = (
        "_all", "_deletions", "_entries", "_known", "_message", "_newest", "_servers", "modifiers", "validities",
    )  # fmt: skip

    def __init__(self, message: Json) -> None:
        self.validities: dict[object, Validity] = {}
        self.modifiers = Modifiers()
        self._message = message
        self._newest: dict[str, Sequence[tuple[str, Json]]] = {}
        self._deletions: list[Deletion] | None = None
        self._known: dict[str, tuple[Json, object]] | None = None
        # Of each entry's resource, by its identity, the URL of its server with a slash behind it.
        self._servers: dict[int, str] = {}
        # Number, resource and full URL.
        self._entries: list[tuple[int, Json, Json]] = []
        entries = message.get("entry") if message.get("resourceType") == "Bundle" else None
        number = -1
        if entries.__class__ is list:
            for number, entry in enumerate(entries):
                resource = entry.get("resource") if entry.__class__ is dict else None
                if resource.__class__ is dict:
                    self._entries.append((number, resource, entry.get("fullUrl")))
        # Where there is a resource in every entry, none is deleted.
        self._all = number + 1 == len(self._entries)

    def resources(self, kind: str) -> Sequence[tuple[str, Json]]:
        """The resources of a type, by their places; of several versions in a bundle the newest."""
        found = self._newest.get(kind)
        if found is None:
            found = self._newest[kind] = self._found(kind)
        return found

    def _found(self, kind: str) -> Sequence[tuple[str, Json]]:
        if self._message.get("resourceType") == kind:
            return [(kind, self._message)]
        these = [entry for entry in self._entries if entry[1].get("resourceType") == kind]
        if len(these) == 1:
            return [(f"Bundle.entry[{these[0][0]}].resource", these[0][1])]
        newest: dict[object, tuple[str, Json]] = {}
        for number, resource, url in these:
            # By its URL: resources of two servers may have one id, and neither is to be lost.
            identity = url.partition("/_history/")[0] if url.__class__ is str else resource.get("id")
            known: object = identity if identity.__class__ is str else number
            before = newest.get(known)
            if before is None or _version(resource) >= _version(before[1]):
                newest[known] = f"Bundle.entry[{number}].resource", resource
        return list(newest.values())

    def deletions(self) -> Sequence[Deletion]:
        """The resources that it says are deleted."""
        if self._deletions is None:
            self._deletions = [] if self._all else list(deletions_in(self._message))
        return self._deletions

    def find(self, reference: str, holders: Sequence[Json]) -> Json:
        """What a reference leads to, as a `Scope` wants it; None: it is not here, or two might be meant.

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
            return self._known.get(name, _UNKNOWN)[0]
        # A relative reference is one at the server of the entry that it stands in (FHIR, resolving references in
        # bundles); what has no such URL means the one resource of that name.
        servers = {self._servers.get(id(holder), "") for holder in holders} or {""}
        return self._known.get(servers.pop() + name, _UNKNOWN)[0] if len(servers) == 1 else None

    def _index(self) -> dict[str, tuple[Json, object]]:
        """Every resource by its URL, and by its type and id, with where it is from; of several versions the newest."""
        known: dict[str, tuple[Json, object]] = {}
        for number, resource, url in self._entries:
            own = f"{resource.get('resourceType')}/{resource.get('id')}"
            where: object = number
            names: tuple[str, ...] = (own,)
            if url.__class__ is str:
                where, names = url, (url, own)
                if url[:4] == "http" and url.startswith(("http://", "https://")) and url.endswith("/" + own):
                    self._servers[id(resource)] = url.removesuffix(own)
            for name in names:
                before = known.get(name)
                if before is None:
                    known[name] = resource, where
                elif before[1] != where:
                    known[name] = None, before[1]  # of two servers, or of none: either could be meant
                elif before[0] is not None and _version(resource) >= _version(before[0]):
                    known[name] = resource, where
        return known


_UNKNOWN: Final = (None, None)


def _version(resource: Json) -> tuple[int, int]:
    """Later ones are higher: `meta.lastUpdated`, else a version that is a number."""
    meta = resource.get("meta")
    meta = meta if meta.__class__ is dict else {}
    updated, version = changed_at(resource), meta.get("versionId")
    number = int(version) if version.__class__ is str and _NUMBER.fullmatch(version) else 0
    return (_UNTOLD if updated is None else updated, number)


_NUMBER: Final = re.compile("[0-9]{1,18}")
_UNTOLD: Final = -(2**63)  # before every moment


def _contained(holder: Json) -> list[Json]:
    contained = holder.get("contained") if holder.__class__ is dict else None
    return [each for each in contained if each.__class__ is dict] if contained.__class__ is list else []
