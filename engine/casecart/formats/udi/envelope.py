"""ISO 15434 envelopes: IFA's codes and HIBCC's with ASC data identifiers (format 06), and GS1 in one (format 05)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from casecart.formats.udi import day, hibc, ppn
from casecart.formats.udi.control import EOT, GS, RS, mended, refuse_others
from casecart.formats.udi.draft import Draft
from casecart.formats.udi.note import CHARACTER, CHECK_DIGIT, ELEMENT, LENGTH, SEPARATOR
from casecart.formats.udi.reading import REFUSALS, Ambiguous, Udi, Wrong
from casecart.formats.udi.scan import scanned

if TYPE_CHECKING:
    from casecart.formats.udi.reading import Agency, Form

__all__ = ["HEADER", "IDENTIFIERS", "data", "enclosed"]

HEADER: Final = "[)>"

# What a device's code begins with where the envelope was taken off: PPN, HIBCC's device identifier.
IDENTIFIERS: Final = ("9N", "25P")

_OPENING: Final = re.compile(rf"\[\)>{RS}*(0[56]){GS}*")
_CLOSING: Final = f"{RS}{EOT}{GS}"
_ELEMENT: Final = re.compile(r"([0-9]{0,3}[A-Z])(.+)")
_KINDS: Final = {"1T": "lot", "S": "serial"}
_DIGITS: Final = {"D": 6, "16D": 8, "14D": 8}
_PLAIN: Final = re.compile(r"[0-9A-Za-z_\-]*")
_LONGEST: Final = 20
_FORMAT_GS1: Final = "05"


def enclosed(text: str, start: int, end: int, year: int) -> Udi | Ambiguous:
    """What an envelope holds. Control characters that became others are understood.

    Raises:
        Wrong: no envelope, or none with a device's code.
    """
    inside = mended(text)
    opening = _OPENING.match(inside, start, end)
    if opening is None:
        raise Wrong("structure", "After [)> come the control character 0x1E and format 05 or 06.", start)
    while end > opening.end() and inside[end - 1] in _CLOSING:
        end -= 1
    if opening[1] == _FORMAT_GS1:
        reading = scanned(inside, opening.end(), end, year, prefixed=True)
        if isinstance(reading, Ambiguous):
            readings = tuple(msgspec.structs.replace(each, text=text) for each in reading.readings)
            return msgspec.structs.replace(reading, text=text, readings=readings)
        notes = reading.warnings if inside == text else (SEPARATOR, *reading.warnings)
        return msgspec.structs.replace(reading, text=text, form="envelope", warnings=notes)
    return _elements(text, inside, opening.end(), end, year=year, form="envelope")


def data(text: str, start: int, end: int, year: int) -> Udi:
    """What ASC data elements say that have no envelope around them.

    Raises:
        Wrong: they say nothing of a device.
    """
    inside = mended(text)
    while end > start and inside[end - 1] in _CLOSING:
        end -= 1
    return _elements(text, inside, start, end, year=year, form="scanned")


def _elements(text: str, inside: str, start: int, end: int, *, year: int, form: Form) -> Udi:
    refuse_others(inside, start, end)
    draft = Draft(text)
    if inside != text:
        draft.note(SEPARATOR)
    agencies: set[Agency] = set()
    # A separator behind the last element ends it too.
    alone = GS not in inside[start : end + 1]
    at = start
    while at < end:
        stop = inside.find(GS, at, end)
        stop = end if stop < 0 else stop
        if stop > at:
            match = _ELEMENT.fullmatch(inside, at, stop)
            if match is None:
                raise Wrong("unknown-element", REFUSALS["unknown-element"], at)
            identifier, begin = match[1], match.start(2)
            if identifier in IDENTIFIERS:
                agencies.add(_identifier(draft, identifier, begin, stop, alone=alone))
            elif identifier in _DIGITS:
                _date(draft, identifier, begin, stop, year=year)
            else:
                _other(draft, identifier, begin, stop)
        at = stop + 1
    if not agencies:
        raise Wrong("no-di", "It has neither a PPN (9N) nor HIBCC's device identifier (25P).", start)
    return draft.udi(agencies.pop(), form)


def _identifier(draft: Draft, identifier: str, begin: int, end: int, *, alone: bool) -> Agency:
    """Reads a device identifier; gives whose it is."""
    at = begin - len(identifier)
    if identifier == "25P":
        draft.mark("header", identifier, at, begin, begin)
        hibc.identify(draft, begin, end)
        return "HIBCC"
    value = draft.mark("di", identifier, at, begin, end)
    fits = ppn.is_ppn(value) and ppn.fits(value)
    if not fits and alone:
        raise Wrong("separators-lost", "What follows 9N is no PPN with right check digits, and nothing ends it.", at)
    if not ppn.is_ppn(value):
        raise Wrong("bad-element", "What follows 9N is no PPN.", at)
    if not fits:
        draft.note(CHECK_DIGIT)
    draft.state("di", value, at)
    return "IFA"


def _other(draft: Draft, identifier: str, begin: int, end: int) -> None:
    kind = _KINDS.get(identifier, "other")
    value = draft.mark(kind, identifier, begin - len(identifier), begin, end)
    if kind == "other":
        draft.note(ELEMENT)
        return
    draft.state(kind, value, begin)
    if len(value) > _LONGEST:
        draft.note(LENGTH)
    if not _PLAIN.fullmatch(value):
        draft.note(CHARACTER)


def _date(draft: Draft, identifier: str, begin: int, end: int, *, year: int) -> None:
    at = begin - len(identifier)
    digits = draft.text[begin:end]
    if len(digits) != _DIGITS[identifier] or not (digits.isascii() and digits.isdecimal()):
        raise Wrong("bad-element", f"The date {identifier} must have {_DIGITS[identifier]} digits.", at)
    field = "manufactured" if identifier == "16D" else "expiry"
    draft.mark(field, identifier, at, begin, end)
    draft.state_day(field, day.yymmdd(digits, year) if identifier == "D" else day.yyyymmdd(digits), at)
