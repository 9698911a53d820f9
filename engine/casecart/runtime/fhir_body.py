"""A stored FHIR message as a resource, and which channels' resources are in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from casecart.formats.fhir import Limits, Refused, read_resource
from casecart.formats.fhir.deletion import deletions_in
from casecart.formats.fhir.envelope import changed_at
from casecart.rules import Trouble
from casecart.runtime.fault import NotWorkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from casecart.formats.fhir import Resource
    from casecart.store import Message

__all__ = ["FHIR", "resource_of", "since", "times_in", "types_in"]

FHIR: Final = "fhir/"
"""How the schema of such a message begins; its version follows, as in `fhir/4.0.1`."""


def resource_of(body: bytes) -> Resource:
    """The resource, whose decimals keep their digits.

    Raises:
        NotWorkable: the listener took it, and it can't be read all the same.
    """
    try:
        # How large a body may be is the listener's to say, and it has said so.
        return read_resource(body, Limits(size=len(body)))
    except Refused as refused:
        words = f"{refused.problem.words} Ask its sender for it again."
        raise NotWorkable(Trouble("not-fhir", "", words, "")) from None


_ENTRY: Final = "Bundle.entry["
_DAY: Final = 86_400_000_000  # µs; clocks and time zones that are set wrongly are wrong by less


def times_in(resource: Mapping[str, Any], places: Iterable[str], message: Message) -> dict[str, int]:
    """Since when what a line says is so, µs since 1970, where that is another time than its message's own.

    A bundle's own time is when it was made: an old version that is sent late stands in a new bundle. A time that lies
    more than a day behind the message's arrival is none, and it is taken as of its arrival: it would stand over all
    that comes until then.
    """
    entries, found = resource.get("entry"), {}
    for place in places:
        changed = None
        if place.startswith(_ENTRY):
            changed = changed_at(entries[int(place[len(_ENTRY) : place.index("]")])]["resource"])  # type: ignore[index]  # a line stands there
        so_since = since(message, changed)
        if so_since is not None:
            found[place] = so_since
    return found


def since(message: Message, changed: int | None) -> int | None:
    """Since when a resource is as it is, µs since 1970: as it says itself, or as its message arrived if that is ahead.

    None: as of its message's own time.
    """
    said = message.occurred_at if changed is None else changed
    return message.recorded_at if said is not None and said > message.recorded_at + _DAY else changed


def types_in(resource: Mapping[str, Any]) -> frozenset[str]:
    """The types of the resource, or of those in a bundle's entries, deleted or not; a bundle itself is one."""
    found = [resource.get("resourceType")]
    entries = resource.get("entry") if "Bundle" in found else None
    for entry in entries if entries.__class__ is list else ():
        held = entry.get("resource") if entry.__class__ is dict else None
        if held.__class__ is dict:
            found.append(held.get("resourceType"))
    found += [deletion.type for deletion in deletions_in(resource)]
    return frozenset(each for each in found if each.__class__ is str)
