"""What is in a bundle: its entries, whatever its type, and which entry a reference in it means.

Requests are told and never executed: who sends a transaction asks a server for that, and casecart is none.
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import msgspec

from casecart.formats.fhir.problem import Problem
from casecart.formats.fhir.read import Resource
from casecart.formats.fhir.reference import Reference, read_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


__all__ = ["Bundle", "Entry", "contained", "inner_resources", "read_bundle"]

_VERSIONED: Final = frozenset({"history", "subscription-notification"})


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An entry of a bundle.

    Attributes:
        number: its place, counted from 0.
        full_url: which resource it is; empty where that is not told.
        resource: None where it was deleted or left out.
        method: what happened or is asked for: `POST`, `PUT`, `PATCH`, `DELETE`, `GET`, `HEAD`; empty: not told.
        target: what the request's URL names, as the resource that was deleted; None where there is no request.
        status: of a response, as `201 Created`.
        mode: of a search: `match`, `include` or `outcome`.
    """

    number: int
    full_url: str
    resource: Resource | None
    method: str
    target: Reference | None
    status: str
    mode: str

    @property
    def deleted(self) -> bool:
        """Whether this tells that a resource is no longer there."""
        return self.method == "DELETE"


class Bundle:
    """A bundle.

    Attributes:
        type: `collection`, `searchset`, `history`, `transaction` …
        entries: in their order.
        links: of each relation (`next`, `self`) the URL.
    """

    def __init__(self, type_: str, entries: tuple[Entry, ...], links: Mapping[str, str]) -> None:
        self.type = type_
        self.entries = entries
        self.links = links

    def problems(self) -> tuple[Problem, ...]:
        """Where entries can't be told apart by their `fullUrl`, or are not as the bundle's type wants them."""
        return tuple(_problems(self.type, self.entries))

    def resources(self, *types: str) -> Iterator[Resource]:
        """The entries' resources, of these types or of all; what a search found and what came with it alike."""
        for entry in self.entries:
            if entry.resource is not None and (not types or entry.resource["resourceType"] in types):
                yield entry.resource

    def find(self, reference: Reference, *, beside: str = "") -> Resource | None:
        """The resource that a reference means, if it is an entry of this bundle.

        A relative reference is one at the server of the entry that it stands in (FHIR, resolving references in
        bundles). Where that entry's `fullUrl` names no server, it is the one entry with that type and id.

        Args:
            reference: not a contained one; see `contained`.
            beside: the `fullUrl` of the entry that the reference stands in.

        Returns:
            None where there is no such entry, or where several could be meant.
        """
        if reference.kind in {"absolute", "urn", "other"}:
            return _chosen(self._by_url.get(_unversioned(reference), ()), reference.version)
        if reference.kind != "relative":
            return None
        around = read_reference(beside)
        if around.kind == "absolute":
            return _chosen(self._by_url.get(f"{around.base}{reference.type}/{reference.id}", ()), reference.version)
        return _chosen(self._by_name.get((reference.type, reference.id), ()), reference.version)

    @cached_property
    def _by_url(self) -> Mapping[str, Sequence[Entry]]:
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            if entry.resource is not None and entry.full_url:
                found.setdefault(entry.full_url, []).append(entry)
        return found

    @cached_property
    def _by_name(self) -> Mapping[tuple[str, str], Sequence[Entry]]:
        found: dict[tuple[str, str], list[Entry]] = {}
        for entry in self.entries:
            if entry.resource is not None:
                found.setdefault((entry.resource["resourceType"], entry.resource.get("id", "")), []).append(entry)
        return found


def read_bundle(resource: Mapping[str, Any]) -> Bundle:
    """A bundle's entries.

    Args:
        resource: a Bundle in which `validate` found no problems.
    """
    entries = tuple([_entry(number, entry) for number, entry in enumerate(resource.get("entry", ()))])
    links = {link.get("relation", ""): link.get("url", "") for link in resource.get("link", ())}
    return Bundle(resource.get("type", ""), entries, links)


