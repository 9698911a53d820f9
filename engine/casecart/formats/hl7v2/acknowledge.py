"""Acknowledgements: which code a message gets, and the message that carries it."""

from __future__ import annotations

import re
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from casecart.formats.hl7v2.charset import codec
from casecart.formats.hl7v2.delimiters import STANDARD, Delimiters
from casecart.formats.hl7v2.error_segment import error_segments, written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from casecart.formats.hl7v2.header import Header
    from casecart.formats.hl7v2.problem import Problem

__all__ = ["AckCode", "Mode", "Outcome", "acknowledge", "wanted", "wanted_after"]

# Table 0008. A* tell the application's outcome, C* only that a message is safe (enhanced mode).
AckCode: TypeAlias = Literal["AA", "AE", "AR", "CA", "CE", "CR"]

# How a listener answers: as MSH-15 and MSH-16 ask for, in one of the two modes whatever they say, in both one after the
# other on the same connection, or never.
Mode: TypeAlias = Literal["auto", "original", "enhanced", "commit-then-app", "none"]

# What came of a message, or of the work on it: taken; an error, for a reason that may pass; rejected.
Outcome: TypeAlias = Literal["accepted", "error", "rejected"]

_ORIGINAL: Final[dict[Outcome, AckCode]] = {"accepted": "AA", "error": "AE", "rejected": "AR"}
_ENHANCED: Final[dict[Outcome, AckCode]] = {"accepted": "CA", "error": "CE", "rejected": "CR"}

# The modes whose first answer is an accept acknowledgement whatever the message says.
_ACCEPTING: Final = frozenset({"enhanced", "commit-then-app"})

# Table 0155, what MSH-15 and MSH-16 ask for. AL, and a value that is not in the table, gets an answer in any case: one
# too many does less harm than a sender that waits.
_ANSWERED: Final[dict[bytes, frozenset[Outcome]]] = {
    b"NE": frozenset(),
    b"ER": frozenset({"error", "rejected"}),
    b"SU": frozenset({"accepted"}),
}


def wanted(header: Header | None, mode: Mode, outcome: Outcome, work: Outcome = "accepted") -> AckCode | None:
    """The code to answer a message with, or None if no answer is wanted (HL7 v2.8.2 §2.8.2, §2.8.3).

    In `auto`, a message with MSH-15 and MSH-16 both empty is answered in original mode; any other gets the accept
    acknowledgement of enhanced mode under the condition in MSH-15, a missing one meaning NE. In `enhanced` and
    `commit-then-app`, both empty means AL, since the setting is then all there is to go by. In `commit-then-app` a
    message that is not taken, and whose sender wants no accept acknowledgement, is answered as `wanted_after` says.

    Args:
        header: the message's; None if it could not be read: it is then answered, as `auto` does in original
            mode.
        mode: the listener's or the peer's.
        outcome: what came of the message.
        work: of one that was accepted, what came of the work on it, where that is known. Only original mode tells it.
    """
    if mode == "none":
        return None
    accept = application = b""
    if header is not None and mode != "original":
        accept = _condition(header.accept_acknowledgment)
        application = _condition(header.application_acknowledgment)
    if not accept and not application:
        if mode in _ACCEPTING:
            return _ENHANCED[outcome]
        return _ORIGINAL[work if outcome == "accepted" else outcome]
    answered = _ANSWERED.get(accept or b"NE")
    if answered is None or outcome in answered:
        return _ENHANCED[outcome]
    if header is None or mode != "commit-then-app" or outcome == "accepted":
        return None
    return wanted_after(header, outcome)


def wanted_after(header: Header, work: Outcome) -> AckCode | None:
    """The code of the application acknowledgement that follows an accept acknowledgement, or None if none is wanted.

    MSH-16 is its condition. A missing one means NE where MSH-15 has a value (HL7 v2.8.2 §2.8.3), else AL.

    Args:
        header: the message's.
        work: what came of the work on it.
    """
    application = _condition(header.application_acknowledgment)
    if not application:
        return None if _condition(header.accept_acknowledgment) else _ORIGINAL[work]
    answered = _ANSWERED.get(application)
    return _ORIGINAL[work] if answered is None or work in answered else None


def _condition(field: bytes) -> bytes:
    return field.strip().upper() if field and field != b'""' else b""


