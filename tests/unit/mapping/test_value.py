"""How the text of a field is read; standards say what, senders say how."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from casecart.mapping.value import ValueType, fault, read

CHICAGO = ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", "1"),
        ("+1", "1"),
        ("-2", "-2"),
        (".5", "0.5"),
        ("5.", "5"),
        ("007", "7"),
        ("2.50", "2.50"),  # the scale says how exact it was measured
        ("-0", "-0"),
        ("0.00000000000000000000000000000000001", "1E-35"),
    ],
)
def test_a_number_keeps_its_scale(text: str, value: str) -> None:
    assert str(read(text, "decimal", CHICAGO)) == value


@pytest.mark.parametrize(
    "text",
    [
        "2,5",  # a decimal comma, or a thousands separator: who knows
        "1.000,5",
        "1,000",
        "1'000",
        "2 EA",
        "2EA",
        "1e3",
        "1_000",
        "٣",  # a digit, but not one of HL7's
        "0x10",
        "NaN",
        "Infinity",
        "+-1",
        "--1",
        ".",
        "+",
        "1.2.3",
        "1" * 41,
        "one",
    ],
)
@pytest.mark.parametrize("kind", ["decimal", "integer"])
def test_what_is_no_number_is_not_guessed(text: str, kind: ValueType) -> None:
    assert read(text, kind, CHICAGO) is None
    assert fault(text, kind, CHICAGO) == "not-a-number"


def test_a_fraction_is_no_whole_number() -> None:
    assert read("1.0", "integer", CHICAGO) is None
    assert read("+012", "integer", CHICAGO) == 12


@pytest.mark.parametrize(
    "text",
    ["20260131", "2026013108", "202601310830", "20260131083000.1234", "20260131235959-0600", "20260131+0000"],
)
def test_the_day_of_a_date_is_the_senders_day(text: str) -> None:
    assert read(text, "date", CHICAGO) == date(2026, 1, 31)


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        # 2026 is not 1 January
        ("2026", "date", "date-precision"),
        ("202601", "date", "date-precision"),
        ("2026-0600", "date", "date-precision"),
        ("20260230", "date", "not-a-date"),
        ("00000000", "date", "not-a-date"),
        ("99999999", "date", "not-a-date"),
        ("2026-01-31", "date", "not-a-date"),
        ("31.01.2026", "date", "not-a-date"),
        ("2026013124", "date", "not-a-date"),
        ("202601310860", "date", "not-a-date"),
        ("20260131083000.", "date", "not-a-date"),
        ("20260131-06", "date", "not-a-date"),
        ("20260131" * 6, "date", "not-a-date"),
        ("2026013", "datetime", "not-a-date"),
        ("20260131", "datetime", "date-precision"),
        ("2026013108", "datetime", "date-precision"),
        ("202602300830", "datetime", "not-a-date"),
        ("00010101000000+0100", "datetime", "not-a-date"),
        # the night of 1 November 2026 has 1:30 twice, that of 8 March has no 2:30
        ("202611010130", "datetime", "time-ambiguous"),
        ("202603080230", "datetime", "time-skipped"),
    ],
)
def test_what_is_no_exact_date_is_not_guessed(text: str, kind: ValueType, code: str) -> None:
    assert read(text, kind, CHICAGO) is None
    assert fault(text, kind, CHICAGO) == code


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("202601310830", datetime(2026, 1, 31, 14, 30, tzinfo=UTC)),
        ("202607310830", datetime(2026, 7, 31, 13, 30, tzinfo=UTC)),  # summer time
        ("20260131083015.25", datetime(2026, 1, 31, 14, 30, 15, 250_000, tzinfo=UTC)),
        ("202601310830+0100", datetime(2026, 1, 31, 7, 30, tzinfo=UTC)),
        ("202611010130-0500", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
        ("202611010130-0600", datetime(2026, 11, 1, 7, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_of_the_senders_clock_or_its_own_offset(text: str, moment: datetime) -> None:
    assert read(text, "datetime", CHICAGO) == moment


def test_text_is_what_it_is() -> None:
    assert read("0012", "text", CHICAGO) == "0012"
    assert read("x" * 1000, "text", CHICAGO) == "x" * 1000


def test_a_decimal_is_never_a_float() -> None:
    assert read("0.1", "decimal", CHICAGO) == Decimal("0.1")
