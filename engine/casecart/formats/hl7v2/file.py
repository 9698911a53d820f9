"""The messages of a file: one, several, a batch (FHS, BHS), or a capture of MLLP frames.

HL7 v2.8.2 §2.10.3 draws a batch file as `[FHS] { [BHS] { MSH … } [BTS] } [FTS]`. What the trailers count must be there:
else something is missing of the file, and nobody can say what.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from casecart.formats.mllp import Event, Fault, Framer

__all__ = ["MessageFile", "Piece", "messages_of", "pieces_of", "read_file"]

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
_FRAMED: Final = b"\x0b"
_BLANK: Final = b"\r\n\t \0\x1a"  # 0x1A: how files of CP/M and DOS end
_PART: Final = re.compile(rb"(?:\A|(?<=[\r\n]))(MSH|FHS|BHS|BTS|FTS)(?=[^A-Za-z0-9\r\n]|[\r\n]|\Z)")
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)

_WORDS: Final = {
    "empty": "The file holds nothing.",
    "utf-16": "The file is in UTF-16 or UTF-32: write it in UTF-8.",
    "no-message": "The file holds no message: no line of it begins with MSH.",
    "not-a-message": "Something that is no message stands before the first one, or between two of a batch.",
    "batch-cut": "A batch was not finished: its trailer (BTS, FTS) did not come.",
    "batch-order": "The headers and trailers of its batches (FHS, BHS, BTS, FTS) are not one after the other.",
    "batch-count": "A batch's trailer (BTS-1) counts other messages than there are.",
    "file-count": "The file's trailer (FTS-1) counts other batches than there are.",
}


@dataclass(frozen=True, slots=True)
class MessageFile:
    """What a file holds.

    Attributes:
        messages: each as it was written, byte for byte.
        code: why the file can't be taken as it is, empty when it can: `empty`, `utf-16`, `no-message`,
            `not-a-message`, `batch-cut`, `batch-order`, `batch-count`, `file-count`, or a fault of MLLP's frames.
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
    events = _events(data)
    for event in events:
        if isinstance(event, Fault):
            return MessageFile((), event.code, event.words)
    messages = tuple(event for event in events if isinstance(event, bytes))
    return MessageFile(messages) if messages else _wrong("no-message")


def _events(data: bytes) -> list[Event | None]:
    framer = Framer(len(data))
    return [*framer.feed(data), framer.finish()]


def _segments(data: bytes) -> MessageFile:
    first, *others = pieces_of(data)
    if first.text.strip(_BLANK):
        return _wrong("not-a-message" if any(piece.kind == "MSH" for piece in others) else "no-message")
    reading = _Reading()
    for piece in others:
        reading.take(piece)
    return reading.done()


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


class _Reading:
    """Where in the file's form a reader is, and what it has counted."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.code = ""
        self.in_file = self.in_batch = self.ended = False
        self.batches = self.before = 0

    def take(self, piece: Piece) -> None:
        if piece.kind == "MSH":
            self._must(not self.ended)
            self.messages.append(piece.text)
            return
        line, *others = re.split(rb"[\r\n]+", piece.text)
        # HL7 v2.9 has room for access restrictions (ARV) under a header.
        if any(other.strip(_BLANK) and other[:3] != b"ARV" for other in others):
            self._wrong("not-a-message")
        _STEPS[piece.kind](self, line)

    def _fhs(self, _: bytes) -> None:
        self._must(not (self.in_file or self.in_batch or self.messages or self.ended))
        self.in_file = True

    def _bhs(self, _: bytes) -> None:
        self._must(not (self.in_batch or self.ended))
        self.in_batch, self.before = True, len(self.messages)

    def _bts(self, line: bytes) -> None:
        # Without a BHS, the messages since the last trailer are the batch.
        self._must(not self.ended)
        self._count(line, len(self.messages) - self.before, "batch-count")
        self.in_batch, self.before = False, len(self.messages)
        self.batches += 1

    def _fts(self, line: bytes) -> None:
        self._must(not self.ended)
        if self.in_batch:
            self._wrong("batch-cut")
        batches = self.batches + (len(self.messages) > self.before)
        self._count(line, batches, "file-count")
        self.in_file, self.ended = False, True

    def done(self) -> MessageFile:
        if self.in_file or self.in_batch:
            self._wrong("batch-cut")
        # A batch without a message is legal; bytes that hold nothing else are not.
        return _wrong(self.code) if self.code else MessageFile(tuple(self.messages))

    def _must(self, right: bool) -> None:  # noqa: FBT001 - what must be so, as in an assertion
        if not right:
            self._wrong("batch-order")

    def _count(self, line: bytes, found: int, code: str) -> None:
        """A trailer may leave its count out; what is no number says nothing either (BTS-1 is text)."""
        said = line[4:].split(line[3:4], 1)[0].decode("latin-1").strip() if len(line) > len("BTS|") else ""
        if _NUMBER.fullmatch(said) and int(said) != found:
            self._wrong(code)

    def _wrong(self, code: str) -> None:
        self.code = self.code or code


_STEPS: Final = {"FHS": _Reading._fhs, "BHS": _Reading._bhs, "BTS": _Reading._bts, "FTS": _Reading._fts}  # noqa: SLF001 - its own


def _wrong(code: str) -> MessageFile:
    return MessageFile((), code, _WORDS[code])
