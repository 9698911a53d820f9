"""Dates as codes write them: two digits for the year, a month without a day, the day of the year."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, time, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from casecart.formats.udi.note import DATE, NO_DATE, Note

__all__ = ["Day", "century_and_day_of_year", "clock", "day_of_year", "month_year", "of_parts", "yymmdd", "yyyymmdd"]


class Day(NamedTuple):
    """A date that was stated, or why there is none.

    Attributes:
        date: None where none is stated, or one that does not exist.
        month_only: the day is not stated; `date` is the last of the month.
        note: what deserves a look.
    """

    date: date | None
    month_only: bool = False
    note: Note | None = None


_NONE: Final = Day(None, note=NO_DATE)
_WRONG: Final = Day(None, note=DATE)

# A year of nines is how some systems say "never".
_NEVER: Final = 99


def _year(two: int, year: int) -> int:
    """The year that two digits mean in `year`: from 49 years back to 50 ahead (GS1 General Specifications §7.12)."""
    century = year - year % 100
    gap = two - year % 100
    if gap >= 51:  # noqa: PLR2004 - the standard's figure
        return century - 100 + two
    if gap <= -50:  # noqa: PLR2004 - the standard's figure
        return century + 100 + two
    return century + two


def of_parts(year: int, month: int, day: int) -> Day:
    """Day 0 is a month without a day (GS1 General Specifications §3.4): the last of it."""
    try:
        if day == 0:
            return Day(date(year, month, monthrange(year, month)[1]), month_only=True)
        return Day(date(year, month, day))
    except (ValueError, IndexError):  # calendar.IllegalMonthError is both, of one or the other Python
        return _WRONG


@lru_cache(maxsize=8192)
def yymmdd(digits: str, year: int) -> Day:
    """`251231`.

    Args:
        digits: six.
        year: the current one; the century follows from it.
    """
    if digits in ("000000", "999999"):
        return _NONE
    two = int(digits[:2])
    meant = _year(two, year)
    if two == _NEVER and meant < year:
        return _NONE
    return of_parts(meant, int(digits[2:4]), int(digits[4:]))


def month_year(digits: str, year: int) -> Day:
    """`1225`: a month without a day (HIBC's MMYY)."""
    return _NONE if digits in ("0000", "9999") else yymmdd(f"{digits[2:]}{digits[:2]}00", year)


def yyyymmdd(digits: str) -> Day:
    """`20251231`."""
    if digits == "00000000" or digits.startswith("9999"):
        return _NONE
    return of_parts(int(digits[:4]), int(digits[4:6]), int(digits[6:]))


def day_of_year(digits: str, year: int) -> Day:
    """`25365` (HIBC's YYJJJ)."""
    if digits in ("00000", "99999"):
        return _NONE
    return _day_of_year(_year(int(digits[:2]), year), int(digits[2:]))


def century_and_day_of_year(digits: str) -> Day:
    """`025365`: the century's last digit, the year, the day of the year (ISBT 128's cYYJJJ)."""
    if digits in ("000000", "999999"):
        return _NONE
    century = 1000 if digits[0] == "9" else 2000
    return _day_of_year(century + int(digits[:3]), int(digits[3:]))


def _day_of_year(year: int, number: int) -> Day:
    try:
        day = date(year, 1, 1) + timedelta(days=number - 1)
    except (ValueError, OverflowError):
        return _WRONG
    return Day(day) if day.year == year and number > 0 else _WRONG


def clock(digits: str) -> time | None:
    """`21` or `2130`; None if there is no such time."""
    try:
        return time(int(digits[:2]), int(digits[2:] or "0"))
    except ValueError:
        return None
