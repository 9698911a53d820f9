"""Acknowledgements against golden files: which code for whom, and the bytes in every family of versions.

In `golden`, `acknowledge-codes.txt` has a row for every mode and every pair of MSH-15 and MSH-16, and
`acknowledge-bytes.txt` the answers themselves, a segment a line. They come from the standard and not from the code:
nothing records them anew.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

from casecart.formats.hl7v2 import Mode, Outcome, Problem, acknowledge, read_header, wanted, wanted_after

if TYPE_CHECKING:
    from casecart.formats.hl7v2 import AckCode

GOLDEN = Path(__file__).parent / "golden"
CONDITIONS = ["-", "AL", "NE", "ER", "SU"]

HELD = [
    Problem(
        error_code="204",
        words="A line waits for a person.",
        segment="FT1",
        occurrence=2,
        application_code="item-unknown",
    ),
    Problem(
        error_code="101", words="A line waits for a person.", segment="FT1", occurrence=12, application_code="missing"
    ),
]
VERSION = Problem(
    error_code="203", words="This version is not taken.", segment="MSH", occurrence=1, field=12, component=1
)
ASIDE = Problem(error_code="207", words="It was put aside.", application_code="overran")
ANSWERS: dict[str, tuple[AckCode, str, list[Problem]]] = {
    "AA": ("AA", "", []),
    "CA": ("CA", "", []),
    "AA late": ("AA", "Stored; its processing goes on.", []),
    "AE held": ("AE", "2 lines wait.", HELD),
    "AR aside": ("AR", ASIDE.words, [ASIDE]),
    "CR version": ("CR", VERSION.words, [VERSION]),
}


def rows(name: str) -> list[list[str]]:
    """Of a table: the cells of each line that is no comment."""
    text = (GOLDEN / name).read_text("ascii")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def sections(name: str) -> dict[str, list[str]]:
    """Of a file with `== TITLE` lines: the lines under each."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (GOLDEN / name).read_text("ascii").splitlines():
        if line.startswith("== "):
            lines = found[line[3:]] = []
        elif line and not line.startswith("#"):
            lines.append(line)
    return found


CODES = rows("acknowledge-codes.txt")


@pytest.mark.parametrize("row", CODES, ids=["/".join(row[:3]) for row in CODES])
def test_the_code_is_the_golden_one(row: list[str]) -> None:
    said = [row[1].replace("-", ""), row[2].replace("-", "")]
    header = read_header("|".join(["MSH|^~\\&|A|B|C|D|2024||DFT^P03|1|P|2.5.1||", *said]).encode() + b"\r")
    mode: Mode = next(each for each in get_args(Mode) if each == row[0])
    works: tuple[Outcome, ...] = get_args(Outcome)
    codes = [wanted(header, mode, "accepted", work) for work in works]
    codes += [wanted(header, mode, "error"), wanted(header, mode, "rejected")]
    codes += [wanted_after(header, work) if mode == "commit-then-app" else None for work in works]
    assert [code or "-" for code in codes] == row[3:]


def test_every_mode_with_every_pair_of_conditions_has_its_row() -> None:
    assert [row[:3] for row in CODES] == [list(each) for each in product(get_args(Mode), CONDITIONS, CONDITIONS)]


BYTES = sections("acknowledge-bytes.txt")


@pytest.mark.parametrize("title", BYTES)
def test_the_bytes_are_the_golden_ones(title: str) -> None:
    version, name = title.split(" ", 1)
    header = read_header(f"MSH|^~\\&|ORSYS^1.2^ISO|NORTH|CASECART|MERCY|2024||DFT^P03|M-1|P|{version}\rPID\r".encode())
    code, text, errors = ANSWERS[name]
    made = acknowledge(header, code, control_id=b"CC9", time=b"20260315101531", text=text, errors=errors)
    assert made.decode("ascii").split("\r") == [*BYTES[title], ""]


def test_every_family_of_versions_has_every_answer() -> None:
    versions = ["2.2", "2.3", "2.3.1", "2.4", "2.5.1", "2.6", "2.7", "2.8.2"]
    assert list(BYTES) == [f"{version} {name}" for version, name in product(versions, ANSWERS)]
