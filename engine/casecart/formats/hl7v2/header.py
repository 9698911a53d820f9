"""The header of a message, read from its bytes before anything else is known about it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from casecart.formats.hl7v2.delimiters import Delimiters, read_delimiters
from casecart.formats.hl7v2.problem import NO_CONTROL_ID, Problem, Refused

__all__ = ["Header", "MessageType", "read_header"]

# MSH-n is fields[n - 1]: MSH-1 is the separator itself, and what stands before it is the segment's name.
_LAST_FIELD: Final = 18
_MISSING: Final = [b""] * _LAST_FIELD
# More than the standard has. Nobody shall make us cut ten megabytes of separators into ten million fields.
_MOST_FIELDS: Final = 40

# What senders put before MSH without meaning it. (A control character alone in a frame is not a message.)
_LEADING: Final = re.compile(rb"(?:\xef\xbb\xbf|[\r\n\t \0])+")
# How UTF-16 and UTF-32 begin when their NULs are left out: a byte order mark, or none.
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff", b"MSH")
_BATCH: Final = (b"FHS", b"BHS")


class MessageType(NamedTuple):
    """MSH-9. `event` is how channels name it: `DFT^P03`, whatever the component separator."""

    code: str
    trigger: str
    structure: str
    event: str


class Header:
    """MSH as the listener needs it: its fields as sent, in bytes, since the charset is declared in it.

    Attributes:
        fields: MSH-n is `fields[n - 1]`, 18 to 40 of them; an absent one is empty. Use the names below.
        separator: MSH-1.
        delimiters: what MSH-1 and MSH-2 mean.
    """

    __slots__ = ("delimiters", "fields", "separator")

    def __init__(self, fields: list[bytes], separator: bytes, delimiters: Delimiters) -> None:
        self.fields = fields
        self.separator = separator
        self.delimiters = delimiters

    @property
    def sending_application(self) -> bytes:
        """MSH-3."""
        return self.fields[2]

    @property
    def sending_facility(self) -> bytes:
        """MSH-4."""
        return self.fields[3]

    @property
    def receiving_application(self) -> bytes:
        """MSH-5."""
        return self.fields[4]

    @property
    def receiving_facility(self) -> bytes:
        """MSH-6."""
        return self.fields[5]

    @property
    def time(self) -> bytes:
        """MSH-7."""
        return self.fields[6]

    @property
    def message_type(self) -> MessageType:
        """MSH-9."""
        return _message_type(self.fields[8], self.delimiters.component)

    @property
    def event(self) -> str:
        """MSH-9 as channels name it, for example `DFT^P03`."""
        return _message_type(self.fields[8], self.delimiters.component).event

    @property
    def control_id(self) -> bytes:
        """MSH-10, verbatim: an acknowledgement gives it back like this."""
        return self.fields[9]

    @property
    def processing_id(self) -> bytes:
        """MSH-11."""
        return self.fields[10]

    @property
    def version(self) -> bytes:
        """MSH-12."""
        return self.fields[11]

    @property
    def sequence_number(self) -> bytes:
        """MSH-13."""
        return self.fields[12]

    @property
    def continuation_pointer(self) -> bytes:
        """MSH-14."""
        return self.fields[13]

    @property
    def accept_acknowledgment(self) -> bytes:
        """MSH-15."""
        return self.fields[14]

    @property
    def application_acknowledgment(self) -> bytes:
        """MSH-16."""
        return self.fields[15]

    @property
    def character_set(self) -> bytes:
        """The first repetition of MSH-18 that has a value; it holds from MSH on."""
        field = self.fields[17]
        repetition = self.delimiters.repetition.encode()
        return field.strip(repetition).split(repetition, 1)[0] if repetition in field else field

    @property
    def problem(self) -> Problem | None:
        """Why the message must be rejected although its header was read; None if it needn't be."""
        return None if self.fields[9].strip() else NO_CONTROL_ID

    def field(self, number: int) -> bytes:
        """MSH-`number` as sent, empty if absent."""
        if number == 1:
            return self.separator
        return self.fields[number - 1] if 1 < number <= len(self.fields) else b""

    def __repr__(self) -> str:
        # Not the fields: a sender's typing error can put a patient there.
        return f"<Header {self.event}>"


def read_header(body: bytes) -> Header:
    """Read the header of one message.

    A byte order mark and white space before MSH are passed over; segments may end in CR, LF or both.

    Args:
        body: what a frame held.

    Raises:
        Refused: `no-header`, `delimiters`, `utf-16`, `several-messages` or `batch`. A missing control id is
            not refused but told by `Header.problem`, since the answer needs the header.
    """
    start = 0
    if body[:3] != b"MSH":
        start = _start(body)
    end = body.find(b"\r", start)
    segment = body[start:end] if end >= 0 else body[start:]
    if b"\n" in segment:
        segment = segment[: segment.index(b"\n")]
    separator = segment[3:4]
    fields = segment.split(separator, _MOST_FIELDS) if separator else [segment]
    if len(fields) < _LAST_FIELD:
        fields += _MISSING[len(fields) :]
    delimiters, after_cr, after_lf = _delimiters(separator, fields[1])
    header = Header(fields, separator, delimiters)
    if body.find(after_cr, start) >= 0 or (b"\n" in body and body.find(after_lf, start) >= 0):
        raise Refused(
            "several-messages",
            Problem(
                error_code="100",
                words="More than one MSH segment in a frame: send each message in its own frame.",
                segment="MSH",
                occurrence=2,
            ),
            header=header,
        )
    return header


@lru_cache(maxsize=256)
def _delimiters(separator: bytes, encoding: bytes) -> tuple[Delimiters, bytes, bytes]:
    """The delimiters, and what a second header in the frame would look like."""
    delimiters = read_delimiters(separator.decode("latin-1"), encoding.decode("latin-1"))
    return delimiters, b"\rMSH" + separator, b"\nMSH" + separator


@lru_cache(maxsize=1024)
def _message_type(field: bytes, component: str) -> MessageType:
    code, trigger, structure = ([part.strip() for part in field.decode("latin-1").split(component)] + ["", ""])[:3]
    return MessageType(code, trigger, structure, f"{code}^{trigger}")


def _start(body: bytes) -> int:
    """Where MSH begins when it isn't the first thing in the body."""
    leading = _LEADING.match(body)
    start = leading.end() if leading else 0
    if body.startswith(b"MSH", start):
        return start
    if body[:16].replace(b"\0", b"").startswith(_WIDE):
        raise Refused(
            "utf-16",
            Problem(error_code="207", words="UTF-16 and UTF-32 can't be sent in MLLP frames: use UTF-8."),
        )
    if body[start : start + 3] in _BATCH:
        raise Refused(
            "batch",
            Problem(
                error_code="200",
                words="This is a batch (FHS, BHS), and not one message.",
                segment=body[start : start + 3].decode("ascii"),
            ),
        )
    raise Refused("no-header", Problem(error_code="207", words="The message doesn't begin with an MSH segment."))