def acknowledge(
    header: Header | None,
    code: AckCode,
    *,
    control_id: bytes,
    time: bytes,
    text: str = "",
    errors: Sequence[Problem] = (),
) -> bytes:
    """Build the acknowledgement of a message, in its sender's version, delimiters and character set.

    Args:
        header: of the message that is answered; None if it could not be read, for an answer to whom it may
            concern.
        code: see `wanted`.
        control_id: MSH-10 of the answer itself: the answerer's own, never the message's.
        time: MSH-7 of the answer, as HL7 writes it: `20240315101530.123-0500`.
        text: MSA-3, left out from 2.7 on, where it was withdrawn. No message content.
        errors: told in ERR, in the form of the sender's version.

    Returns:
        The message, not framed. MSA-2 is the message's MSH-10, byte for byte.
    """
    if header is None:
        shape, inbound = _UNADDRESSED, b""
    else:
        shape, inbound = _shape(header.delimiters, _copied(header.fields)), header.fields[9]
    start, middle, end, separator = shape.start, shape.middle, shape.end, shape.separator
    head = b"".join((start, time, middle, control_id, end, code.encode(), separator, inbound))
    if not text and not errors:
        return head + b"\r"
    tail = ""
    if text and shape.version < _WITHOUT_MSA_3:
        tail = shape.delimiters.field + written(text, shape.delimiters)
    for segment in error_segments(errors, shape.delimiters, shape.version):
        tail += "\r" + segment
    charset = codec(header.character_set.decode("latin-1")) if header else None
    # Our words are ASCII. Should somebody's not be, and the sender's set not have them: "?" is still an
    # answer.
    return head + tail.encode(charset or "ascii", "replace") + b"\r"


# The versions that changed what an acknowledgement looks like.
_WITH_TRIGGER: Final = (2, 3, 1)
_WITH_STRUCTURE: Final = (2, 4)
_WITHOUT_MSA_3: Final = (2, 7)

# What an acknowledgement takes from MSH: fields 3 to 6, 9, 11, 12 and 18.
_copied = itemgetter(2, 3, 4, 5, 8, 10, 11, 17)


class _Shape(NamedTuple):
    """What stays the same in the acknowledgements of one sender: around MSH-7, and from MSH-10 to MSA-1."""

    start: bytes
    middle: bytes
    end: bytes
    separator: bytes
    delimiters: Delimiters
    version: tuple[int, ...]


@lru_cache(maxsize=4096)
def _shape(delimiters: Delimiters, copied: tuple[bytes, ...]) -> _Shape:
    from_application, from_facility, to_application, to_facility = copied[:4]
    message_type, processing_id, version, character_set = copied[4:]
    separator = delimiters.field.encode("ascii")
    component = delimiters.component.encode("ascii")
    number = _version(version.split(component)[0])
    encoding = delimiters.encoding_characters.encode("ascii")
    answers = [b"MSH", encoding, to_application, to_facility, from_application, from_facility, b""]
    middle = [b"", b"", _ack_type(message_type, component, number), b""]
    end = [b"", processing_id, version]
    if character_set:
        end += [b"", b"", b"", b"", b"", character_set]
    return _Shape(
        separator.join(answers),
        separator.join(middle),
        separator.join(end) + b"\rMSA" + separator,
        separator,
        delimiters,
        number,
    )


def _ack_type(message_type: bytes, component: bytes, version: tuple[int, ...]) -> bytes:
    """MSH-9 of the answer: `ACK` up to 2.3, `ACK^P03` from 2.3.1, `ACK^P03^ACK` from 2.4."""
    trigger = message_type.split(component)[1:2]
    if not any(trigger) or version < _WITH_TRIGGER:
        return b"ACK"
    return component.join([b"ACK", *trigger, *([b"ACK"] if version >= _WITH_STRUCTURE else [])])


def _version(text: bytes) -> tuple[int, ...]:
    """MSH-12 in numbers. An unreadable one counts as the oldest, whose form every receiver understands."""
    match = re.match(rb"\s*(\d{1,3}(?:\.\d{1,3})+)", text)
    return tuple(map(int, match[1].split(b"."))) if match else (2,)


_UNADDRESSED: Final = _shape(STANDARD, (b"", b"", b"", b"", b"ACK", b"P", b"2.5.1", b""))
