"""What a receiver answered to a message: the acknowledgement, read as far as its sender needs it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from casecart.formats.hl7v2.header import read_header
from casecart.formats.hl7v2.problem import ERROR_TEXTS, Problem, Refused

if TYPE_CHECKING:
    from casecart.formats.hl7v2.acknowledge import AckCode
    from casecart.formats.hl7v2.delimiters import Delimiters

__all__ = ["Reply", "read_reply"]

_CODES: Final = frozenset({"AA", "AE", "AR", "CA", "CE", "CR"})

_LINES: Final = re.compile(rb"[\r\n]+")
_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,2}")

_MOST_ERRORS: Final = 20
"""ERR segments that are looked at: somebody's answer is no place for thousands."""


class Reply(NamedTuple):
    """An acknowledgement.

    Attributes:
        code: MSA-1.
        control_id: MSA-2, without spaces around it: of the message that is answered.
        errors: what its ERR segments name: codes of table 0357 that the table has, in the table's words, and the place.
            Never the receiver's own text (MSA-3, ERR-7, ERR-8), which may repeat what the message said.
        unsuccessful: of an answer to master data (MFK), whether a record was not taken: whether an MFA-4 says anything
            but `S` (table 0181).
    """

    code: AckCode
    control_id: bytes
    errors: tuple[Problem, ...]
    unsuccessful: bool = False

    @property
    def accepted(self) -> bool:
        """Whether it says that the message was taken."""
        return self.code in ("AA", "CA")


def read_reply(body: bytes) -> Reply:
    """Read an acknowledgement.

    Args:
        body: what a frame held.

    Raises:
        Refused: it is none: as `read_header` does, or `no-acknowledgement` where MSA is missing, or says a code that
            table 0008 does not have.
    """
    header = read_header(body)
    delimiters = header.delimiters
    separator = delimiters.field.encode()
    wanted = {name + separator for name in (b"MSA", b"ERR", b"MFA")}
    segments = [line.split(separator) for line in _LINES.split(body) if line[:4] in wanted]
    found = next((fields for fields in segments if fields[0] == b"MSA"), None)
    code = "" if found is None else found[1].decode("latin-1").strip().upper()
    if found is None or code not in _CODES:
        words = "The answer is no acknowledgement: it has no MSA segment, or MSA-1 is no code of table 0008."
        raise Refused("no-acknowledgement", Problem(error_code="100", words=words, segment="MSA"), header=header)
    errors = [fields for fields in segments if fields[0] == b"ERR"][:_MOST_ERRORS]
    told = [_error([field.decode("latin-1") for field in fields], delimiters) for fields in errors]
    control_id = found[2].strip() if len(found) > 2 else b""  # noqa: PLR2004 - MSA-2
    component = delimiters.component.encode()
    records = {fields[4].split(component)[0].strip().upper() for fields in segments if _says_of_a_record(fields)}
    return Reply(cast("AckCode", code), control_id, tuple(filter(None, told)), bool(records - {b"", b"S"}))


def _says_of_a_record(fields: list[bytes]) -> bool:
    return fields[0] == b"MFA" and len(fields) > 4  # noqa: PLR2004 - MFA-4


def _error(fields: list[str], delimiters: Delimiters) -> Problem | None:
    """What an ERR segment says: in ERR-2 and ERR-3 from 2.5 on, in ERR-1 before."""
    fields += [""] * 4
    component = delimiters.component
    if fields[3]:
        place = fields[2].split(delimiters.repetition)[0].split(component)
        segment, numbers = place[0], place[1:3] + place[4:5]
        code = fields[3].split(component)[0]
    else:
        place = [*fields[1].split(delimiters.repetition)[0].split(component), "", "", "", ""]
        segment, numbers = place[0], place[1:3]
        code = place[3].split(delimiters.subcomponent)[0] if delimiters.subcomponent else place[3]
    code = code.strip()
    if code not in ERROR_TEXTS:
        return None
    if _SEGMENT.fullmatch(segment) is None:
        return Problem(error_code=code, words=ERROR_TEXTS[code])
    occurrence, field, part = [int(each) if _NUMBER.fullmatch(each) else 0 for each in [*numbers, "", "", ""][:3]]
    return Problem(
        error_code=code,
        words=ERROR_TEXTS[code],
        segment=segment,
        occurrence=occurrence or 1,
        field=field,
        component=part,
    )
