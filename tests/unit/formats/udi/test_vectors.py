"""Published codes, each with what its source says of it."""

from __future__ import annotations

import csv
import re
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from casecart.formats import hl7v2
from casecart.formats.udi import Udi, Unreadable, canonical, parse
from casecart.formats.udi.day import century_and_day_of_year
from unit.formats.udi.codes import TODAY, said, udi, warnings

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 24

# What the corpus calls a field.
_NAMES = {
    "di": "di",
    "di(container)": "di",
    "lot": "lot",
    "serial": "serial",
    "exp": "expiry",
    "mfg": "manufactured",
    "din": "donation_id",
}
_STATED = re.compile(r"([a-z]+(?:\([a-z]+\))?)=([^ ;]+)")
_DAY_OF_YEAR = re.compile(r"exp=day (\d+) of (\d+)(?: hour (\d+))?")


def vectors(corpus: Path) -> list[dict[str, str]]:
    with (corpus / "udi" / "udi-vectors.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def text_of(row: dict[str, str]) -> str:
    """The code; as an HL7 leaf says it where it is given as transmitted."""
    text = row["udi_escaped"].encode("latin-1", "backslashreplace").decode("unicode_escape")
    return hl7v2.unescape(text, hl7v2.STANDARD) if "ER7" in row["form"] or "\\T\\" in text else text


def stated(row: dict[str, str]) -> dict[str, Any]:
    """What the source says, in our words."""
    reading = row["reading"]
    found: dict[str, Any] = {}
    if match := _DAY_OF_YEAR.search(reading):
        found["expiry"] = century_and_day_of_year(f"0{match[2][2:]}{match[1]}").date
    for name, value in _STATED.findall(reading):
        if name not in _NAMES or value == "day":
            continue
        if name in {"exp", "mfg"}:
            found[_NAMES[name]] = _date(value)
        else:
            found[_NAMES[name]] = value
    parts = dict(_STATED.findall(reading))
    if "pcn" in parts:
        labeler = parts.get("lic", text_of(row)[1:5])
        found["di"] = labeler + parts["pcn"] + parts["uom"]
    if "PRA" in reading:
        found["di"] = row["udi_escaped"][2:]
    return found


def _date(value: str) -> date | None:
    month = re.fullmatch(r"(\d{4})-(\d\d)\(MMYY\)", value)
    if month:
        return {"2019-05": date(2019, 5, 31)}[f"{month[1]}-{month[2]}"]
    if re.fullmatch(r"\d{4}-\d{3}", value):
        return century_and_day_of_year(f"0{value[2:4]}{value[5:]}").date
    return date.fromisoformat(value[:10])


@pytest.mark.parametrize("number", range(ROWS))
def test_a_published_code_says_what_its_source_says(corpus: Path, number: int) -> None:
    row = vectors(corpus)[number]
    reading = parse(text_of(row), today=TODAY)
    if "must NOT be treated as a UDI-DI" in row["reading"]:
        assert isinstance(reading, Unreadable)
        assert reading.code == "basic-udi-di"
        return
    assert isinstance(reading, Udi), reading
    assert reading.agency == row["agency"]
    assert {name: getattr(reading, name) for name in stated(row)} == stated(row)
    assert ("check-digit" in warnings(reading)) == (row["gtin_check_ok"] == "False")
    assert ("check-character" in warnings(reading)) == (row["hibc_mod43_ok"] == "False")
    # and in its canonical form
    assert said(udi(canonical(reading))) == said(reading)
    assert canonical(udi(canonical(reading))) == canonical(reading)


def test_every_published_code_is_a_row(corpus: Path) -> None:
    assert len(vectors(corpus)) == ROWS


def test_the_scanned_and_the_printed_form_of_one_code_are_one_canonically(corpus: Path) -> None:
    printed, scanned = vectors(corpus)[:2]
    assert canonical(udi(text_of(printed))) == canonical(udi(text_of(scanned))) == text_of(printed)
