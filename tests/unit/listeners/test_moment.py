"""HL7's times to the engine's and back."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.listeners.moment import Stamp, moment
from casecart.mapping.value import read_datetime

CHICAGO = ZoneInfo("America/Chicago")


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1e6)  # type: ignore[arg-type, misc]  # as datetime takes them


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"20260115101500", utc(2026, 1, 15, 16, 15)),
        (b"20260715101500", utc(2026, 7, 15, 15, 15)),  # summer time
        (b"20260115101500+0100", utc(2026, 1, 15, 9, 15)),  # its own offset is believed
        (b"202601151015", utc(2026, 1, 15, 16, 15)),
        (b"20260115101500.25", utc(2026, 1, 15, 16, 15) + 250_000),
        (b" 20260115101500^S ", utc(2026, 1, 15, 16, 15)),  # up to 2.5 a precision stands behind
        (b"20261101013000", None),  # twice on that clock
        (b"20260308023000", None),  # never on that clock
        (b"20260115", None),
        (b"yesterday", None),
        (b"\xff" * 10_000, None),
    ],
)
def test_the_time_of_a_message_is_by_its_senders_clock(field: bytes, expected: int | None) -> None:
    assert moment(field, CHICAGO) == expected


@given(text=st.from_regex(r"\A(20\d\d)?(0\d|1[0-3])[0-3]\d([0-2]\d([0-6]\d([0-6]\d(\.\d{1,7})?)?)?)?([+-]\d{4})?\Z"))
def test_it_is_read_as_fields_are(text: str) -> None:
    found = read_datetime(text, CHICAGO)
    assert moment(text.encode(), CHICAGO) == (None if found is None else round(found.timestamp() * 1e6))


def test_an_answers_time_is_by_the_senders_clock_too() -> None:
    stamp = Stamp(CHICAGO)
    assert stamp(utc(2026, 1, 15, 16, 15) + 123_456) == b"20260115101500.123-0600"
    assert stamp(utc(2026, 7, 15, 15, 15)) == b"20260715101500.000-0500"


@given(times=st.lists(st.integers(1_700_000_000_000, 1_700_000_009_000), min_size=1))
def test_what_is_written_is_read_as_the_same_time(times: list[int]) -> None:
    stamp = Stamp(CHICAGO)
    assert [moment(stamp(time * 1000 + 999), CHICAGO) for time in times] == [time * 1000 for time in times]
