"""Where in the bytes of a FHIR message a line's element stands."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ElementAt", "element_at"]

_STEP: Final = re.compile(r"([A-Za-z][A-Za-z0-9]*)|\[([0-9]{1,9})\]")
_BLANK: Final = re.compile(r"[ \t\r\n]*")
_decode: Final = json.JSONDecoder().raw_decode


class ElementAt(msgspec.Struct, frozen=True, kw_only=True):
    """Where an element stands, as it was sent."""

    line: int
    """Counted from 1."""
    column: int
    """Counted from 1, in characters."""
    offset: int
    """Bytes of the message before it."""
    length: int
    """Bytes of it."""


def element_at(body: bytes, place: str) -> ElementAt | None:
    """The element at a place such as ``Bundle.entry[0].resource.focalDevice[1]``; None where it can't be told.

    Args:
        body: JSON that has been read as a resource before.
        place: as the mapping calls the line: from the resource's type on, counted from 0.
    """
    _, *steps = _STEP.findall(place)
    try:
        text = body.decode()
        at = _skipped(text, len(text) - len(text.lstrip("\ufeff")))
        for name, number in steps:
            at = _member(text, at, name) if name else _entry(text, at, int(number))
        _, end = _decode(text, at)
    except (ValueError, IndexError, RecursionError):
        return None
    before = text[:at]
    return ElementAt(
        line=before.count("\n") + 1,
        column=at - (before.rfind("\n") + 1) + 1,
        offset=len(before.encode()),
        length=len(text[at:end].encode()),
    )


def _skipped(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return at if found is None else found.end()


def _member(text: str, at: int, name: str) -> int:
    """Where the value of a name begins. The last of several of one name counts, as for who reads JSON."""
    return [value for key, value in _members(text, at) if key == name][-1]


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    if text[at] != "{":
        raise ValueError(at)
    at = _skipped(text, at + 1)
    while text[at] == '"':
        key, at = _decode(text, at)
        at = _skipped(text, _skipped(text, at) + 1)
        yield key, at
        _, at = _decode(text, at)
        at = _skipped(text, at)
        if text[at] != ",":
            return
        at = _skipped(text, at + 1)


def _entry(text: str, at: int, number: int) -> int:
    """Where an entry of an array begins; an element that does not repeat is its own first."""
    if text[at] != "[":
        if number:
            raise ValueError(number)
        return at
    at = _skipped(text, at + 1)
    for _ in range(number):
        _, at = _decode(text, at)
        at = _skipped(text, at)
        if text[at] != ",":
            raise ValueError(number)
        at = _skipped(text, at + 1)
    return at
