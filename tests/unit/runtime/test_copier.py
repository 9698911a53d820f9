"""What the engine tells a mapping of the message besides its text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casecart.runtime.copier import date_at

ZONES = ["America/Chicago", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns"]


@pytest.mark.parametrize("zone", ZONES)
@given(moment=st.datetimes(datetime(2020, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds
def test_the_day_of_a_message_is_its_facilitys(zone: str, moment: datetime) -> None:
    here = ZoneInfo(zone)
    microseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert date_at(microseconds, here) == moment.astimezone(here).date()


def test_the_day_changes_at_the_facilitys_midnight() -> None:
    here = ZoneInfo("America/Chicago")
    midnight = int(datetime(2026, 11, 4, tzinfo=here).timestamp()) * 1_000_000
    assert [date_at(midnight + after, here).day for after in (-1, 0)] == [3, 4]
