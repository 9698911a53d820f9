"""Where in a message's bytes a value stands that a mapping found by its path."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from casecart.commands.content import body_of
from casecart.formats.hl7v2 import Refused, Segment, may_belong, parse, spans
from casecart.formats.hl7v2.path import ENCODING_CHARACTERS, HEADERS, Condition, Path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.formats.hl7v2.path import Field

__all__ = ["ValueAt", "ValuePlaces"]


class ValueAt(msgspec.Struct, frozen=True, kw_only=True):
    """Where a value stands, as it was sent."""

    segment: str
    """Such as ``PRT[1]``, counted among those of its type in the message."""
    line: int
    """The number of the segment, counted from 1."""
    column: int
    """In the segment, counted from 1, in characters."""
    offset: int
    """Bytes of the message before it."""
    length: int
    """Bytes of it."""


class _Written(NamedTuple):
    """A segment, and where it is."""

    segment: Segment
    nth: int
    """Of its type."""
    offset: int


class ValuePlaces:
    """The values of one HL7 v2 message. Of what can't be told for certain nothing is told.

    Args:
        body: as it came.
        override: the peer's character set, where it has one of its own.
    """

    def __init__(self, body: bytes, override: str | None) -> None:
        read = body_of(body, override)
        self._codec = read.charset
        self._segments: list[_Written] = []
        self._places: dict[str, int] = {}
        self._named: dict[str, list[int]] = {}
        self._groups: dict[str, dict[int, int]] = {}
        try:
            message = parse(read.text, read.charset)
        except Refused:
            return
        seen: dict[str, int] = {}
        offset = len(message.prefix.encode(self._codec))
        for segment in message.segments:
            written = f"{segment.line.text}{segment.line.terminator}".encode(self._codec)
            if not body.startswith(written, offset) or not segment.line.text.startswith(segment.text):
                return
            seen[segment.name] = seen.get(segment.name, 0) + 1
            self._places[f"{segment.name}[{seen[segment.name]}]"] = len(self._segments)
            self._named.setdefault(segment.name, []).append(len(self._segments))
            self._segments.append(_Written(segment, seen[segment.name], offset))
            offset += len(written)

    def at(self, place: str, path: Path, told: str) -> ValueAt | None:
        """A value.

        Args:
            place: of the line, such as ``FT1[2]``.
            path: by which it was found, its alias resolved.
            told: what it gave.
        """
        for number in self._candidates(place, path):
            written = self._segments[number]
            for start, text, value in _values(written.segment, path.field):
                if value == told:
                    before = written.segment.text[:start]
                    return ValueAt(
                        segment=f"{written.segment.name}[{written.nth}]",
                        line=number + 1,
                        column=start + 1,
                        offset=written.offset + len(before.encode(self._codec)),
                        length=len(text.encode(self._codec)),
                    )
        return None

    def _ends(self, leader: str) -> dict[int, int]:
        """Where the groups of a leader begin → where they end."""
        if leader not in self._groups:
            self._groups[leader] = dict(spans([each.segment.name for each in self._segments], leader))
        return self._groups[leader]

    def _candidates(self, place: str, path: Path) -> Iterator[int]:
        """The segments that may be meant, the likeliest first."""
        if isinstance(path.segment, str):
            return
        wanted = path.segment
        leader = place.partition("[")[0]
        start = self._places.get(place)
        if start is None:
            return
        named = self._named.get(wanted.name, [])
        if wanted.scope == "above":
            named = named[: bisect_left(named, start)][::-1]
        elif wanted.scope == "group" and may_belong(leader, wanted.name):
            named = named[
                bisect_left(named, start) : bisect_left(named, self._ends(leader).get(start, len(self._segments)))
            ]
        if isinstance(wanted.selector, Condition):
            condition = wanted.selector
            for number in named:
                values = _values(self._segments[number].segment, condition.field)
                if any(value == condition.value for _, _, value in values):
                    yield number
        elif wanted.scope == "above":
            yield from named[:1]
        else:
            yield from named[wanted.selector - 1 : wanted.selector]


def _values(segment: Segment, field: Field) -> Iterator[tuple[int, str, str]]:
    """Of a part of a segment: where it begins, as it is written, and what it says; of each repetition that is meant."""
    delimiters, text = segment.delimiters, segment.text
    header = segment.name in HEADERS
    if header and field.number <= ENCODING_CHARACTERS:
        return
    start, whole = _part(text, delimiters.field, field.number + (0 if header else 1))
    count = len(whole.split(delimiters.repetition)) if delimiters.repetition else 1
    numbers = range(1, count + 1) if field.repetition is None else (field.repetition,)
    for number in numbers:
        at, repetition = _part(whole, delimiters.repetition, number)
        to, component = _part(repetition, delimiters.component, field.component or 1)
        value = segment.field(field.number).repetition(number).component(field.component or 1).value
        inner = 0
        if field.subcomponent is not None:
            parsed = segment.field(field.number).repetition(number).component(field.component or 1)
            inner, component = _part(component, delimiters.subcomponent, field.subcomponent)
            value = parsed.subcomponent(field.subcomponent).value
        if value.strip():
            blank = len(component) - len(component.lstrip())
            yield start + at + to + inner + blank, component.strip(), value.strip()


def _part(text: str, separator: str, number: int) -> tuple[int, str]:
    """The n-th part of a text, counted from 1, and where it begins; an empty one, where there are not so many."""
    parts = text.split(separator) if separator else [text]
    if number > len(parts):
        return len(text), ""
    return sum(len(part) + len(separator) for part in parts[: number - 1]), parts[number - 1]