def contained(resource: Mapping[str, Any], reference: Reference) -> Mapping[str, Any] | None:
    """What a contained reference (`#1`) means in the resource that it stands in; `#` is that resource itself."""
    if reference.kind != "contained":
        return None
    if not reference.id:
        return resource
    # Some senders write the `#` into the id too.
    names = (reference.id, f"#{reference.id}")
    return next((inner for inner in resource.get("contained", ()) if inner.get("id") in names), None)


def inner_resources(resource: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """All resources within a validated one: contained, of a bundle's entries, of parameters, however deep."""
    waiting: list[Any] = [value for name, value in resource.items() if name in _HOLDERS]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += reversed(one)
        elif isinstance(one, dict):
            if "resourceType" in one:
                yield one
            waiting += [value for name, value in one.items() if name in _HOLDERS]


_HOLDERS: Final = frozenset({"contained", "entry", "issues", "outcome", "parameter", "part", "resource", "response"})


_NONE: Final[Mapping[str, Any]] = {}


def _entry(number: int, entry: Mapping[str, Any]) -> Entry:
    request = entry.get("request", _NONE)
    return Entry(
        number,
        entry.get("fullUrl", ""),
        entry.get("resource"),
        request.get("method", ""),
        read_reference(request["url"]) if request.get("url") else None,
        entry.get("response", _NONE).get("status", ""),
        entry.get("search", _NONE).get("mode", ""),
    )


def _unversioned(reference: Reference) -> str:
    return reference.text.partition("/_history/")[0]


def _chosen(entries: Sequence[Entry], version: str) -> Resource | None:
    """The one entry, or of several versions of a resource the one that is meant: the newest, if none is named."""
    resources = [entry.resource for entry in entries if entry.resource is not None]
    if version:
        resources = [resource for resource in resources if _version(resource) == version]
    if len(resources) < 2:  # noqa: PLR2004 - one, or none
        return resources[0] if resources else None
    versions = {_version(resource) for resource in resources}
    if len(versions) < len(resources) or len({(it["resourceType"], it.get("id")) for it in resources}) > 1:
        return None
    try:
        times = [datetime.fromisoformat(resource["meta"]["lastUpdated"]) for resource in resources]
    except (KeyError, ValueError):  # not told, or in a leap second
        return None
    return resources[times.index(max(times))] if times.count(max(times)) == 1 else None


def _version(resource: Mapping[str, Any]) -> str:
    version: str = resource.get("meta", {}).get("versionId", "")
    return version


def _problems(type_: str, entries: Sequence[Entry]) -> Iterator[Problem]:
    seen: dict[tuple[str, str], int] = {}
    for entry in entries:
        place = f"Bundle.entry[{entry.number}]"
        if entry.full_url and entry.resource is not None:
            yield from _url_problems(entry, place)
            # bdl-7: a bundle has each resource once, or once a version; what changed twice is in a history twice.
            key = (entry.full_url, _version(entry.resource))
            if key in seen and type_ not in _VERSIONED:
                yield Problem("bundle", f"{place}.fullUrl", f"Entry {seen[key]} has the same `fullUrl` and version.")
            seen.setdefault(key, entry.number)
    first = entries[0].resource if entries else None
    wanted = {"message": "MessageHeader", "document": "Composition"}.get(type_)
    if wanted and (first is None or first["resourceType"] != wanted):
        yield Problem("bundle", "Bundle.entry", f"The first entry of a bundle of this type must be a {wanted}.")


def _url_problems(entry: Entry, place: str) -> Iterator[Problem]:
    url, resource = read_reference(entry.full_url), entry.resource or {}
    if "/_history/" in entry.full_url:  # bdl-8
        yield Problem("bundle", f"{place}.fullUrl", "A `fullUrl` must not name a version.")
    named = (url.type, url.id)
    if url.kind == "absolute" and "id" in resource and named != (resource["resourceType"], resource["id"]):
        yield Problem("bundle", f"{place}.fullUrl", "The `fullUrl` names another resource than the one that is here.")
