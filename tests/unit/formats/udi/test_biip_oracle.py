"""biip reads what we read, where it can: GS1 as scanned, with a right check digit and dates that exist."""

from __future__ import annotations

import importlib
import importlib.util
import string
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.require import require
from unit.formats.udi.codes import TODAY, udi

DIGITS = st.text(string.digits, min_size=13, max_size=13)
VALUE = st.text(string.ascii_letters + string.digits + "-./", min_size=1, max_size=20)
# biip's century is that of its own clock: dates that no clock of ours would read otherwise
DAY = st.dates(min_value=date(2001, 1, 1), max_value=date(2070, 12, 31))


@pytest.fixture(scope="module")
def biip() -> Any:  # noqa: ANN401 - a module that may not be there
    if importlib.util.find_spec("biip") is None:
        require("biip", "the oracle of GS1: pip install biip")
    return importlib.import_module("biip")


def with_check_digit(digits: str) -> str:
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


@given(DIGITS, VALUE, VALUE, DAY, DAY)
def test_biip_reads_a_scan_as_we_do(biip: Any, digits: str, lot: str, serial: str, made: date, until: date) -> None:  # noqa: ANN401, PLR0917 - hypothesis hands each its place
    scan = f"]d201{with_check_digit(digits)}11{made:%y%m%d}17{until:%y%m%d}10{lot}\x1d21{serial}"
    message = biip.parse(scan).gs1_message
    told = {found.ai.ai: found for found in message.element_strings}
    ours = udi(scan, today=TODAY)
    assert ours.warnings == ()
    assert (ours.di, ours.lot, ours.serial) == tuple(told[ai].value for ai in ("01", "10", "21"))
    assert (ours.manufactured, ours.expiry) == (told["11"].date, told["17"].date)


@pytest.mark.parametrize(
    "scan",
    [
        # FDA's example as transmitted
        "]d20151022222233336111412311715070710A213B1\x1d211234",
        # a month without a day
        "]d2010064316900176317250200",
        # a separator after a fixed length
        "]d20100643169001763\x1d17250228",
        # FHIR R5 Device-example-udi1, with real separators
        "]d201108576740020171714112010NYFUL01\x1d21192837\x1d713A1B2C3D4E5F6G",
    ],
)
def test_biip_reads_published_scans_as_we_do(biip: Any, scan: str) -> None:  # noqa: ANN401 - a module that may not be there
    message = biip.parse(scan).gs1_message
    ours = {piece.identifier: piece.value for piece in udi(scan).pieces if piece.identifier}
    assert ours == {found.ai.ai: found.value for found in message.element_strings}
    until = next((found.date for found in message.element_strings if found.ai.ai == "17"), None)
    assert udi(scan).expiry == until
