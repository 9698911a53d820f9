"""What comes of reading a code: one device, several that it could be, or none."""

from __future__ import annotations

from datetime import date, time
from typing import Final, Literal

import msgspec

from casecart.formats.udi.note import Note
from casecart.formats.udi.piece import Mark, Piece, pieces

__all__ = ["REFUSALS", "Agency", "Ambiguous", "Form", "Reading", "Udi", "Unreadable", "Wrong"]

Agency = Literal["GS1", "HIBCC", "ICCBBA", "IFA"]

Form = Literal["scanned", "printed", "bare", "envelope"]


class Udi(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A code that has one reading.

    Attributes:
        text: as given.
        agency: whose grammar it is in.
        form: as a scanner sends it, as it is printed for people, the bare device identifier, or in an ISO 15434
            envelope.
        di: the device identifier as GUDID has it: a GTIN on 14 digits, LIC + PCN + unit of measure, ISBT 128's 16 or
            10 characters, a PPN. None: this is the second code of a label.
        lot, serial: as written, cases kept.
        expiry: the last day on which it may be used. A month without a day means the last of that month.
        expiry_time: the hour of that day, where one is stated.
        manufactured: likewise a day.
        month_only: which of `expiry` and `manufactured` are stated without a day.
        quantity: of what is inside, where the code says so. A scan says nothing about how many were used.
        donation_id: the donation identification number of ISBT 128, its two flag characters included.
        warnings: what deserves a look. Nothing was corrected.
        marks: which part of the text is what; `pieces` says it in words.
    """

    text: str
    agency: Agency
    form: Form
    di: str | None = None
    lot: str | None = None
    serial: str | None = None
    expiry: date | None = None
    expiry_time: time | None = None
    manufactured: date | None = None
    month_only: tuple[str, ...] = ()
    quantity: int | None = None
    donation_id: str | None = None
    warnings: tuple[Note, ...] = ()
    marks: tuple[Mark, ...] = ()

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """Every character of the text, in order, and what it is."""
        said: dict[str, object] = {
            "expiry": self.expiry if self.expiry_time is None else f"{self.expiry} {self.expiry_time:%H:%M}",
            "manufactured": self.manufactured,
            "di": self.di,
            "quantity": self.quantity,
        }
        return pieces(self.text, self.marks, self.agency, said, self.month_only)


class Ambiguous(msgspec.Struct, frozen=True, kw_only=True):
    """A code that can be read in several ways, none of which the code itself decides.

    Attributes:
        text: as given.
        code: why: `separators-lost`, `parentheses` or `check-lost`.
        words: the same for a person.
        readings: what it could be, the one that takes it as written first. There can be a single one: then the code
            can't be taken as written, and this is a repair that nobody confirmed.
        complete: whether these are all; the search is bounded.
    """

    text: str
    code: str
    words: str
    readings: tuple[Udi, ...]
    complete: bool = True

    @property
    def di(self) -> str | None:
        """The device identifier, if all readings have the same."""
        (first, *others) = {reading.di for reading in self.readings}
        return None if others else first


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """No code that is known here, or a broken one.

    Attributes:
        code: stable, one of `REFUSALS`.
        words: what is wrong and what to do. Never a part of the text.
        position: where it breaks, counting characters from 0; None: nowhere in particular.
    """

    code: str
    words: str
    position: int | None = None


Reading = Udi | Ambiguous | Unreadable


class Wrong(Exception):
    """The text breaks the grammar that it is read by. Never leaves this package."""

    def __init__(self, code: str, words: str, position: int | None = None) -> None:
        super().__init__(words)
        self.code, self.words, self.position = code, words, position


# Each with what a person is to make of it.
REFUSALS: Final = {
    "empty": "Nothing was given.",
    "too-long": "It is longer than any device's code.",
    "control-character": "A control character is in it that no code has.",
    "foreign-digit": "A digit of another script is in it.",
    "unknown-form": "It begins like no code known here.",
    "agency-unknown": "A bare identifier with letters: it does not say which agency's it is.",
    "unknown-element": "An identifier is not one of its standard.",
    "bad-element": "A value does not have its identifier's length or digits.",
    "structure": "It does not have the parts that its standard wants.",
    "contradiction": "It says two different things of one kind.",
    "separators-lost": "The separators are missing, and no reading fits.",
    "no-di": "It has no device identifier, and nothing shows that it is a code.",
    "basic-udi-di": "A Basic UDI-DI names a family of devices in registrations, and no device.",
}
