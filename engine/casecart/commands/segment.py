"""Where in a stored message a place is: the path and the bytes of its segment, and nothing of what it says."""

from __future__ import annotations

import msgspec

from casecart.commands.content import body_of
from casecart.formats.hl7v2 import Refused, parse

__all__ = ["SegmentBytes", "Segments"]


class SegmentBytes(msgspec.Struct, frozen=True, kw_only=True):
    """The segment with which a place begins."""

    path: str
    """As a mapping names it, such as ``message:FT1[2]``."""
    number: int
    """Counted from 1 among all segments of the message."""
    offset: int
    """Bytes of the stored body before it."""
    length: int
    """Bytes of it, without what ends it."""


class Segments:
    """The segments of a stored message, by the places of its lines.

    Args:
        body: as stored.
        override: the peer's character set, where it has one of its own.
    """

    def __init__(self, body: bytes, override: str | None) -> None:
        self._found: dict[str, SegmentBytes] = {}
        read = body_of(body, override)
        try:
            message = parse(read.text)
        except Refused:
            return
        seen: dict[str, int] = {}
        offset = len(message.prefix.encode(read.charset))
        for number, segment in enumerate(message.segments, 1):
            written = segment.line.text.encode(read.charset)
            ended = segment.line.terminator.encode(read.charset)
            if not body.startswith(written + ended, offset):
                # A character set that switches by control sequences has several ways to write one text: from here on
                # nothing is known for certain.
                return
            if segment.name:
                nth = seen[segment.name] = seen.get(segment.name, 0) + 1
                place = f"{segment.name}[{nth}]"
                self._found[place] = SegmentBytes(
                    path=f"message:{place}", number=number, offset=offset, length=len(written)
                )
            offset += len(written) + len(ended)

    def at(self, place: str) -> SegmentBytes | None:
        """That of a place such as ``FT1[2]``, or None where its bytes can't be told for certain."""
        return self._found.get(place)
