"""Parts of messages: a segment that goes on in `ADD`, a message that goes on in the next one (HL7 v2.8.2 §2.9.2)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from casecart.formats.hl7v2.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.formats.hl7v2.header import Header

__all__ = ["CONTINUED", "Fragment", "join_fragments", "join_segments", "may_continue", "read_fragment"]

CONTINUED: Final = "segment-continued"
"""The note of a message with `ADD` segments: `join_segments` makes its text."""

# A name, and something in the segment; or the bare ADD that says that the segment before it goes on elsewhere.
_MARK: Final = re.compile(rb"[\r\n](?:(?:DSC|ADD)[^A-Za-z0-9\r\n]|ADD[\r\n]*\Z)")
_LINE: Final = re.compile(rb"([^\r\n]+)([\r\n]*)")
_NULL: Final = b'""'

# A pointer goes into a row of the store.
_LONGEST: Final = 180


class Fragment(NamedTuple):
    """Where a message stands among those that it is a part of."""

    follows: str
    """MSH-14: the pointer of the part before it; empty for the first."""
    pointer: str
    """DSC-1: the pointer that the next part has in MSH-14; empty for the last."""


def may_continue(body: bytes) -> bool:
    """Whether a message has a `DSC` or `ADD` segment; most have not even the letters."""
    return (b"DSC" in body or b"ADD" in body) and _MARK.search(body) is not None


def read_fragment(body: bytes, header: Header, *, pointed: bool = True) -> Fragment | None:
    """Which part of a message this is; None if it is a whole one.

    Args:
        body: the message.
        header: its own.
        pointed: whether MSH-14 says what it follows; not where the sender writes something else there.

    Raises:
        Refused: `continued`, where its place among the others can't be told.
    """
    follows = _pointer(header.continuation_pointer) if pointed else ""
    pointer = ""
    lines = [match[1] for match in _LINE.finditer(body)]
    separator = header.separator
    for number, line in enumerate(lines, 1):
        if line[:3] != b"DSC" or line[3:4] not in (separator, b""):
            continue
        fields = [*line.split(separator, 3), b"", b""]
        pointer = _pointer(fields[1])
        if pointer and number < len(lines):
            raise _refused("100", "The DSC segment is not the last of its message.", field=0)
        if pointer and fields[2].strip().upper() not in (b"", b"F"):
            raise _refused("103", "DSC-2 is not F: only fragments of a message are put together.", field=2)
    if lines and lines[-1] == b"ADD" and not pointer:
        raise _refused("100", "A segment goes on in another message (ADD), and no DSC-1 says in which.", field=1)
    if pointer and pointer == follows:
        raise _refused("207", "DSC-1 is the same as MSH-14: each two parts need a pointer of their own.", field=1)
    return Fragment(follows, pointer) if follows or pointer else None


def join_fragments(bodies: Iterable[bytes]) -> bytes:
    """The message that parts make, in their order: the first one's header, all other segments, no `DSC` and `ADD`."""
    first = True
    joined: list[list[bytes]] = []
    for body in bodies:
        start = body.find(b"MSH")
        separator = body[start + 3 : start + 4]
        for number, match in enumerate(_LINE.finditer(body, start)):
            text, end = match.groups()
            name = text[:3] if text[3:4] in (separator, b"") else b""
            if name == b"DSC" or (number == 0 and not first):
                continue
            if number == 0:
                text = _without_pointer(text, separator)
            if name == b"ADD" and len(joined) > 1:
                joined[-1][-2:] = [joined[-1][-2] + text[4:], end if text[4:] else joined[-1][-1]]
            else:
                joined.append([text, end])
        if joined and not joined[-1][1]:
            joined[-1][1] = b"\r"
        first = False
    return b"".join(piece for line in joined for piece in line)


def join_segments(text: str) -> str:
    """The text of a message, its segments ended by CR, in which what stands in `ADD` is in the segment before it."""
    mark = f"ADD{text[3:4]}"
    joined: list[str] = []
    for line in text.split("\r"):
        if line.startswith(mark) and len(joined) > 1:
            joined[-1] += line[4:]
        else:
            joined.append(line)
    return "\r".join(joined)


def _pointer(field: bytes) -> str:
    value = field.strip()
    if len(value) > _LONGEST:
        raise _refused("104", f"A continuation pointer is longer than {_LONGEST} characters.", field=1)
    return "" if value == _NULL else value.decode("latin-1")


def _without_pointer(header: bytes, separator: bytes) -> bytes:
    """MSH with an empty MSH-14."""
    fields = header.split(separator, 14)
    if len(fields) > 13:  # noqa: PLR2004 - MSH-14 is the 14th token, since MSH-1 is the separator
        fields[13] = b""
    return separator.join(fields)


def _refused(error_code: str, words: str, field: int) -> Refused:
    return Refused("continued", Problem(error_code=error_code, words=words, segment="DSC", field=field), ack_code="AR")
