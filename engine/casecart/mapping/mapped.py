"""What a mapping needs besides the message, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from casecart.mapping.problem import Problem

__all__ = ["MANY", "Mapped", "MappingContext", "Version"]

MANY = 128
"""Lines of a message from which on the time that they take is watched."""


def _unwatched(lines: Sequence[Any]) -> Iterable[Any]:
    return lines


class MappingContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a mapping must know besides the message's text.

    Attributes:
        facility: the site that the message speaks for.
        time_zone: of the sender's clock, for times without an offset.
        today: the facility's date when the message came: a UDI's years have two digits.
        token: gives the token for an identifier, `(kind, value)`. Asked once a message for a value, and only for
            values that go into a document.
        source: the message's identity; a document's `source` is this and the place.
        charset: the codec of bytes that are written as escape sequences.
        version: of FHIR, as 4.0.1, by which resources are looked at before they are read; empty: they are not.
        watch: goes over the lines of a message that has `MANY`, and raises when it has taken too long.
    """

    facility: str
    time_zone: ZoneInfo
    today: date
    token: Callable[[str, str], str]
    source: str
    charset: str = "utf-8"
    version: str = ""
    watch: Callable[[Sequence[Any]], Iterable[Any]] = _unwatched


class Version(NamedTuple):
    """One version of a resource, of a mapping by which versions take back what they leave out.

    Attributes:
        place: of the resource; its lines stand below it.
        name: of the resource: `Procedure/17`.
        whole: it names all that was used; what an earlier version named, and it doesn't, is taken back.
        problem: why a person must say what becomes of what was told before.
        changed_at: since when the resource is so, µs since 1970; None: since its message's time.
    """

    place: str
    name: str
    whole: bool
    problem: Problem | None
    changed_at: int | None

    def has(self, place: str) -> bool:
        """Whether a line is one of the resource's."""
        return place.startswith(self.place) and place[len(self.place) :][:1] in ("", ".", "[")


class Mapped(msgspec.Struct, frozen=True, gc=False):
    """All lines of a message: each is in `documents`, `filtered` or, with one or more problems, in `exceptions`.

    Attributes:
        documents: what was made, in the message's order.
        places: where each document comes from, in the same order: `FT1[2]`.
        filtered: place and reason of the lines that `where` leaves out.
        exceptions: the problems of the lines that could not be mapped, in the order of lines and fields.
        versions: of the resources that the lines are in, where what they leave out is taken back.
    """

    documents: list[Any]
    places: list[str]
    filtered: list[tuple[str, str]]
    exceptions: list[Problem]
    versions: Sequence[Version] = ()
