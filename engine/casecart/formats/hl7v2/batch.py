"""Several messages in one frame: a batch with its counts (HL7 v2.8.2 §2.9.3), or messages one after the other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from casecart.formats.hl7v2.delimiters import read_delimiters
from casecart.formats.hl7v2.header import Header
from casecart.formats.hl7v2.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Batch", "answer_batch", "read_batch", "split_messages"]

_MOST: Final = 10_000
"""Messages in one frame: each takes a row, and its answer a place in the answer."""

_START: Final = re.compile(rb"\A(?:\xef\xbb\xbf|[\r\n\t \0])*")
_LINE: Final = re.compile(rb"[^\r\n]+[\r\n]*")
_FIELDS: Final = 18


@dataclass(frozen=True, slots=True)
class Batch:
    """What was in a frame.

    Attributes:
        header: as of a message, to address an answer: sender and receiver of FHS or BHS, and as control id their field
            11, which names the file or batch.
        messages: each as sent.
        file: whether FHS and FTS stood around it.
    """

    header: Header
    messages: tuple[bytes, ...]
    file: bool


class _Reader:
    """Takes the segments of a frame one by one, and knows what may come next."""

    def __init__(self, header: Header, most: int) -> None:
        self.header, self.separator, self._most = header, header.separator, most
        self.messages: list[list[bytes]] = []
        self.file = self.batch = False
        self.batches = 0
        self._ended = self._in_message = self._loose = False
        self._before = 0  # messages before this batch

    def take(self, line: bytes) -> None:
        name = line[:3] if line[3:4] in (self.separator, b"\r", b"\n", b"") else b""
        if self._ended:
            raise self.refused("100", "Something stands behind FTS.", "FTS")
        if name == b"FHS":
            if self.file or self.batch or self.messages:
                raise self.refused("100", "FHS is not the first segment of the frame.", "FHS")
            self.file = True
        elif name == b"BHS":
            if self.batch or self._loose:
                raise self.refused("100", "A batch begins before the one before it has ended (BTS).", "BHS")
            self.batch, self._in_message, self._before = True, False, len(self.messages)
            self.batches += 1
        elif name == b"BTS":
            self._end_batch(line)
        elif name == b"FTS":
            self._end_file(line)
        else:
            self._content(name, line)

    def _content(self, name: bytes, line: bytes) -> None:
        if name == b"MSH":
            if not self.batch:
                if self.batches and not self._loose:
                    raise self.refused("100", "A message stands between two batches.", "MSH")
                # Messages of a file without BHS and BTS are one batch.
                self._loose, self.batches = True, 1
            if len(self.messages) >= self._most:
                raise self.refused("207", f"There are more than {self._most} messages in one.", "MSH")
            self._in_message = True
            self.messages.append([line])
        elif self._in_message:
            self.messages[-1].append(line)
        elif name != b"ARV":  # access restrictions of a file or batch, from 2.9 on
            raise self.refused("100", "A segment stands outside a message.", "")

    def _end_batch(self, line: bytes) -> None:
        if not self.batch:
            raise self.refused("100", "BTS ends a batch that BHS did not begin.", "BTS")
        self._count(line, len(self.messages) - self._before, "BTS", "messages of the batch")
        self.batch = self._in_message = False

    def _end_file(self, line: bytes) -> None:
        if not self.file:
            raise self.refused("100", "FTS ends a file that FHS did not begin.", "FTS")
        if self.batch:
            raise self.refused("100", "FTS stands before the end of a batch (BTS).", "FTS")
        self._count(line, self.batches, "FTS", "batches of the file")
        self._ended, self._in_message = True, False

    def end(self) -> None:
        if self.batch:
            raise self.refused("101", "The batch does not end (BTS): it may be cut off.", "BTS")
        if self.file and not self._ended:
            raise self.refused("101", "The file does not end (FTS): it may be cut off.", "FTS")

    def _count(self, line: bytes, expected: int, segment: str, what: str) -> None:
        said = line.rstrip(b"\r\n").split(self.separator)[1:2]
        number = said[0].strip() if said else b""
        if number and (not number.isdigit() or len(number) > 9 or int(number) != expected):  # noqa: PLR2004 - a thousand millions
            raise self.refused("207", f"{segment}-1 is not the number of the {what}: {expected} came.", segment, 1)

    def refused(self, error_code: str, words: str, segment: str, field: int = 0) -> Refused:
        problem = Problem(error_code=error_code, words=f"{words} Nothing was taken.", segment=segment, field=field)
        return Refused("batch", problem, header=self.header)


def read_batch(body: bytes, most: int = _MOST) -> Batch:
    """Take a frame or a file apart that begins with FHS or BHS.

    A batch ends in BTS, a file in FTS: one without can't be told from one that was cut off. The numbers of
    messages and of batches may be left out there (they are optional), and are right where they are given. No message at
    all is legal.

    Args:
        body: what came.
        most: messages that it may have.

    Raises:
        Refused: `delimiters`, or `batch`: the frame can't be taken as a whole, and so nothing of it is.
    """
    start = _START.match(body)
    lines = _LINE.findall(body, start.end() if start else 0)
    reader = _Reader(_header(lines), most)
    for line in lines:
        reader.take(line)
    reader.end()
    return Batch(reader.header, tuple(b"".join(message) for message in reader.messages), reader.file)


def split_messages(body: bytes, header: Header) -> list[bytes]:
    """The messages of a frame that begins with MSH and has several.

    Raises:
        Refused: there are too many.
    """
    # Before the first there may be a byte order mark or white space.
    starts = [match.start(1) for match in re.finditer(rb"[\r\n](MSH" + re.escape(header.separator) + b")", body)]
    first = _START.match(body)
    starts = [start for start in starts if first is None or start > first.end()]
    if len(starts) >= _MOST:
        words = f"The frame has more than {_MOST} messages. Nothing was taken."
        raise Refused("batch", Problem(error_code="207", words=words, segment="MSH"), header=header)
    return [body[start:end] for start, end in zip([0, *starts], [*starts, len(body)], strict=True)]


def answer_batch(batch: Batch, answers: Sequence[bytes], *, control_id: bytes, time: bytes) -> bytes:
    """The batch that answers one: the answers of its messages in their order, which may be none.

    Args:
        batch: that came.
        answers: messages, each ended by CR.
        control_id: of the answer itself, in BHS-11.
        time: BHS-7, as HL7 writes it.
    """
    fields, separator = batch.header.fields, batch.header.separator
    receiver, sender = fields[4:6], fields[2:4]
    encoding = batch.header.delimiters.encoding_characters.encode("ascii")
    head = [encoding, *receiver, *sender, time, b"", b"", b"", control_id, fields[9]]
    lines = [separator.join([b"BHS", *head]), b"\r", *answers, b"BTS", separator, b"%d" % len(answers), b"\r"]
    if batch.file:
        lines = [separator.join([b"FHS", *head]), b"\r", *lines, b"FTS", separator, b"1\r"]
    return b"".join(lines)


def _header(lines: list[bytes]) -> Header:
    """Of the first header segment, as a message has it. What only messages say is the first one's, for the answer."""
    first = lines[0].rstrip(b"\r\n")
    separator = first[3:4]
    found = [*(first.split(separator, 40) if separator else [first]), *[b""] * _FIELDS]
    delimiters = read_delimiters(separator.decode("latin-1"), found[1].decode("latin-1"))
    message = next((line for line in lines if line[:3] == b"MSH" and line[3:4] == separator), b"").rstrip(b"\r\n")
    said = [*message.split(separator, 40), *[b""] * _FIELDS] if message else [b""] * _FIELDS
    fields = [b"MSH", found[1], *found[2:7], b"", b"ACK", found[10], said[10] or b"P", said[11], *said[12:_FIELDS]]
    fields[12:17] = [b""] * 5
    return Header(fields, separator, delimiters)
