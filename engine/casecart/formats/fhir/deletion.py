"""The resources that a bundle says are deleted, as a history or a notification does: entries without a resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from casecart.formats.fhir.envelope import moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Deletion", "deletions_in"]


class Deletion(NamedTuple):
    """One of them."""

    entry: int
    """Its number in the bundle, from 0."""
    type: str
    id: str
    at: int | None
    """µs since 1970, where that is told."""


def deletions_in(message: Mapping[str, Any]) -> Iterator[Deletion]:
    """Those of a bundle (FHIR R4 http.html#history: `request.method` DELETE, and `lastModified` of its response)."""
    entries = message.get("entry") if message.get("resourceType") == "Bundle" else None
    for number, entry in enumerate(entries if entries.__class__ is list else ()):
        request = entry.get("request") if entry.__class__ is dict else None
        if request.__class__ is not dict or request.get("method") != "DELETE" or "resource" in entry:
            continue
        for url in (entry.get("fullUrl"), request.get("url")):
            parts = url.partition("/_history/")[0].split("/") if url.__class__ is str else []
            if len(parts) > 1 and parts[-2].isalpha() and parts[-1]:
                yield Deletion(number, parts[-2], parts[-1], _modified(entry.get("response")))
                break


def _modified(response: Any) -> int | None:  # noqa: ANN401 - any JSON
    written = response.get("lastModified") if response.__class__ is dict else None
    return moment(written) if written.__class__ is str else None
