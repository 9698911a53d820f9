"""References, addresses and other URIs: which parts of one name a person's record."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["impersonal", "named", "relinked"]

_UUID: Final = re.compile(r"urn:uuid:(.+)", re.DOTALL)
_OID: Final = re.compile(r"urn:oid:(.+)", re.DOTALL)
_FRAGMENT: Final = re.compile(r"#(.+)", re.DOTALL)
_RESTFUL: Final = re.compile(
    r"(?:https?://[^?#]*/)?([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#(.*))?",
    re.DOTALL,
)
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://[^/?#]*/?(.*)", re.DOTALL)


@cache
def _impersonal() -> frozenset[str]:
    table = files(__package__).joinpath("fhir-resources.csv").read_text("utf-8")
    return frozenset(row["resource"] for row in csv.DictReader(table.splitlines()))


def impersonal(resource: str) -> bool:
    """Whether resources of this type speak of places, items or systems: their ids stay."""
    return resource in _impersonal()


def named(uri: str) -> list[tuple[int, int]]:
    """The parts of a URI that are replaced, each by its start and end.

    The id of a resource, unless that is `impersonal`; a label behind `#`; what a query looks for; the path of other
    addresses. The server's own address stays: a peer is known by it.
    """
    for pattern in (_UUID, _OID, _FRAGMENT):
        if (match := pattern.fullmatch(uri)) is not None:
            return [match.span(1)]
    if (match := _RESTFUL.fullmatch(uri)) is not None:
        ids = [] if impersonal(match[1]) else [match.span(2)]
        return [*ids, *([match.span(3)] if match[3] else [])]
    start = uri.find("?") + 1
    if start or "=" in uri:
        return _looked_for(uri, start)
    match = _ADDRESS.fullmatch(uri)
    begin, end = match.span(1) if match is not None else (0, len(uri))
    return [(begin, end)] if begin < end else []


def _looked_for(uri: str, start: int) -> list[tuple[int, int]]:
    """The values of a query; of one with a system before it the part behind that."""
    found = []
    at = start
    for part in uri[start:].split("&"):
        name, equals, value = part.partition("=")
        system, bar, _ = value.rpartition("|")
        begin = at + len(name) + len(equals) + len(system) + len(bar)
        if begin < at + len(part):
            found.append((begin, at + len(part)))
        at += len(part) + 1
    return found


def relinked(uri: str, other: Callable[[str], str]) -> str:
    """The URI with its named parts replaced."""
    for begin, end in reversed(named(uri)):
        uri = uri[:begin] + other(uri[begin:end]) + uri[end:]
    return uri
