"""Any code, or what somebody put where a code belongs, to what it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from casecart.formats.udi import envelope, hibc, isbt, ppn
from casecart.formats.udi.control import GS, refuse_others
from casecart.formats.udi.draft import Draft
from casecart.formats.udi.gtin import LENGTHS
from casecart.formats.udi.label import bare, printed, spaced
from casecart.formats.udi.note import CHECK_DIGIT
from casecart.formats.udi.reading import REFUSALS, Agency, Ambiguous, Reading, Udi, Unreadable, Wrong
from casecart.formats.udi.scan import SYMBOLOGIES, scanned

if TYPE_CHECKING:
    from datetime import date

__all__ = ["LONGEST", "parse"]

LONGEST: Final = 500
"""Characters. The longest code known here, with every element that a device has, is half of that."""

_DIGITS: Final = frozenset("0123456789")
_SYMBOLOGY: Final = re.compile(r"\][A-Za-z][0-9A-Za-z]")
_ENDS: Final = "\t\r\n"


def parse(text: str, *, today: date, agency: Agency | None = None) -> Reading:
    r"""Reads a code in any of the four agencies' grammars, scanned or printed.

    Args:
        text: the code. HL7's escapes are taken off before (`\T\` is `&`). A blank at the end may be HIBC's check
            character: don't strip it.
        today: for the century of a year of two digits.
        agency: whose a bare device identifier with letters is, where what stands around says so (PRT-16's root); it
            makes no difference to any other form.

    Returns:
        `Udi`; `Ambiguous` where the code itself does not decide what it says; `Unreadable`. It never raises.
    """
    try:
        return _read(text, today.year, agency)
    except Wrong as wrong:
        return Unreadable(code=wrong.code, words=wrong.words, position=wrong.position)


def _read(text: str, year: int, agency: Agency | None) -> Udi | Ambiguous:
    end = len(text)
    if end > LONGEST:
        raise Wrong("too-long", f"It is longer than {LONGEST} characters, which no device's code is.")
    if agency is not None and agency != "GS1" and (udi := _identifier(text, agency)) is not None:
        return udi
    if text[:1] not in _DIGITS or text[-1:] in _ENDS:
        start, end = _trimmed(text)
    else:
        start = 0
    if text[start] == "]" and (prefix := _SYMBOLOGY.match(text, start, end)) is not None:
        start += 3
        if prefix[0] in SYMBOLOGIES:
            return scanned(text, start, end, year, prefixed=True)
    if text[start : start + 1] in _DIGITS:
        if text.startswith(envelope.IDENTIFIERS, start):
            return envelope.data(text, start, end, year)
        return _digits(text, start, end, year)
    return _lettered(text, start, end, year)


def _trimmed(text: str) -> tuple[int, int]:
    """Where the code begins and ends without line ends and blanks; a blank at its end may belong to it."""
    start, end = 0, len(text)
    while start < end and text[start] in f" {_ENDS}":
        start += 1
    while end > start and text[end - 1] in _ENDS:
        end -= 1
    if start == end:
        raise Wrong("empty", REFUSALS["empty"])
    return start, end


def _digits(text: str, start: int, end: int, year: int) -> Udi | Ambiguous:
    """A GTIN alone, or elements of GS1."""
    while text[end - 1] == " ":
        end -= 1
    if end - start in LENGTHS and text[start:end].isdecimal() and text.isascii():
        return bare(text, start, end)
    try:
        return scanned(text, start, end, year, prefixed=False)
    except Wrong:
        found = spaced(text, start, end, year) if " " in text else None
        if found is None:
            raise
        return found


def _lettered(text: str, start: int, end: int, year: int) -> Udi | Ambiguous:
    first = text[start:end][:1]
    if first == GS:
        return scanned(text, start, end, year, prefixed=False)
    if first in {"(", "{"}:
        return printed(text, start, end, year)
    if first == "+" or text.startswith("*+", start):
        return hibc.labeled(text, start, end, year)
    if first in {"=", "&"}:
        return isbt.coded(text, start, len(text[:end].rstrip(" ")))
    if text.startswith(envelope.HEADER, start):
        return envelope.enclosed(text, start, end, year)
    refuse_others(text, start, end)
    raise _unknown(text[start:end].strip(" "))


def _unknown(code: str) -> Wrong:
    if code.startswith("PP") and ppn.is_ppn(f"{code}00"[:20]):
        return Wrong("basic-udi-di", REFUSALS["basic-udi-di"])
    if hibc.is_identifier(code):
        return Wrong("agency-unknown", REFUSALS["agency-unknown"])
    return Wrong("unknown-form", REFUSALS["unknown-form"])


def _identifier(text: str, agency: Agency) -> Udi | None:
    """The device identifier alone, as this agency has it; None if it isn't that."""
    code = text.strip(" \t\r\n")
    start = text.find(code)
    if agency == "ICCBBA":
        plain = len(code) in isbt.LENGTHS and code.isascii() and code.isalnum()
        return isbt.identified(text, start, start + len(code)) if plain else None
    draft = Draft(text)
    if agency == "HIBCC" and hibc.is_identifier(code):
        hibc.identify(draft, start, start + len(code))
    elif agency == "IFA" and ppn.is_ppn(code) and not code.startswith(("9N", "PP")):
        draft.state("di", draft.mark("di", "", start, start, start + len(code)), start)
        if not ppn.fits(code):
            draft.note(CHECK_DIGIT)
    else:
        return None
    return draft.udi(agency, "bare")
