"""FHIR's primitive types: what JSON has for them and what may stand there (FHIR R5, data types).

More is let pass than FHIR does, where nothing that casecart reads hangs on it: blanks in a code or a URI, and control
characters in a text, because the identifier of a device may be sent with its separators (U+001D).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

__all__ = ["DIGITS", "LONGEST", "PRIMITIVES", "Number", "Primitive", "Text"]

LONGEST: Final = 1024 * 1024
"""Characters of a text (data type string)."""

DIGITS: Final = 100
"""More digits, or a larger exponent, has no number that anybody means."""


@dataclass(frozen=True, slots=True)
class Text:
    """A primitive type that JSON has as a string.

    Attributes:
        words: what is expected, to end a sentence that begins "must be".
        pattern: of the whole; empty where any will do that isn't empty.
        longest: in characters; 0: as long as the whole resource may be.
    """

    words: str
    pattern: str = ""
    longest: int = 0

    def holds(self, value: str) -> bool:
        """Whether the value is one of this type; its length apart."""
        return re.search(self.pattern, value) is not None if self.pattern else value != ""


@dataclass(frozen=True, slots=True)
class Number:
    """A primitive type that JSON has as a number, or, where the number may be too large for that, as a string.

    Attributes:
        words: as of `Text`.
        low, high: both may be reached; None for a decimal.
        text: whether a string of digits is taken too.
    """

    words: str
    low: int = 0
    high: int = 0
    text: bool = False

    @property
    def decimal(self) -> bool:
        """Whether it may have a point."""
        return self.low == self.high

    def holds(self, value: int | Decimal) -> bool:
        """Whether the number is one of this type."""
        if self.decimal:
            return isinstance(value, Decimal) or -(10**DIGITS) < value < 10**DIGITS
        return isinstance(value, int) and self.low <= value <= self.high


Primitive = Text | Number | bool
"""`bool` itself stands for the type boolean."""

_LEAP = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
_YEAR = "(?!0000)[0-9]{4}"
_DAY_OF_YEAR = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_DAY = f"(?:{_YEAR}-{_DAY_OF_YEAR}|(?!0000){_LEAP}-02-29)"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = "(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)"
_MONTH = f"{_YEAR}(?:-(?:0[1-9]|1[0-2]))?"

_ANY = Text("a text", longest=LONGEST)
_URI = Text("a URI", longest=LONGEST)

PRIMITIVES: Final[dict[str, Primitive]] = {
    "base64Binary": Text("bytes in base64", r"\A[0-9A-Za-z+/=\s]*\Z"),
    "boolean": True,
    "canonical": _URI,
    "code": Text("a code", longest=LONGEST),
    "date": Text("a day, month or year, as 2026-11-03", rf"\A(?:{_DAY}|{_MONTH})\Z"),
    "dateTime": Text(
        "a day, month or year, or a time with its zone, as 2026-11-03T10:15:00-06:00",
        rf"\A(?:{_DAY}(?:T{_TIME}{_ZONE})?|{_MONTH})\Z",
    ),
    "decimal": Number("a number"),
    "id": Text("up to 64 letters, digits, - and .", r"\A[A-Za-z0-9\-.]{1,64}\Z"),
    "instant": Text("a time with its zone, as 2026-11-03T10:15:00.000-06:00", rf"\A{_DAY}T{_TIME}{_ZONE}\Z"),
    "integer": Number("a whole number of 32 bits", -(2**31), 2**31 - 1),
    "integer64": Number("a whole number of 64 bits", -(2**63), 2**63 - 1, text=True),
    "markdown": _ANY,
    "oid": Text("urn:oid: and an OID", r"\Aurn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+\Z"),
    "positiveInt": Number("a whole number from 1", 1, 2**31 - 1),
    "string": _ANY,
    "time": Text("a time of day, as 10:15:00", rf"\A{_TIME}\Z"),
    "unsignedInt": Number("a whole number from 0", 0, 2**31 - 1),
    "uri": _URI,
    "url": _URI,
    "uuid": Text("urn:uuid: and a UUID", r"\Aurn:uuid:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z"),
    "xhtml": Text("the text of an XHTML div"),
}
