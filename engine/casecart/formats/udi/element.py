"""GS1 elements to a UDI: what each application identifier's value means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.formats.udi.day import clock, yymmdd
from casecart.formats.udi.gtin import fits
from casecart.formats.udi.note import (
    BASIC_UDI_DI,
    CHECK_DIGIT,
    CONTENTS,
    DATE,
    NO_DI,
    Note,
)
from casecart.formats.udi.reading import REFUSALS, Form, Udi, Wrong

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, time

    from casecart.formats.udi.piece import Mark

__all__ = ["device"]

_GTIN: Final = "01"
_BASIC: Final = "8013"
_MONTH_ONLY: Final = {
    (True, False): ("expiry",),
    (False, True): ("manufactured",),
    (True, True): ("expiry", "manufactured"),
}


def device(
    text: str,
    found: Mapping[str, str],
    marks: list[Mark],
    *,
    form: Form,
    year: int,
    partial: bool,
    notes: tuple[Note, ...] = (),
) -> Udi:
    """The UDI that these elements make.

    Args:
        text: the code.
        found: values by application identifier, of the right length and digits.
        marks: where they stand.
        form: how they were written.
        year: the current one.
        partial: whether a code without a device identifier is a code: it may be the second one of a label.
        notes: what was noted so far.

    Raises:
        Wrong: no device identifier, a Basic UDI-DI alone, or two different dates of expiry.
    """
    di = found.get(_GTIN)
    if di is None:
        notes += _without_di(found, partial=partial)
    elif not fits(di):
        notes += (CHECK_DIGIT,)
    expiry: date | None = None
    manufactured: date | None = None
    hour: time | None = None
    until_month = made_month = False
    if (digits := found.get("17")) is not None:
        expiry, until_month, note = yymmdd(digits, year)
        if note is not None:
            notes += (note,)
    if (digits := found.get("11")) is not None:
        manufactured, made_month, note = yymmdd(digits, year)
        if note is not None:
            notes += (note,)
    if (digits := found.get("7003")) is not None:
        expiry, hour, until_month, notes = _to_the_minute(digits, year, expiry, notes, until_month=until_month)
    if di is not None and _BASIC in found:
        notes += (BASIC_UDI_DI,)
    quantity = found.get("30")
    return Udi(
        text=text,
        agency="GS1",
        form=form,
        di=di,
        lot=found.get("10"),
        serial=found.get("21"),
        expiry=expiry,
        expiry_time=hour,
        manufactured=manufactured,
        month_only=_MONTH_ONLY[until_month, made_month] if until_month or made_month else (),
        quantity=None if quantity is None else int(quantity),
        warnings=notes,
        marks=tuple(marks),
    )


def _without_di(found: Mapping[str, str], *, partial: bool) -> tuple[Note, ...]:
    if _BASIC in found:
        raise Wrong("basic-udi-di", REFUSALS["basic-udi-di"])
    if not partial:
        raise Wrong("no-di", REFUSALS["no-di"])
    return (CONTENTS, NO_DI) if "02" in found else (NO_DI,)


def _to_the_minute(
    digits: str, year: int, day: date | None, notes: tuple[Note, ...], *, until_month: bool
) -> tuple[date | None, time | None, bool, tuple[Note, ...]]:
    """Expiry by 7003 (YYMMDDHHMM), which must not contradict the one by 17."""
    stated, month_only, note = yymmdd(digits[:6], year)
    if note is not None:
        return day, None, until_month, (*notes, note)
    same = day == stated or (
        until_month and day is not None and stated is not None and f"{day:%Y%m}" == f"{stated:%Y%m}"
    )
    if day is not None and not same:
        raise Wrong("contradiction", "It states two different days of expiry, (17) and (7003).")
    hour = clock(digits[6:])
    return stated, hour, month_only, notes if hour is not None else (*notes, DATE)
