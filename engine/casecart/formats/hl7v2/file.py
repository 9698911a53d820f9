"""The messages of a file: one, several, a batch (FHS, BHS), or a capture of MLLP frames.

HL7 v2.8.2 §2.10.3 draws a batch file as `[FHS] { [BHS] { MSH … } [BTS] } [FTS]`. What the trailers count must be there:
else something is missing of the file, and nobody can say what (`casecart.formats.hl7v2.batch`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from casecart.formats.hl7v2.batch import read_batch
from casecart.formats.hl7v2.header import read_header
from casecart.formats.hl7v2.problem import Refused
from casecart.formats.mllp import Event, Fault, Framer

__all__ = ["MessageFile", "Piece", "messages_of", "pieces_of", "read_file"]

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
_FRAMED: Final = b"\x0b"
_BLANK: Final = b"\r\n\t \0\x1a"  # 0x1A: how files of CP/M and DOS end
_PART: Final = re.compile(rb"(?:\A|(?<=[\r\n]))(MSH|FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9\r\n]|[\r\n]|\Z)")

_WORDS: Final = {
    "empty": "The file holds nothing.",
    "utf-16": "The file is in UTF-16 or UTF-32: write it in UTF-8.",
    "no-message": "The file holds no message: no line of it begins with MSH.",
    "not-a-message": "Something that is no message stands before the first one, or between two of a batch.",
    "batch": "The headers or trailers of a batch (FHS, BHS, BTS, FTS) stand behind a message without one.",
}


@dataclass(frozen=True, slots=True)
class MessageFile:
    """What a file holds.

    Attributes:
        messages: each as it was written, byte for byte.
        code: why the file can't be taken as it is, empty when it can: `empty`, `utf-16`, `no-message`,
            `not-a-message`, `batch`, `delimiters`, or a fault of MLLP's frames.
        words: the same for a person, without content.
    """

    messages: tuple[bytes, ...]
    code: str = ""
    words: str = ""


class Piece(NamedTuple):
    """A message or a segment of a batch around it; `kind` is MSH, FHS, BHS, BTS, FTS, or empty for anything else."""

    kind: str
    text: bytes


def read_file(data: bytes) -> MessageFile:
    """Cut a file into its messages. Where they can't be trusted to be all, there are none, but a reason."""
    if not data.strip(_BLANK):
        return _wrong("empty")
    start = data[:8]
    if start.startswith(_WIDE) or start.replace(b"\0", b"") != start.strip(b"\0"):
        return _wrong("utf-16")
    return _frames(data) if data.startswith(_FRAMED) else _segments(data)


def messages_of(data: bytes) -> list[bytes]:
    """Every message that is in a file, whatever else is: for who looks, or sends on purpose what is wrong."""
    return [piece.text for piece in pieces_of(data) if piece.kind == "MSH"]


def _frames(data: bytes) -> MessageFile:
    messages: list[bytes] = []
    frames = 0
    for event in _events(data):
        if isinstance(event, Fault):
            return MessageFile((), event.code, event.words)
        if isinstance(event, bytes):
            frames += 1
            taken = _batch(event) if _is_batch(event) else MessageFile((event,))
            if taken.code:
                return taken
            messages += taken.messages
    return MessageFile(tuple(messages)) if frames else _wrong("no-message")


def _is_batch(frame: bytes) -> bool:
    """As who takes single messages sees it."""
    try:
        read_header(frame)
    except Refused as refused:
        return refused.code == "batch"
    return False


def _events(data: bytes) -> list[Event | None]:
    framer = Framer(len(data))
    return [*framer.feed(data), framer.finish()]


def _segments(data: bytes) -> MessageFile:
    first, *others = pieces_of(data)
    if first.text.strip(_BLANK):
        return _wrong("not-a-message" if any(piece.kind == "MSH" for piece in others) else "no-message")
    if not others:  # a byte order mark alone
        return _wrong("empty")
    if others[0].kind != "MSH":
        return _batch(data.rstrip(_BLANK))
    if any(piece.kind != "MSH" for piece in others):
        return _wrong("batch")
    return MessageFile(tuple(piece.text for piece in others))


def _batch(data: bytes) -> MessageFile:
    try:
        return MessageFile(read_batch(data, most=len(data)).messages)
    except Refused as refused:
        return MessageFile((), refused.code, refused.problem.words)


def pieces_of(data: bytes) -> list[Piece]:
    """All of a file, or of the frames in it: first what stands before the first header, which may be nothing."""
    data = data.removeprefix(_BYTE_ORDER_MARK)
    if data.startswith(_FRAMED):
        events = _events(data)
        faults = b"".join(event.data for event in events if isinstance(event, Fault))
        return [Piece("", faults), *(Piece("MSH", event) for event in events if isinstance(event, bytes))]
    parts = list(_PART.finditer(data))
    ends = [*(part.start() for part in parts), len(data)]
    pieces = [Piece("", data[: ends[0]])]
    for part, end in zip(parts, ends[1:], strict=True):
        pieces.append(Piece(part[1].decode("ascii"), data[part.start() : end]))
    return pieces


def _wrong(code: str) -> MessageFile:
    return MessageFile((), code, _WORDS[code])
