"""Why a line of a message could not be mapped, for the person who works the exception."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CODES", "Problem"]


class Problem(msgspec.Struct, frozen=True, gc=False):
    """Why a line could not be mapped: one field of it. Never what the message says.

    Attributes:
        place: of the line in the message: `FT1[2]`.
        code: one of `CODES`.
        field: of the document.
        path: where in the message; several are separated by commas. Empty when the message has no part in it.
        words: what is wrong and what to do, for the person who has to.
        subject: what it is about, for programs: ``table:transaction-type=XX``; empty where it is nothing in particular.
    """

    place: str
    code: str
    field: str
    path: str
    words: str
    subject: str = ""


CODES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "missing": "A required value is not in the message.",
        "not-a-number": "The text is not a number as HL7 writes it: digits, perhaps a sign and a decimal point.",
        "not-a-date": "The text is not a date as HL7 writes it: YYYYMMDD, perhaps with a time.",
        "date-precision": "The date or time is less exact than the document needs: only a year, a month or a day.",
        "time-ambiguous": "The time has no offset, and the sender's clock showed it twice as summer time ended.",
        "time-skipped": "The time has no offset, and the sender's clock never showed it as summer time began.",
        "code-not-in-table": "The code table has no row for the sender's code, and no default row.",
        "conflict": "Places that must say the same say different things.",
        "udi-unreadable": "The text is not a device's code (UDI), or a broken one.",
        "udi-ambiguous": "The device's code (UDI) can be read in more than one way, and nothing decides which.",
        "path-failed": "A FHIRPath has no answer here: several values where one is wanted, or one of another type.",
        "modifier-extension": "The resource says by a modifierExtension that it may mean something else.",
        "invalid-resource": "The resource, or one that it names, is not as FHIR defines it.",
        "reference-not-found": "What the line refers to is not in the message, and the mapping reads it.",
        "resource-deleted": "The resource is deleted at its server, and what was told of it was posted.",
        "not-allowed": "The document's field can't have this value.",
        "quantity-sign": "The sign of the quantity contradicts the action, or nothing says what it means.",
    }
)
"""Every code that a problem can have, with one line that explains it; docs are made from this."""
