"""A code taken apart, character by character, for a person who wants to know what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from casecart.formats.udi.identifier import ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["Mark", "Piece", "pieces"]

Mark = tuple[str, str, int, int, int]
"""What a part of the text is: its kind, its identifier, where it begins, where its value begins, where it ends."""

_TITLES: Final = {
    "flag": "begins every HIBC code",
    "labeler": "labeler (LIC)",
    "product": "product or catalogue number (PCN)",
    "level": "unit of measure",
    "check": "check character",
    "link": "link character: the first code's check character",
    "di": "device identifier",
    "lot": "lot",
    "serial": "serial number",
    "expiry": "expiry",
    "manufactured": "date of manufacture",
    "quantity": "quantity",
    "donation": "donation identification number, with two flag characters",
    "header": "header",
    "other": "not known here",
}


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a code.

    Attributes:
        kind: `di`, `lot`, `serial`, `expiry`, `manufactured`, `quantity`, `donation`, `check`, `link`, `flag`,
            `header`, `labeler`, `product`, `level`, `other`; or `prefix`, `separator`, `suffix` for what stands
            around those.
        identifier: the application or data identifier, without its brackets; empty for a part that has none.
        title: what the part is, in words.
        text: the part.
        value: the part without its identifier.
        means: the value in words, where that says more.
        start, end: where in the text, counting characters from 0.
    """

    kind: str
    identifier: str
    title: str
    text: str
    value: str
    means: str
    start: int
    end: int


def pieces(
    text: str, marks: Sequence[Mark], agency: str, said: Mapping[str, object], month_only: Sequence[str]
) -> tuple[Piece, ...]:
    """Every character of the text in one piece or another.

    Args:
        text: the code.
        marks: its parts.
        agency: whose grammar.
        said: the meaning of values by their kind.
        month_only: the kinds of dates that are stated without a day.
    """
    return tuple(_pieces(text, sorted(marks, key=lambda mark: mark[2]), agency, said, month_only))


def _pieces(
    text: str, marks: Sequence[Mark], agency: str, said: Mapping[str, object], month_only: Sequence[str]
) -> Iterator[Piece]:
    reached = 0
    for kind, identifier, start, value, end in marks:
        if reached < start:
            yield _between(text, reached, start, "separator" if reached else "prefix")
        yield Piece(
            kind=kind,
            identifier=identifier,
            title=_title(kind, identifier, agency),
            text=text[start:end],
            value=text[value:end],
            means=_meaning(kind, text[value:end], agency, said, month_only),
            start=start,
            end=end,
        )
        reached = end
    if reached < len(text):
        yield _between(text, reached, len(text), "suffix")


def _between(text: str, start: int, end: int, kind: str) -> Piece:
    title = {"prefix": "what the scanner puts before a code", "suffix": "end"}.get(kind, kind)
    part = text[start:end]
    return Piece(kind=kind, identifier="", title=title, text=part, value=part, means="", start=start, end=end)


def _title(kind: str, identifier: str, agency: str) -> str:
    if agency == "GS1" and (row := ROWS.get(identifier)) is not None:
        return row.title
    return _TITLES[kind]


def _meaning(kind: str, value: str, agency: str, said: Mapping[str, object], month_only: Sequence[str]) -> str:
    if kind == "level":
        return {"0": "unit of use", "9": "variable quantity"}.get(value, f"packaging level {value}")
    if kind == "di" and agency == "ICCBBA" and len(value) == len("A9999XYZ100T0944"):
        return f"processor {value[:5]}, its product {value[5:11]}, description code {value[11:]}"
    if kind == "di" and agency == "IFA":
        return f"agency {value[:2]}, national number {value[2:-2]}, check digits {value[-2:]}"
    meant = said.get(kind)
    if meant is None or str(meant) == value:
        return ""
    return f"{meant}, the last day of the month: no day is stated" if kind in month_only else str(meant)
