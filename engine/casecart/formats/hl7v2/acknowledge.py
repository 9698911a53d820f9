"""Acknowledgements: which code a message gets, and the message that carries it."""

from __future__ import annotations

import re
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

from casecart.formats.hl7v2.charset import codec
from casecart.formats.hl7v2.delimiters import STANDARD, Delimiters
from casecart.formats.hl7v2.escape import escape
from casecart.formats.hl7v2.problem import ERROR_TEXTS, Problem

if TYPE_CHECKING:
    from casecart.formats.hl7v2.header import Header

__all__ = ["AckCode", "Mode", "Outcome", "acknowledge", "wanted"]

# Table 0008. A* answer in original mode, C* in enhanced mode.
AckCode: TypeAlias = Literal["AA", "AE", "AR", "CA", "CE", "CR"]

# How a listener answers: as MSH-15 and MSH-16 ask for, in one of the two modes whatever they say, or never.
Mode: TypeAlias = Literal["auto", "original", "enhanced", "none"]

# What came of a message: safely stored; not taken, for a reason that may pass; not acceptable.
Outcome: TypeAlias = Literal["accepted", "error", "rejected"]

_ORIGINAL: Final[dict[Outcome, AckCode]] = {"accepted": "AA", "error": "AE", "rejected": "AR"}
_ENHANCED: Final[dict[Outcome, AckCode]] = {"accepted": "CA", "error": "CE", "rejected": "CR"}

# Table 0155, what MSH-15 asks for. AL, and a value that is not in the table, gets an answer in any case: one
# too many does less harm than a sender that waits.
_ANSWERED: Final[dict[bytes, frozenset[Outcome]]] = {
    b"NE": frozenset(),
    b"ER": frozenset({"error", "rejected"}),
    b"SU": frozenset({"accepted"}),
}


def wanted(header: Header | None, mode: Mode, outcome: Outcome) -> AckCode | None:
    """The code to answer a message with, or None if no answer is wanted (HL7 v2.8.2 §2.8.2, §2.8.3).

    In `auto`, a message with MSH-15 and MSH-16 both empty is answered in original mode; any other gets the
    accept acknowledgement of enhanced mode under the condition in MSH-15, a missing one meaning NE. In
    `enhanced`, both empty means AL, since the setting is then all there is to go by.

    Args:
        header: the message's; None if it could not be read: it is then answered, as `auto` does in original
            mode.
        mode: the listener's or the peer's.
        outcome: what came of the message.
    """
    if mode == "none":
        return None
    codes = _ENHANCED if mode == "enhanced" else _ORIGINAL
    if mode == "original" or header is None:
        return codes[outcome]
    accept = _condition(header.accept_acknowledgment)
    if accept:
        answered = _ANSWERED.get(accept)
        return _ENHANCED[outcome] if answered is None or outcome in answered else None
    return None if _condition(header.application_acknowledgment) else codes[outcome]


def _condition(field: bytes) -> bytes:
    return field.strip().upper() if field and field != b'""' else b""


def acknowledge(
    header: Header | None,
    code: AckCode,
    *,
    control_id: bytes,
    time: bytes,
    text: str = "",
    error: Problem | None = None,
) -> bytes:
    """Build the acknowledgement of a message, in its sender's version, delimiters and character set.

    Args:
        header: of the message that is answered; None if it could not be read, for an answer to whom it may
            concern.
        code: see `wanted`.
        control_id: MSH-10 of the answer itself: the answerer's own, never the message's.
        time: MSH-7 of the answer, as HL7 writes it: `20240315101530.123-0500`.
        text: MSA-3, left out from 2.7 on, where it was withdrawn. No message content.
        error: told in an ERR segment, in the form of the sender's version.

    Returns:
        The message, not framed. MSA-2 is the message's MSH-10, byte for byte.
    """
    if header is None:
        shape, inbound = _UNADDRESSED, b""
    else:
        shape, inbound = _shape(header.delimiters, _copied(header.fields)), header.fields[9]
    start, middle, end, separator = shape.start, shape.middle, shape.end, shape.separator
    head = b"".join((start, time, middle, control_id, end, code.encode(), separator, inbound))
    if not text and error is None:
        return head + b"\r"
    tail = ""
    if text and shape.version < _WITHOUT_MSA_3:
        tail = shape.delimiters.field + escape(text, shape.delimiters)
    if error is not None:
        tail += "\r" + _err(error, shape.delimiters, shape.version)
    charset = codec(header.character_set.decode("latin-1")) if header else None
    # Our words are ASCII. Should somebody's not be, and the sender's set not have them: "?" is still an
    # answer.
    return head + tail.encode(charset or "ascii", "replace") + b"\r"


# The versions that changed what an acknowledgement looks like.
_WITH_TRIGGER: Final = (2, 3, 1)
_WITH_STRUCTURE: Final = (2, 4)
_WITH_ERR_2: Final = (2, 5)
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


def _err(error: Problem, delimiters: Delimiters, version: tuple[int, ...]) -> str:
    """The ERR segment: ERR-1 up to 2.4, ERR-2, 3, 4 and 8 from 2.5 on."""
    segment, occurrence = error.segment, str(error.occurrence)
    field, component = str(error.field or ""), str(error.component or "")
    code = [error.error_code, escape(ERROR_TEXTS.get(error.error_code, ""), delimiters), "HL70357"]
    if version < _WITH_ERR_2:
        old_code = delimiters.subcomponent.join(code if delimiters.subcomponent else code[:1])
        place = [segment, occurrence if segment else "", field, old_code]
        return delimiters.field.join(["ERR", delimiters.component.join(place)])
    place = [segment, occurrence]
    if field:
        place += [field]
    if component:
        place += ["1", component]
    return delimiters.field.join(
        [
            "ERR",
            "",
            delimiters.component.join(place) if segment else "",
            delimiters.component.join(code),
            error.severity,
            "",
            "",
            "",
            escape(error.words, delimiters),
        ]
    )


_UNADDRESSED: Final = _shape(STANDARD, (b"", b"", b"", b"", b"ACK", b"P", b"2.5.1", b""))
