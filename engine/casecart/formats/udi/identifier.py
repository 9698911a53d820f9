"""GS1 application identifiers: how long a value is, what it is, and which of them stand on devices.

`application-identifiers.csv` is the table. Its lengths are those of the GS1 General Specifications §3.2, compared row
by row with GS1's Barcode Syntax Dictionary of July 2026. `format` is N for digits or X for characters, and a length
(`N14`) or a range (`X..20`, `X13..30`). `device` marks those that labels of devices carry: only these are looked for in
a value that may have swallowed its neighbour.
"""

from __future__ import annotations

import csv
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ROWS", "ROWS_BY_PREFIX", "Row", "row_at"]


class Row(NamedTuple):
    """An application identifier.

    Attributes:
        identifier: its two to four digits.
        kind: what of a UDI the value is (`di`, `lot` ...); `other` if nothing of it.
        width: of the identifier.
        fixed: the value's length if there is only one, else 0.
        minimum, maximum: of the value's length.
        digits: whether the value has digits only.
        date: whether the value begins with YYMMDD.
        device: whether labels of devices carry it.
        title: in words.
    """

    identifier: str
    kind: str
    width: int
    fixed: int
    minimum: int
    maximum: int
    digits: bool
    date: bool
    device: bool
    title: str


_FORMAT: Final = re.compile(r"([NX])(\d*)(?:(\.\.)(\d+))?")


def _rows() -> Iterator[Row]:
    table = files(__package__).joinpath("application-identifiers.csv").read_text("utf-8")
    for line in csv.DictReader(table.splitlines()):
        match = _FORMAT.fullmatch(line["format"])
        assert match is not None, line  # noqa: S101 - the table is our own, and a test reads all of it
        sort, least, several, most = match.groups()
        first, _, last = line["identifier"].partition("-")
        for number in range(int(first), int(last or first) + 1):
            identifier = str(number).rjust(len(first), "0")
            yield Row(
                identifier=identifier,
                kind=line["kind"] or "other",
                width=len(identifier),
                fixed=0 if several else int(least),
                minimum=int(least or "1"),
                maximum=int(most if several else least),
                digits=sort == "N",
                date=line["date"] == "yes",
                device=line["device"] == "yes",
                title=line["title"],
            )


ROWS: Final = {row.identifier: row for row in _rows()}

# How wide an identifier is follows from its first two digits (GS1 General Specifications §7.8.5).
_WIDTHS: Final = {identifier[:2]: row.width for identifier, row in ROWS.items()}

# The usual ones, which have two digits, in one look.
ROWS_BY_PREFIX: Final = {identifier: row for identifier, row in ROWS.items() if identifier == identifier[:2]}


def row_at(text: str, position: int) -> Row | None:
    """The application identifier that begins there."""
    width = _WIDTHS.get(text[position : position + 2])
    return None if width is None else ROWS.get(text[position : position + width])
