"""Text for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from casecart.cli.messages import since, until
from casecart.cli.text import age, counted, local, printable, table, zone_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
CHICAGO = ZoneInfo("America/Chicago")


@given(st.text())
@settings(deadline=None)
def test_nothing_that_is_printed_can_command_a_terminal(text: str) -> None:
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("MSG\x1b[2J", "MSG\\x1b[2J"),
        ("a\nb", "a\\nb"),
        ("\u202eevil", "\\u202eevil"),  # would write from right to left
        ("Müller", "Müller"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table(("NO", "NAME"), [("1", "a"), ("1000", "bcd")], right={0}) == ["  NO  NAME", "   1  a", "1000  bcd"]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-5, "0 s"), (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (7_200, "2 h"), (200_000, "2 d")]
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, shown: str) -> None:
    assert age(timedelta(seconds=seconds)) == shown


def test_one_is_not_many() -> None:
    assert (counted(1, "error"), counted(0, "error"), counted(2_000, "error")) == (
        "1 error",
        "0 errors",
        "2,000 errors",
    )


def test_times_are_in_the_zone_that_facilities_share() -> None:
    assert zone_of({"NORTH": "America/Chicago", "SOUTH": "America/Chicago"}) == ("America/Chicago", CHICAGO)
    assert zone_of({"NORTH": "America/Chicago", "EAST": "Europe/Berlin"})[0] == "UTC"
    assert zone_of({})[0] == "UTC"
    assert zone_of({"NORTH": "America/Chigaco"})[0] == "UTC"
    assert local(NOW, CHICAGO) == "2026-11-20 06:00:00"
    assert local(NOW, UTC, fraction=True) == "2026-11-20 12:00:00.000"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2h", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("90s", datetime(2026, 11, 20, 11, 58, 30, tzinfo=UTC)),
        (" 1w ", datetime(2026, 11, 13, 12, tzinfo=UTC)),
        ("2026-11-03", datetime(2026, 11, 3, 6, tzinfo=UTC)),  # midnight in Chicago
        ("2026-11-03 14:30", datetime(2026, 11, 3, 20, 30, tzinfo=UTC)),
        ("2026-11-03T14:30Z", datetime(2026, 11, 3, 14, 30, tzinfo=UTC)),
    ],
)
def test_since_is_a_span_or_a_time(text: str, at: datetime) -> None:
    assert since(text, CHICAGO, NOW) == at


@pytest.mark.parametrize("text", ["", "yesterday", "2", "-2h", "2026-13-01", "999999w"])
def test_since_what_is_no_time_is_a_mistake_of_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match="30m"):
        since(text, CHICAGO, NOW)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-03", datetime(2026, 11, 4, 6, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 2, 6, tzinfo=UTC)),  # a day of 25 hours
        ("2026-11-03 00:00", datetime(2026, 11, 3, 6, tzinfo=UTC)),
        ("2h", datetime(2026, 11, 20, 10, tzinfo=UTC)),
    ],
)
def test_until_a_day_is_until_its_end(text: str, at: datetime) -> None:
    assert until(text, CHICAGO, NOW) == at


@pytest.mark.parametrize("text", ["soon", "9999-12-31"])
def test_until_what_is_no_time_is_a_mistake_of_usage(text: str) -> None:
    with pytest.raises(click.BadParameter):
        until(text, CHICAGO, NOW)
