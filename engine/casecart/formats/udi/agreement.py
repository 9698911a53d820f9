"""What several places say of one device, compared by meaning: which fields contradict each other."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

import msgspec

from casecart.formats.udi.gtin import gtin
from casecart.formats.udi.parse import parse
from casecart.formats.udi.reading import Agency, Udi

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Contradiction", "Told", "agree", "told"]

Field = Literal["di", "lot", "serial", "expiry", "manufactured", "donation_id"]

_FIELDS: Final[tuple[Field, ...]] = ("di", "lot", "serial", "expiry", "manufactured", "donation_id")


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What one place says of a device; an empty value says nothing.

    Attributes:
        place: how to name it to a person: `PRT-10`, `PRT-16 to PRT-20`, `OBX`.
        agency: whose device identifier it is, if that is known.
        di, lot, serial, donation_id: as written there.
        expiry, manufactured: as written (HL7's `20160712`, `201607`, with or without a time; `2016-07-12`; `160712`),
            or a date.
        month_only: which of those two dates are given with a day that nobody stated.
    """

    place: str
    agency: Agency | None = None
    di: str | None = None
    lot: str | None = None
    serial: str | None = None
    expiry: date | str | None = None
    manufactured: date | str | None = None
    donation_id: str | None = None
    month_only: tuple[str, ...] = ()


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """A field about which not all places say the same. It never holds the values.

    Attributes:
        field: of `Told`.
        places: who says something about it, in the order given.
        unclear: those of them whose value is no date; the others may agree.
    """

    field: Field
    places: tuple[str, ...]
    unclear: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """For the person who must find out."""
        if self.unclear:
            return f"{self.field}: what {' and '.join(self.unclear)} says is no date"
        return f"{self.field}: {' and '.join(self.places)} do not say the same"


def told(udi: Udi, place: str) -> Told:
    """What a code says, for comparing."""
    return Told(
        place=place,
        agency=udi.agency,
        di=udi.di,
        lot=udi.lot,
        serial=udi.serial,
        expiry=udi.expiry,
        manufactured=udi.manufactured,
        donation_id=udi.donation_id,
        month_only=udi.month_only,
    )


def agree(*places: Told) -> tuple[Contradiction, ...]:
    """The fields that contradict each other, in the order of `Told`; none if all agree.

    GTINs are compared on 14 digits, and device identifiers without what a scanner or a label puts around them. Lots and
    serial numbers are compared letter by letter, cases too; only ICCBBA's are filled with zeros on the left, which say
    nothing. Dates agree if neither states what the other denies: a month agrees with every day of it. A donation number
    is compared without its two flag characters. An ambiguous code is narrowed down by asking with each of its readings.
    """
    return tuple(_contradictions(places))


def _contradictions(places: tuple[Told, ...]) -> Iterator[Contradiction]:
    iccbba = any(place.agency == "ICCBBA" for place in places)
    for field in _FIELDS:
        speaking = [(place, value) for place in places if (value := _stated(getattr(place, field))) is not None]
        names = tuple(place.place for place, _ in speaking)
        if field in {"expiry", "manufactured"}:
            days = [_day(value, month_only=field in place.month_only) for place, value in speaking]
            unclear = tuple(name for name, day in zip(names, days, strict=True) if day is None)
            known = [day for day in days if day is not None]
            if unclear or not all(_compatible(one, other) for one in known for other in known):
                yield Contradiction(field=field, places=names, unclear=unclear)
            continue
        meanings = {_meaning(field, str(value), place.agency, zeros=iccbba) for place, value in speaking}
        if len(meanings) > 1:
            yield Contradiction(field=field, places=names)


def _stated(value: date | str | None) -> date | str | None:
    """The value; None if nothing is said. `""` is HL7's way to say that a value is to be deleted."""
    return None if isinstance(value, str) and value.strip() in {"", '""'} else value


# The century makes no difference to what is asked here.
_ANY_DAY: Final = date(2000, 1, 1)
_FLAGGED: Final = 15
_DONATION: Final = 13


def _meaning(field: Field, value: str, agency: Agency | None, *, zeros: bool) -> str:
    value = value.strip()
    if field == "di":
        if agency in {None, "GS1"} and (number := gtin(value)) is not None:
            return number
        reading = parse(value, today=_ANY_DAY, agency=agency)
        return (reading.di or value) if isinstance(reading, Udi) else value
    if field == "donation_id":
        value = value.removeprefix("=")
        return value[:_DONATION] if len(value) == _FLAGGED else value
    return (value.lstrip("0") or value) if zeros else value


class _Day(NamedTuple):
    """What is stated of a date. A year below 100 has no century."""

    year: int
    month: int | None
    day: int | None


# HL7 v2 DT and DTM (what follows the day is a time and a zone), ISO 8601, and YYMMDD where YYYYMM can't be meant.
_FORMS: Final = (
    re.compile(r"(\d{4})-(\d\d)(?:-(\d\d)(?:[T ].*)?)?", re.ASCII),
    re.compile(r"((?:19|20|21)\d\d)(0[1-9]|1[0-2])?", re.ASCII),
    re.compile(r"(\d\d)(\d\d)(\d\d)", re.ASCII),
    re.compile(r"(\d{4})(\d\d)(\d\d)(?:\d\d(?:\d\d(?:\d\d(?:\.\d+)?)?)?)?(?:[+-]\d{4})?", re.ASCII),
)
_MONTHS: Final = 12
_DAYS: Final = 31


def _day(value: date | str, *, month_only: bool) -> _Day | None:
    """What is stated of a date; None if it is none."""
    if isinstance(value, date):
        return _Day(value.year, value.month, None if month_only else value.day)
    for form in _FORMS:
        match = form.fullmatch(value.strip())
        if match is None:
            continue
        year, month, day = (None if part is None else int(part) for part in (*match.groups(), None)[:3])
        if year is None or (month is not None and not 1 <= month <= _MONTHS) or (day or 0) > _DAYS:
            return None
        return _Day(year, month, day or None)
    return None


def _compatible(one: _Day, other: _Day) -> bool:
    """Whether neither states what the other denies."""
    century = 100
    short = one.year < century or other.year < century
    if (one.year % century != other.year % century) if short else one.year != other.year:
        return False
    return all(a is None or b is None or a == b for a, b in ((one.month, other.month), (one.day, other.day)))
