"""`casecart udi`: explains a device's code, piece by piece."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from casecart.cli.exit import Exit
from casecart.cli.options import as_json, json_option
from casecart.cli.text import counted, examples, printable, table
from casecart.formats.udi import LONGEST, Ambiguous, Reading, Udi, Unreadable, canonical, parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from casecart.formats.udi import Agency

__all__ = ["command"]

# How control characters are typed where a shell takes none.
_TYPED: Final = {"<GS>": "\x1d", "<RS>": "\x1e", "<EOT>": "\x04"}
_ESCAPED: Final = re.compile(r"<(?:GS|RS|EOT)>|\\x([01][0-9A-Fa-f])")

_FIELDS: Final = (
    "agency",
    "form",
    "di",
    "lot",
    "serial",
    "expiry",
    "expiry_time",
    "manufactured",
    "quantity",
    "donation_id",
)


@click.command(
    name="udi",
    epilog=examples(
        ("casecart udi '(01)00643169001763(17)160712(21)21A11F4855'", "as printed"),
        (r"casecart udi ']d20100643169001763172512311021A\x1d21XYZ'", "as scanned; <GS> for \\x1d is understood"),
        ("casecart udi '+X999123ABC0/$$20515191234AB/S5678EDFGO'", "HIBC"),
        ("xclip -o | casecart udi -", "from the clipboard, control characters as they are"),
        ("casecart udi 00643169001763 --json | jq -r .di", ""),
    ),
)
@click.argument("code", metavar="STRING")
@click.option(
    "--agency",
    type=click.Choice(["GS1", "HIBCC", "ICCBBA", "IFA"]),
    help="Whose a bare device identifier is; no other form needs it.",
)
@click.option(
    "--today",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="DATE",
    help="The day on which it is read, for years of two digits.  [default: today]",
)
@json_option
def command(code: str, agency: Agency | None, today: datetime | None, *, json: bool) -> int:
    """Explain a device's code (UDI), piece by piece.

    Reads GS1, HIBCC, ICCBBA and IFA codes as scanned and as printed, and says what each part is. Nothing is corrected
    or guessed: a code that can be read in several ways is shown with all of them. `-` reads the code from standard
    input. Exits with 1 when it can't be read, or not in one way only.
    """
    text = _standard_input() if code == "-" else _ESCAPED.sub(_character, code)
    reading = parse(text, today=(today or datetime.now(UTC)).date(), agency=agency)
    if json:
        click.echo(as_json(_document(reading)))
    else:
        for line in _lines(reading):
            click.echo(line)
    return Exit.FINE if isinstance(reading, Udi) else Exit.WRONG


def _standard_input() -> str:
    """A little more than the longest code, whatever bytes they are. A blank at the end may belong to the code."""
    return sys.stdin.buffer.read(4 * LONGEST).decode("utf-8", "backslashreplace").rstrip("\r\n")


def _character(match: re.Match[str]) -> str:
    return _TYPED[match[0]] if match[1] is None else chr(int(match[1], 16))


def _document(reading: Reading) -> dict[str, Any]:
    if isinstance(reading, Unreadable):
        return {"result": "unreadable", "code": reading.code, "words": reading.words, "position": reading.position}
    if isinstance(reading, Ambiguous):
        return {
            "result": "ambiguous",
            "code": reading.code,
            "words": reading.words,
            "complete": reading.complete,
            "readings": [_document(each) for each in reading.readings],
        }
    fields: dict[str, Any] = {name: getattr(reading, name) for name in _FIELDS}
    return {
        "result": "read",
        **fields,
        "month_only": reading.month_only,
        "canonical": canonical(reading),
        "warnings": reading.warnings,
        "pieces": reading.pieces,
    }


def _lines(reading: Reading) -> Iterator[str]:
    if isinstance(reading, Unreadable):
        place = "" if reading.position is None else f" At character {reading.position + 1}."
        yield f"Unreadable ({reading.code}): {reading.words}{place}"
        return
    if isinstance(reading, Ambiguous):
        more = "" if reading.complete else ", and there are more"
        yield f"Ambiguous ({reading.code}): {reading.words}"
        yield f"It can be read in {counted(len(reading.readings), 'way')}{more}:"
        for number, each in enumerate(reading.readings, start=1):
            yield ""
            yield printable(f"{number}  {canonical(each)}")
            yield from _pieces(each)
        return
    yield printable(f"{reading.agency}, {reading.form}: {canonical(reading)}")
    yield ""
    yield from _pieces(reading)
    if reading.warnings:
        yield ""
        yield from (f"warning {note.code}: {note.words}" for note in reading.warnings)


def _pieces(udi: Udi) -> Iterator[str]:
    rows = [
        (f"{piece.start + 1}", piece.identifier, piece.value, piece.title, piece.means)
        for piece in udi.pieces
        if piece.text
    ]
    yield from table(("AT", "ID", "VALUE", "WHAT", "MEANS"), rows, right={0})
