"""How the text of a field is read as a number, a day or a moment; what can't be read is never guessed.

The readers give None for what isn't such a value; `fault` says why. They remember what they have read, since the
same few quantities and days come again all day; callers ask only for texts of at most `LONGEST` characters.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal

from casecart.formats.udi import Udi, gtin, parse

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = [
    "LONGEST",
    "Fault",
    "ValueType",
    "fault",
    "read",
    "read_date",
    "read_datetime",
    "read_decimal",
    "read_di",
    "read_integer",
]

ValueType = Literal["text", "decimal", "integer", "date", "datetime", "udi", "di"]
"""How a field is read. `udi` is text too, and what it says can be asked for: that is `mapping.udi`'s."""
Fault = Literal["udi-unreadable", "not-a-number", "not-a-date", "date-precision", "time-ambiguous", "time-skipped"]

_ANY_DAY: Final = date(2000, 1, 1)
"""What a device identifier is does not depend on the day."""

LONGEST: Final = 40
"""The most characters of a number or date: HL7's own have at most 24 (DTM), the rest is room for leading zeros."""

# NM of HL7 v2.8.2 chapter 2A. A decimal comma, a thousands separator, an exponent or a unit make it another thing.
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?[0-9]+", re.ASCII)

# DTM of HL7 v2.8.2 chapter 2A: YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]
_DTM: Final = re.compile(
    r"(?P<year>[0-9]{4})"
    r"(?:(?P<month>[0-9]{2})"
    r"(?:(?P<day>[0-9]{2})"
    r"(?:(?P<hour>[01][0-9]|2[0-3])"
    r"(?:(?P<minute>[0-5][0-9])"
    r"(?:(?P<second>[0-5][0-9])(?:\.(?P<fraction>[0-9]{1,6}))?)?)?)?)?)?"
    r"(?P<offset>[+-](?:0[0-9]|1[0-4])[0-5][0-9])?",
    re.ASCII,
)


@lru_cache(maxsize=4096)
def read_decimal(text: str) -> Decimal | None:
    """A number, with the scale it was written in: `2.50`, `+1`, `.5`, `007`."""
    return Decimal(text) if _DECIMAL.fullmatch(text) else None


@lru_cache(maxsize=4096)
def read_integer(text: str) -> int | None:
    """A whole number."""
    return int(text) if _INTEGER.fullmatch(text) else None


@lru_cache(maxsize=4096)
def read_date(text: str) -> date | None:
    """The day of a date or of a moment, as the sender's clock had it."""
    found = _DTM.fullmatch(text)
    if found is None or found["day"] is None:
        return None
    try:
        return date(int(found["year"]), int(found["month"]), int(found["day"]))
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def read_datetime(text: str, time_zone: ZoneInfo) -> datetime | None:
    """A moment, to the minute at least, in UTC.

    Without an offset it is the clock of `time_zone`; a time that this clock shows twice or never (when summer time
    ends or begins) can't be read.
    """
    moment = _moment(text, time_zone)
    return None if isinstance(moment, str) else moment


def _moment(text: str, time_zone: ZoneInfo) -> datetime | Fault:
    found = _DTM.fullmatch(text)
    if found is None:
        return "not-a-date"
    if found["minute"] is None:
        return "date-precision"
    year, month, day, hour, minute = (int(found[part]) for part in ("year", "month", "day", "hour", "minute"))
    microsecond = int((found["fraction"] or "").ljust(6, "0"))
    try:
        second = int(found["second"] or 0)
        local = datetime(year, month, day, hour, minute, second, microsecond)  # noqa: DTZ001 - its zone comes below
        if found["offset"] is not None:
            sign = -1 if found["offset"][0] == "-" else 1
            offset = timedelta(hours=int(found["offset"][1:3]), minutes=int(found["offset"][3:]))
            return local.replace(tzinfo=timezone(sign * offset)).astimezone(UTC)
        once = local.replace(tzinfo=time_zone, fold=0)
        again = local.replace(tzinfo=time_zone, fold=1)
        if once.utcoffset() == again.utcoffset():
            return once.astimezone(UTC)
        # Put back on the clock, a time that it skips comes out as another.
        there = once.astimezone(UTC).astimezone(time_zone).replace(tzinfo=None) == local
    except (ValueError, OverflowError):
        return "not-a-date"
    return "time-ambiguous" if there else "time-skipped"


# A bare device identifier with letters doesn't say whose it is: HIBCC's, ICCBBA's and IFA's are taken as they are.
_BARE_DI: Final = re.compile(r"[A-Z0-9]{6,25}", re.ASCII)


@lru_cache(maxsize=4096)
def read_di(text: str) -> str | None:
    """A device identifier as items have it: a GTIN on 14 digits, others without what a scanner or a label adds."""
    number = gtin(text)
    if number is not None:
        return number
    reading = parse(text, today=_ANY_DAY)
    if isinstance(reading, Udi):
        return reading.di
    return text if _BARE_DI.fullmatch(text) else None


def read(text: str, kind: ValueType, time_zone: ZoneInfo) -> str | Decimal | int | date | datetime | None:
    """The value of a text as a type, or None when it isn't one."""
    if kind in ("text", "udi"):
        return text
    if len(text) > LONGEST:
        return None
    if kind == "datetime":
        return read_datetime(text, time_zone)
    if kind in ("decimal", "di"):
        return read_decimal(text) if kind == "decimal" else read_di(text)
    return read_integer(text) if kind == "integer" else read_date(text)


def fault(text: str, kind: ValueType, time_zone: ZoneInfo) -> Fault:
    """Why a text can't be read as a type."""
    if kind == "di":
        return "udi-unreadable"
    if kind in ("decimal", "integer"):
        return "not-a-number"
    if len(text) > LONGEST:
        return "not-a-date"
    if kind == "datetime":
        moment = _moment(text, time_zone)
        return moment if isinstance(moment, str) else "not-a-date"
    found = _DTM.fullmatch(text)
    return "date-precision" if found is not None and found["day"] is None else "not-a-date"
