"""What may stand where FHIR has a primitive type."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from casecart.formats.fhir.primitive import PRIMITIVES, Number, Text


def holds(name: str, value: str | int | Decimal) -> bool:
    primitive = PRIMITIVES[name]
    if isinstance(value, str):
        assert isinstance(primitive, Text)
        return primitive.holds(value)
    assert isinstance(primitive, Number)
    return primitive.holds(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date", "2026"),
        ("date", "2026-11"),
        ("date", "2026-11-03"),
        ("dateTime", "2026-11"),
        ("dateTime", "2026-11-03T10:15:00Z"),
        ("dateTime", "2026-11-03T10:15:60.123456789-06:00"),  # a leap second
        ("instant", "2026-11-03T10:15:00.1+14:00"),
        ("time", "23:59:59.999"),
        ("id", "a.b-C0"),
        ("id", "x" * 64),
        ("oid", "urn:oid:2.16.840.1.113883"),
        ("uuid", "urn:uuid:1C1A4F4E-59a5-4b8e-9f6e-0a5b4b9d6c01"),
        ("base64Binary", ""),
        ("base64Binary", "AAAA\nBBB="),
        ("string", "(01)00643169001763\x1d(10)A"),  # a device identifier with its separator
        ("decimal", Decimal("-1.00")),
        ("decimal", 7),
        ("positiveInt", 1),
        ("integer", -(2**31)),
        ("integer64", 2**63 - 1),
    ],
)
def test_what_fhir_takes_is_taken(name: str, value: str | int | Decimal) -> None:
    assert holds(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("date", "1961-13-45"),
        ("date", "0000"),
        ("date", "2026-00"),
        ("date", "2026-1-3"),
        ("date", "2026-11-03T10:15:00Z"),
        ("date", "2026-11-03\n"),
        ("date", "٢٠٢٦"),  # digits, and not FHIR's
        ("dateTime", "2026-11-03T10:15:00"),  # no zone
        ("dateTime", "2026-11-03T10:15Z"),
        ("dateTime", "2026-11-03 10:15:00Z"),
        ("dateTime", "2026-11-03T24:00:00Z"),
        ("dateTime", "2026-02-30T10:15:00Z"),
        ("instant", "2026-11-03"),
        ("instant", "2026-11-03T10:15:00+15:00"),
        ("time", "24:00:00"),
        ("time", "10:15"),
        ("id", ""),
        ("id", "x" * 65),
        ("id", "a_b"),
        ("id", "a/b"),
        ("oid", "2.16.840"),
        ("uuid", "1c1a4f4e-59a5-4b8e-9f6e-0a5b4b9d6c01"),
        ("base64Binary", "a-b_"),
        ("string", ""),
        ("code", ""),
        ("uri", ""),
        ("decimal", 10**100),
        ("positiveInt", 0),
        ("unsignedInt", -1),
        ("integer", 2**31),
        ("integer", Decimal("1.0")),
        ("integer64", 2**63),
    ],
)
def test_what_fhir_does_not_take_is_not_taken(name: str, value: str | int | Decimal) -> None:
    assert not holds(name, value)


@pytest.mark.parametrize("year", [1900, 1999, 2000, 2023, 2024, 2100])
def test_the_days_are_those_of_the_calendar(year: int) -> None:
    days = {f"{year:04}-{month:02}-{day:02}" for month in range(14) for day in range(33)}
    real = {(date(year, 1, 1) + timedelta(days=day)).isoformat() for day in range(366)}
    assert {day for day in days if holds("date", day)} == {day for day in real if day.startswith(str(year))}
