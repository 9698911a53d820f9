"""The message that a resource makes: a bundle with the resource first, and behind it what it refers to.

The same versions make the same bytes, by whichever way they came: members are in alphabetical order, and the resources
that are referred to in that of their names.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from casecart.formats.fhir import LIMITS, read_reference
from casecart.formats.fhir.envelope import envelope_of
from casecart.listeners.fhir_answer import at_this, of_the_server
from casecart.runtime.fhir_server import FhirTrouble

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from casecart.formats.fhir import Reference, Resource
    from casecart.formats.fhir.envelope import Envelope
    from casecart.runtime.fhir_server import FhirServer

__all__ = ["MOST_REFERENCES", "Whole", "Wholes", "identity_of", "name_of"]

MOST_REFERENCES: Final = 200
"""Of one resource, that are followed."""
_LONGEST_TRIED: Final = 3600.0
"""Seconds after which a reference that the server fails at, while it answers others, is left out."""
_MOST_FAILED: Final = 1000  # such references
_LONGEST_TIME: Final = 40
_PATHS: Final = (("subject", "reference"), ("patient", "reference"))
"""What keeps messages in order, as at an HTTP listener."""
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", order="deterministic")


class Whole(NamedTuple):
    """A message."""

    body: bytes
    envelope: Envelope
    left_out: int
    """Resources that are referred to and are not in it, though their types are wanted."""


class Wholes:
    """Makes messages of resources.

    Args:
        server: gives what they refer to.
        include: types of resources that go with them.
        seconds: a clock that is never set.
    """

    def __init__(self, server: FhirServer, include: Collection[str], seconds: Callable[[], float]) -> None:
        self._server, self._include, self._seconds = server, frozenset(include), seconds
        self._failed: dict[str, tuple[float, int]] = {}
        self._answered = 0

    async def of(self, focus: Resource, brought: Mapping[str, Resource] | None = None, again: str = "") -> Whole:
        """The message that a resource makes.

        What the server does not have, or won't give, or another server has, is left out: the line that needs it is held
        by its mapping.

        Args:
            focus: the resource; it has an id.
            brought: resources that came with it, by their names (`Device/1`): they are not asked for.
            again: for a resource without version and time, tells this state from the same one at another time.

        Fails with `FhirTrouble` that passes, or is of the server as a whole.
        """
        if name_of(focus) not in (brought or {}):
            self._answered += 1  # the server has just given it
        entries = [self._entry(focus)]
        room, left_out = LIMITS.size, 0
        for reference in self._references(focus):
            found = (brought or {}).get(f"{reference.type}/{reference.id}")
            if found is None and len(entries) <= MOST_REFERENCES and room > 0:
                found, size = await self._read(reference)
                room -= size
            if found is None:
                left_out += 1
            else:
                entries.append(self._entry(found))
        body = _ENCODER.encode({"resourceType": "Bundle", "type": "collection", "entry": entries})
        envelope = envelope_of(focus, None, _PATHS)
        told = identity_of(focus)
        if not told:
            told = f"{name_of(focus)}@{hashlib.blake2b(body, digest_size=16).hexdigest()}{again}"
        envelope = envelope._replace(control_id=told)
        return Whole(body, envelope, left_out)

    async def _read(self, reference: Reference) -> tuple[Resource | None, int]:
        """What is referred to, and its bytes; None: it is left out."""
        try:
            fetched = await self._server.read(reference)
        except FhirTrouble as trouble:
            fails = at_this(trouble)
            again = self._may_try_again(reference.text) if fails else trouble.passing or of_the_server(trouble)
            if again:
                raise
            return None, 0
        self._answered += 1
        self._failed.pop(reference.text, None)
        its_own = name_of(fetched.resource) == f"{reference.type}/{reference.id}"
        return (fetched.resource if its_own else None), len(fetched.body)

    def _may_try_again(self, reference: str) -> bool:
        if len(self._failed) >= _MOST_FAILED:
            self._failed.clear()
        since, answered = self._failed.setdefault(reference, (self._seconds(), self._answered))
        return self._seconds() < since + _LONGEST_TRIED or self._answered == answered

    def _references(self, focus: Resource) -> list[Reference]:
        """What is wanted of what the resource refers to, each once, in the order of names."""
        found: dict[str, Reference] = {}
        for text in _texts(focus):
            reference = read_reference(text.removeprefix(f"{self._server.base}/"))
            if reference.kind in {"relative", "absolute"} and reference.type in self._include:
                found[reference.text] = reference
        found.pop(name_of(focus), None)
        return [found[text] for text in sorted(found)]

    def _entry(self, resource: Resource) -> dict[str, Any]:
        return {"fullUrl": f"{self._server.base}/{name_of(resource)}", "resource": resource}


def name_of(resource: Mapping[str, Any]) -> str:
    """Such as `Procedure/1`, safe to be asked for; empty: it has no such name."""
    kind, identifier = resource.get("resourceType"), resource.get("id")
    if not isinstance(kind, str) or not isinstance(identifier, str):
        return ""
    name = f"{kind}/{identifier}"
    return name if read_reference(name).kind == "relative" and "/_history/" not in name else ""


def _texts(node: object) -> Iterator[str]:
    """Of all references within a resource, those of what it contains included."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            text = one.get("reference")
            if isinstance(text, str):
                yield text
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def identity_of(focus: Resource) -> str:
    """What tells a state of a resource from others: its version, else its time; empty: it says neither."""
    version = envelope_of(focus, None, ()).control_id
    meta = focus.get("meta")
    updated = meta.get("lastUpdated") if isinstance(meta, dict) else None
    if version or not isinstance(updated, str) or not updated.isascii() or len(updated) > _LONGEST_TIME:
        return version
    return f"{name_of(focus)}@{updated}"
