"""What deserves a look in a code that could be read: a stable code and its words. Never a value out of the code."""

from __future__ import annotations

from typing import Final

import msgspec

__all__ = [
    "BASIC_UDI_DI",
    "CHARACTER",
    "CHECK_BLANK",
    "CHECK_CHARACTER",
    "CHECK_DIGIT",
    "CONTENTS",
    "COUNT",
    "DATE",
    "ELEMENT",
    "GTIN_LENGTH",
    "LENGTH",
    "NO_DATE",
    "NO_DI",
    "NO_SERIAL",
    "PARENTHESES",
    "SEPARATOR",
    "WARNINGS",
    "Note",
]


class Note(msgspec.Struct, frozen=True, gc=False):
    """One remark.

    Attributes:
        code: stable; a policy or a report may name it.
        words: for a person; the same for every code that earns the remark.
    """

    code: str
    words: str


CHECK_DIGIT: Final = Note(
    "check-digit", "The check digit does not fit the other digits: an item must have exactly this number."
)
CHECK_CHARACTER: Final = Note(
    "check-character", "The check character does not fit the rest: a character may be wrong, missing or swapped."
)
CHECK_BLANK: Final = Note(
    "check-blank", "The check character, a blank at the end, was lost on the way; the rest fits it."
)
GTIN_LENGTH: Final = Note("gtin-length", "The GTIN has fewer than 14 digits where 14 belong; zeros were put before it.")
NO_DI: Final = Note("no-di", "There is no device identifier in it: this is the second code of a label.")
CONTENTS: Final = Note(
    "contents", "The GTIN is that of what is inside a logistic unit (02), which identifies no device."
)
BASIC_UDI_DI: Final = Note(
    "basic-udi-di", "It also holds a Basic UDI-DI, which names a family of devices and is not the device identifier."
)
DATE: Final = Note("date", "A date is not in the calendar, or a time not on the clock; it was left out.")
NO_DATE: Final = Note("no-date", "A date is filled with zeros or nines: none is stated.")
NO_SERIAL: Final = Note("no-serial", "The serial number is all zeros: none is stated.")
SEPARATOR: Final = Note("separator", "The separators arrived as other characters; they were read as separators.")
PARENTHESES: Final = Note(
    "parentheses", "A value contains what looks like an application identifier in parentheses; it can't be one there."
)
CHARACTER: Final = Note("character", "A value has a character that its standard does not allow there.")
LENGTH: Final = Note("length", "A lot or serial number is longer than its standard allows.")
ELEMENT: Final = Note("element", "It holds an element that is not known here; it was kept and not read.")
COUNT: Final = Note("count", "The header announces another number of elements than there are.")

WARNINGS: Final = (
    CHECK_DIGIT,
    CHECK_CHARACTER,
    CHECK_BLANK,
    GTIN_LENGTH,
    NO_DI,
    CONTENTS,
    BASIC_UDI_DI,
    DATE,
    NO_DATE,
    NO_SERIAL,
    SEPARATOR,
    PARENTHESES,
    CHARACTER,
    LENGTH,
    ELEMENT,
    COUNT,
)
