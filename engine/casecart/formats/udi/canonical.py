"""One way to write each code, so that two texts of one code are the same text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from casecart.formats.udi.control import EOT, GS, RS
from casecart.formats.udi.gtin import gtin
from casecart.formats.udi.hibc import check_character
from casecart.formats.udi.identifier import ROWS
from casecart.formats.udi.isbt import LENGTHS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.formats.udi.reading import Udi

__all__ = ["canonical"]

# FDA's order for GS1; what else there is comes behind, as it stood.
_ORDER: Final = {identifier: place for place, identifier in enumerate(("01", "11", "17", "7003", "10", "21"))}
_BRACKETED: Final = re.compile(r"\((\d{2,4})\)")


def canonical(udi: Udi) -> str:
    """The code in its canonical form; reading that gives the same device, and the same form again.

    The form may be longer than the code was: of one that is nearly `LONGEST` it may be too long to be read.

    GS1 is printed with parentheses, in the order 01, 11, 17, 7003, 10, 21, then the others. Only where a value
    contains an application identifier in parentheses it is written as scanned, with separators. HIBC has no asterisks
    and a blank check character as a blank; ISBT 128 is as scanned; ASC data stands in its envelope. Nothing is
    corrected: wrong check digits and characters stay. So does what is ambiguous: where a check character may have been
    lost, one of the readings is written as it came.
    """
    if udi.agency == "GS1":
        return _gs1(udi)
    if udi.form == "envelope" or any(identifier in {"9N", "25P"} for _, identifier, *_ in udi.marks):
        return _enclosed(_ended(_asc(udi), udi))
    text = udi.text
    if udi.agency == "IFA":
        return _enclosed(_ended([f"9N{udi.di}"], udi))
    if udi.agency == "ICCBBA":
        if udi.form == "bare" and udi.di is not None:
            return LENGTHS[len(udi.di)] + udi.di
        return "".join(text[start:end] for _, _, start, _, end in udi.marks)
    return _hibc(udi)


def _gs1(udi: Udi) -> str:
    values: dict[str, str] = {}
    for _, identifier, _, begin, end in udi.marks:
        value = udi.text[begin:end]
        if ROWS[identifier].digits:
            value = value.replace(" ", "")
        values[identifier] = value if identifier != "01" else gtin(value) or value
    ordered = sorted(values.items(), key=lambda item: _ORDER.get(item[0], len(_ORDER)))
    if not all(map(_printable, values.values())):
        return GS + "".join(
            f"{identifier}{value}{'' if ROWS[identifier].fixed else GS}" for identifier, value in ordered
        )
    return "".join(f"({identifier}){value}" for identifier, value in ordered)


def _printable(value: str) -> bool:
    """Whether the value comes out of the printed form as it went in."""
    return value == value.strip(" ") and not any(match[1] in ROWS for match in _BRACKETED.finditer(value))


def _ended(elements: list[str], udi: Udi) -> list[str]:
    """A PPN that stands alone is known to be whole by its check digits; where they are wrong, by a separator."""
    wrong = any(note.code == "check-digit" for note in udi.warnings)
    return [*elements, ""] if wrong and len(elements) == 1 else elements


def _enclosed(elements: list[str]) -> str:
    return f"[)>{RS}06{GS}{GS.join(elements)}{RS}{EOT}"


def _asc(udi: Udi) -> list[str]:
    """The elements of ASC data. The parts of HIBCC's device identifier are one element behind their `25P`."""
    elements: list[str] = []
    for kind, identifier, _, begin, end in udi.marks:
        value = udi.text[begin:end]
        if kind in {"labeler", "product", "level"} and elements:
            elements[-1] += value
        else:
            elements.append(f"{identifier}{value}")
    return elements


def _hibc(udi: Udi) -> str:
    if udi.form == "bare":
        code = f"+{udi.di}"
        return code + check_character(code)
    return "".join(_hibc_parts(udi))


def _hibc_parts(udi: Udi) -> Iterator[str]:
    """The text from the flag on; the check character that is printed `_`, or was lost, is a blank."""
    begin = udi.marks[0][2]
    check = udi.marks[-1][2]
    yield udi.text[begin:check]
    character = udi.text[check : udi.marks[-1][4]]
    yield character if character not in {"", "_"} else " "
