"""What a message says, as it may be shown: its structure with every value masked, or the whole of it."""

from __future__ import annotations

from collections import Counter

import msgspec

from casecart.formats.hl7v2 import Refused, decode, detect, parse, read_header

__all__ = ["MOST_SEGMENTS", "Body", "SegmentField", "SegmentShape", "Structure", "body_of", "masked", "structure_of"]

MOST_SEGMENTS = 500
"""Segments that a structure shows; a message may have a hundred thousand."""

LONGEST_VALUE = 80
"""Characters of a masked value; a field may hold a whole document."""


class SegmentField(msgspec.Struct, frozen=True, kw_only=True):
    """A field that has a value."""

    number: int
    masked: str
    """Letters are x, digits are 9; separators stay. No more than its first characters."""
    length: int
    """Characters of the whole value."""


class SegmentShape(msgspec.Struct, frozen=True, kw_only=True):
    """A segment: its type, and which of its fields have a value."""

    name: str
    """Empty for a line that is no segment."""
    occurrence: int
    """Counted from 1 among the segments of its type."""
    fields: list[SegmentField]


class Structure(msgspec.Struct, frozen=True, kw_only=True):
    """A message without its values."""

    segments: list[SegmentShape]
    segments_left_out: int
    notes: list[str]
    """What was repaired in reading it, in words."""
    problem: str
    """Why it can't be read as a message; empty when it can."""


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it came."""

    text: str
    charset: str
    """Python's name of the character set that it was read with."""


def masked(text: str) -> str:
    """The text with everything but ASCII's punctuation replaced: digits by 9, all else by x."""
    return "".join("9" if sign.isdecimal() else sign if sign.isascii() and not sign.isalpha() else "x" for sign in text)


def body_of(body: bytes, override: str | None) -> Body:
    """The text of a message; of bytes that are no message, too: no byte is lost.

    Args:
        body: as stored.
        override: the peer's character set, where it has one of its own.
    """
    declared = _declared(body)
    text, _ = decode(body, declared, override)
    charset = "ascii" if body.isascii() and b"\x1b" not in body else detect(body, declared, override)[0]
    return Body(text=text, charset=charset)


def structure_of(body: bytes, override: str | None) -> Structure:
    """Segments and the fields that have a value."""
    try:
        message = parse(body_of(body, override).text)
    except Refused as refused:
        return Structure(segments=[], segments_left_out=0, notes=[], problem=refused.words)
    seen: Counter[str] = Counter()
    shapes = []
    for segment in message.segments[:MOST_SEGMENTS]:
        seen[segment.name] += 1
        fields = [
            SegmentField(number=number, masked=_short(field.text), length=len(field.text))
            for number, field in enumerate(segment.fields, 1)
            if field.text
        ]
        shapes.append(SegmentShape(name=segment.name, occurrence=seen[segment.name], fields=fields))
    return Structure(
        segments=shapes,
        segments_left_out=len(message.segments) - len(shapes),
        notes=list(dict.fromkeys(note.words for note in message.notes)),
        problem="",
    )


def _declared(body: bytes) -> bytes:
    try:
        return read_header(body).character_set
    except Refused as refused:
        return refused.header.character_set if refused.header is not None else b""


def _short(text: str) -> str:
    return masked(text[:LONGEST_VALUE])
