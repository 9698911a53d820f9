"""Dates within values, as HL7 and FHIR write them; by how many days they move, and what becomes of them."""

from __future__ import annotations

import re
from datetime import date, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["Found", "age", "day_in", "moved", "shift_of", "writings", "year_alone"]

_PLAIN: Final = re.compile(r"(\d{4})(\d{2})(\d{2})(?=(?:\d{2}|\d{4}|\d{6})?(?:\.\d+)?(?:[+-]\d{4})?\Z)")
_WITH_DASHES: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?=T\d|\Z| \d)")
_MONTH: Final = re.compile(r"(\d{4})(-?)(\d{2})\Z")
_YEAR: Final = re.compile(r"(?:18[5-9]|19\d|2[01]\d)\d", re.ASCII)
_FIRST_YEAR: Final = 1850
_LAST_YEAR: Final = 2200
_MIDDLE: Final = 15  # of a month: what a month without a day is moved by

_FARTHEST: Final = 365  # days
_TRIES: Final = 200
_OLDEST: Final = 89


class Found(NamedTuple):
    """A date in a value.

    Attributes:
        day: of a month without one, its middle.
        whole: whether the day was said.
        dashes: whether it is written with them.
        length: of the part of the value that says it.
    """

    day: date
    whole: bool
    dashes: bool
    length: int


def day_in(value: str) -> Found | None:
    """The date with which a value begins that is a date or a time stamp; None for all others."""
    for pattern, dashes in ((_PLAIN, False), (_WITH_DASHES, True)):
        if (match := pattern.match(value)) is not None:
            day = _day(*match.groups())
            return None if day is None else Found(day, True, dashes, match.end())  # noqa: FBT003 - a field by its place
    if (match := _MONTH.match(value)) is not None:
        day = _day(match[1], match[3], str(_MIDDLE))
        return None if day is None else Found(day, False, bool(match[2]), match.end())  # noqa: FBT003 - likewise
    return None


def year_alone(value: str) -> bool:
    """Whether a value is a year."""
    return _YEAR.fullmatch(value) is not None


def _day(year: str, month: str, day: str) -> date | None:
    try:
        found = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return found if _FIRST_YEAR <= found.year <= _LAST_YEAR else None


def moved(value: str, days: int) -> str:
    """A value that begins with a date, with another one in its place; the hour, if there is one, stays."""
    found = day_in(value)
    if found is None:
        return value
    return _written(found, found.day + timedelta(days=days)) + value[found.length :]


def age(value: str, days: int, reference: date) -> str:
    """A date, moved; one of more than 89 years before is the date of birth of somebody who is just 90.

    Only a birth is so long ago, wherever it stands. A year alone stays, unless it is one of those.

    So 45 CFR 164.514(b)(2)(i)(C) has it.

    Args:
        value: as written.
        days: to move it by.
        reference: the day on which the person had that age.
    """
    found = day_in(value)
    if found is None:
        old = year_alone(value) and reference.year - int(value) > _OLDEST
        return f"{(reference + timedelta(days=days)).year - _OLDEST - 1:04}" if old else value
    years = reference.year - found.day.year - ((reference.month, reference.day) < (found.day.month, found.day.day))
    if years <= _OLDEST:
        return moved(value, days)
    then = reference + timedelta(days=days)
    return _written(found, date(then.year - _OLDEST - 1, 1, 1)) + value[found.length :]


def _written(found: Found, day: date) -> str:
    dash = "-" if found.dashes else ""
    month = f"{day.year:04}{dash}{day.month:02}"
    return f"{month}{dash}{day.day:02}" if found.whole else month


def writings(day: date) -> set[str]:
    """How people and systems write a day, in small letters."""
    return {
        f"{day:%Y%m%d}",
        f"{day:%Y-%m-%d}",
        f"{day:%Y/%m/%d}",
        f"{day:%d.%m.%Y}",
        f"{day.day}.{day.month}.{day.year}",
        f"{day:%d/%m/%Y}",
        f"{day:%m/%d/%Y}",
        f"{day.month}/{day.day}/{day.year}",
        f"{day:%d-%m-%Y}",
        f"{day:%m-%d-%Y}",
    }


def shift_of(key: bytes, patient: str, attempt: int, days: Collection[date], fixed: Iterable[date]) -> int:
    """By how many days a patient's dates move; never by none.

    Of those that the key gives, later ones before earlier ones, the first by which no date becomes another one of the
    patient's, and each stays before or behind the dates that don't move: what was expired when it was used is so
    afterwards. Where there is none, one that is farther than the dates lie from each other.

    Args:
        key: of the workspace.
        patient: the patient's number, in any writing.
        attempt: counted from 0: another one gives another shift.
        days: of the patient.
        fixed: what does not move: expiries.
    """
    lasting = sorted(set(fixed))
    far = (max(days) - min(days)).days if days else 0
    for number in range(_TRIES):
        shift = _candidate(key, patient, attempt, number)
        new = [day + timedelta(days=shift) for day in days]
        if not set(new) & set(days) and all(
            (old < end) == (then < end) for old, then in zip(days, new, strict=True) for end in lasting
        ):
            return shift
    return -far - abs(_candidate(key, patient, attempt, _TRIES))


def _candidate(key: bytes, patient: str, attempt: int, number: int) -> int:
    salt = attempt.to_bytes(4, "big") + number.to_bytes(4, "big")
    digest = blake2b(patient.casefold().encode("utf-8", "surrogatepass"), key=key, salt=salt, person=b"casecart days")
    value = int.from_bytes(digest.digest()[:8], "big")
    days = value % _FARTHEST + 1
    return days if number < _TRIES // 2 else -days
