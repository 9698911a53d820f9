"""ICCBBA's ISBT 128: data identifiers of two characters, each with a value of one length, without separators."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from casecart.formats.udi import day
from casecart.formats.udi.control import refuse_others
from casecart.formats.udi.draft import Draft
from casecart.formats.udi.note import CHARACTER, COUNT, NO_DI, NO_SERIAL
from casecart.formats.udi.reading import REFUSALS, Udi, Wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LENGTHS", "coded", "identified"]

# Of a device identifier: medical devices with human tissue, and blood containers.
LENGTHS: Final = {16: "=/", 10: "=)"}


class _Structure(NamedTuple):
    """A data structure: its data identifier, what it is, how long it is without the identifier."""

    identifier: str
    kind: str
    length: int


# ICCBBA ST-011 and FDA's table "UDI formats by FDA-accredited issuing agency".
_STRUCTURES: Final = {
    structure.identifier: structure
    for structure in (
        _Structure("=+", "header", 5),
        _Structure("=/", "di", 16),
        _Structure("=,", "serial", 6),
        _Structure("=>", "expiry", 6),
        _Structure("=}", "manufactured", 6),
        _Structure("&,1", "lot", 18),
        _Structure("=)", "di", 10),
        _Structure("&)", "lot", 10),
    )
}

# The donation identification number's own first character, a letter or a digit, is the second of its identifier.
_DONATION: Final = _Structure("=", "donation", 15)
_VALUE: Final = re.compile(r"[0-9A-Za-z]+")
_CODE: Final = re.compile(r"[!-~]+")


def coded(text: str, start: int, end: int) -> Udi:
    """What a code that begins with `=` or `&` says.

    Args:
        text: the code; HL7's `&` is to be unescaped or put together again before.
        start: where it begins.
        end: where it ends.

    Raises:
        Wrong: it is no ISBT 128, or has a data structure that is not known here.
    """
    if not _CODE.fullmatch(text, start, end):
        refuse_others(text, start, end)
        raise Wrong("structure", "ISBT 128 has letters, digits and signs of ASCII only.", start)
    draft = Draft(text)
    announced = 0
    for structure, at, value, stop in _structures(text, start, end):
        part = draft.mark(structure.kind, structure.identifier, at, value, stop)
        if not _VALUE.fullmatch(part):
            draft.note(CHARACTER)
        if structure.kind == "header":
            announced = int(part[:2]) if part[:2].isdecimal() else -1
        elif structure.kind in {"expiry", "manufactured"}:
            if not part.isdecimal():
                raise Wrong("bad-element", "A date of ISBT 128 has six digits.", at)
            draft.state_day(structure.kind, day.century_and_day_of_year(part), at)
        elif structure.kind == "serial" and not part.strip("0"):
            draft.note(NO_SERIAL)
        else:
            draft.state("donation_id" if structure.kind == "donation" else structure.kind, part, at)
    if announced and announced != sum(kind != "header" for kind, *_ in draft.marks):
        draft.note(COUNT)
    if not draft.has("di"):
        draft.note(NO_DI)
    return draft.udi("ICCBBA", "scanned")


def identified(text: str, start: int, end: int) -> Udi:
    """A device identifier of 16 or 10 characters alone."""
    draft = Draft(text)
    draft.state("di", draft.mark("di", "", start, start, end), start)
    return draft.udi("ICCBBA", "bare")


def _structures(text: str, start: int, end: int) -> Iterator[tuple[_Structure, int, int, int]]:
    at = start
    while at < end:
        structure = _STRUCTURES.get(text[at : at + 2]) or _STRUCTURES.get(text[at : at + 3])
        if structure is None and text[at] == "=" and text[at + 1 : end][:1].isalnum():
            structure = _DONATION
        if structure is None:
            raise Wrong("unknown-element", REFUSALS["unknown-element"], at)
        value = at + len(structure.identifier)
        stop = value + structure.length
        if stop > end:
            raise Wrong(
                "bad-element", f"The value of {structure.identifier} must have {structure.length} characters.", at
            )
        yield structure, at, value, stop
        at = stop
