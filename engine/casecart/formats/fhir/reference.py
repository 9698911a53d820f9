"""What a reference says, taken apart; nothing is looked up and no address is opened.

What comes out is safe to put into a path: an id is what FHIR lets an id be, and neither `.` nor `..`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Canonical", "Kind", "Reference", "read_canonical", "read_reference", "reference_of"]

Kind = Literal["relative", "absolute", "urn", "contained", "logical", "other"]

_RESTFUL: Final = re.compile(
    r"(?P<base>https?://[^\s?#]+/)?"
    r"(?P<type>[A-Z][A-Za-z]{1,63})/(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?",
)
_FRAGMENT: Final = re.compile(r"#(?P<id>[A-Za-z0-9\-.]{0,64})")
_URN: Final = re.compile(r"urn:(?:uuid:[0-9a-fA-F-]{36}|oid:[0-2](?:\.[0-9]+)+)")
_DOTS: Final = frozenset({".", ".."})


class Reference(msgspec.Struct, frozen=True, gc=False):
    """Where a reference points.

    Attributes:
        kind: `relative` (`Device/1`), `absolute` (`https://ehr.example/fhir/Device/1`), `urn` (`urn:uuid:…`,
            `urn:oid:…`), `contained` (`#1`; `#` alone is the resource around), `logical` (an identifier only), `other`
            (any other URI).
        text: as it was sent; empty of a logical one.
        base: of an absolute one, with its slash at the end.
        type: the resource type, as far as it is told.
        id: of a relative, absolute or contained one.
        version: behind `_history`.
        system, value: of the identifier, where there is one.
    """

    kind: Kind
    text: str = ""
    base: str = ""
    type: str = ""
    id: str = ""
    version: str = ""
    system: str = ""
    value: str = ""


class Canonical(msgspec.Struct, frozen=True, gc=False):
    """A canonical URL: `url|version#fragment`."""

    url: str
    version: str = ""
    fragment: str = ""


def read_reference(text: str) -> Reference:
    """A `Reference.reference`, a `fullUrl` or the URL of a bundle's request, taken apart."""
    if (match := _FRAGMENT.fullmatch(text)) and match["id"] not in _DOTS:
        return Reference("contained", text, id=match["id"])
    if (match := _RESTFUL.fullmatch(text)) and _DOTS.isdisjoint({match["id"], match["version"]}):
        base, version = match["base"] or "", match["version"] or ""
        return Reference("absolute" if base else "relative", text, base, match["type"], match["id"], version)
    return Reference("urn" if _URN.fullmatch(text) else "other", text)


def reference_of(element: Mapping[str, Any]) -> Reference | None:
    """An element of type Reference, taken apart; None where it points nowhere (it may have a `display` all the same).

    Args:
        element: as it stands in a validated resource.
    """
    identifier = element.get("identifier") or {}
    system, value = identifier.get("system", ""), identifier.get("value", "")
    text = element.get("reference")
    if not text:
        return Reference("logical", type=element.get("type", ""), system=system, value=value) if value else None
    read = read_reference(text)
    return Reference(
        read.kind,
        text,
        read.base,
        read.type or element.get("type", ""),
        read.id,
        read.version,
        system,
        value,
    )


def read_canonical(text: str) -> Canonical:
    """A canonical URL, taken apart (FHIR, data type canonical)."""
    rest, _, fragment = text.partition("#")
    url, _, version = rest.partition("|")
    return Canonical(url, version, fragment)
