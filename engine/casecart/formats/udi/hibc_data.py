"""What stands behind the slash of HIBCC's codes: expiry, lot, serial number, quantity, date of manufacture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from casecart.formats.udi import day
from casecart.formats.udi.note import CHARACTER, DATE, ELEMENT, LENGTH
from casecart.formats.udi.reading import Wrong

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.formats.udi.day import Day
    from casecart.formats.udi.draft import Draft

__all__ = ["secondary", "supplement"]

_LONGEST: Final = 18


class _Date(NamedTuple):
    """A date's form: how many digits, how many of them are the hour, and how to read the others."""

    digits: int
    hour: int
    read: Callable[[str, int], Day]


def _month_day_year(digits: str, year: int) -> Day:
    return day.yymmdd(digits[4:] + digits[:4], year)


# By the flag before them. A month begins with 0 or 1, so that MMYY needs none. 7: no date.
_DATES: Final = {
    "0": _Date(4, 0, day.month_year),
    "1": _Date(4, 0, day.month_year),
    "2": _Date(6, 0, _month_day_year),
    "3": _Date(6, 0, day.yymmdd),
    "4": _Date(8, 2, day.yymmdd),
    "5": _Date(5, 0, day.day_of_year),
    "6": _Date(7, 2, day.day_of_year),
}
_NO_DATE: Final = "7"
_QUANTITIES: Final = {"8": 2, "9": 5}
_OLD: Final = re.compile(r"[0-9]{5}")
_DIGITS: Final = re.compile(r"[0-9]+")
_PLAIN: Final = re.compile(r"[0-9A-Z]*")
_SUPPLEMENT: Final = re.compile(r"(16D|14D)([0-9]{8})|(S)(.+)|(Q)([0-9]{1,9})")


def secondary(draft: Draft, start: int, end: int, year: int) -> bool:
    """Reads `$$...`, `$...` or the old form (a day of the year and the lot, without a `$`), if it is one.

    Raises:
        Wrong: it begins like one and has not the digits that its flags announce.
    """
    text = draft.text
    dollars = len(text[start:end]) - len(text[start:end].lstrip("$"))
    if not dollars and not _OLD.match(text, start, end):
        return False
    if dollars > 2:  # noqa: PLR2004 - what the standard has
        raise Wrong("structure", "At most two $ begin secondary data.", start)
    at = start + dollars
    kind = "lot"
    if dollars and text.startswith("+", at, end):
        kind, at = "serial", at + 1
    if dollars != 1:
        begin = at
        if dollars:
            at = _quantity(draft, start, at, end)
        if at < end or not draft.has("quantity"):
            at = _expiry(draft, start if at == begin else at, at, end, year=year, old=not dollars)
    elif at == end:
        raise Wrong("bad-element", "There is no lot or serial number behind $.", start)
    if at < end:
        _number(draft, kind, start if dollars == 1 else at, at, end)
    return True


def supplement(draft: Draft, start: int, end: int) -> None:
    """Reads `S` serial, `16D` manufacture, `14D` expiry, `Q` quantity; keeps what else there is."""
    match = _SUPPLEMENT.fullmatch(draft.text, start, end)
    if match is None:
        if start == end:
            raise Wrong("structure", "Two slashes have nothing between them.", start)
        draft.note(ELEMENT)
        draft.mark("other", "", start, start, end)
        return
    dated, digits, serial, _, quantity, count = match.groups()
    if serial:
        _number(draft, "serial", start, start + 1, end)
    elif quantity:
        draft.mark("quantity", quantity, start, start + 1, end)
        draft.state("quantity", int(count), start)
    else:
        field = "manufactured" if dated == "16D" else "expiry"
        draft.mark(field, dated, start, start + 3, end)
        draft.state_day(field, day.yyyymmdd(digits), start)


def _number(draft: Draft, kind: str, start: int, value: int, end: int) -> None:
    number = draft.mark(kind, draft.text[start:value], start, value, end)
    if len(number) > _LONGEST:
        draft.note(LENGTH)
    if not _PLAIN.fullmatch(number):
        draft.note(CHARACTER)
    draft.state(kind, number, start)


def _quantity(draft: Draft, start: int, at: int, end: int) -> int:
    """Reads a quantity, if one is announced; gives where it ends."""
    size = _QUANTITIES.get(draft.text[at:end][:1])
    if size is None:
        return at
    begin, stop = at + 1, at + 1 + size
    if stop > end or not _DIGITS.fullmatch(draft.text, begin, stop):
        raise Wrong("bad-element", f"The quantity must have {size} digits.", at)
    count = draft.mark("quantity", draft.text[start:begin], start, begin, stop)
    draft.state("quantity", int(count), start)
    return stop


def _expiry(draft: Draft, start: int, at: int, end: int, *, year: int, old: bool) -> int:
    """Reads the date that is announced at `at`; gives where it ends."""
    text = draft.text
    flag = "5" if old else text[at:end][:1]
    begin = at + (not old and flag not in {"0", "1"})
    if flag == _NO_DATE:
        draft.mark("header", text[start:begin], start, begin, begin)
        return begin
    form = _DATES.get(flag)
    if form is None:
        raise Wrong("structure", "After $$ comes a date, or one of the digits 2 to 9 that say what comes.", at)
    stop = begin + form.digits
    if stop > end or not _DIGITS.fullmatch(text, begin, stop):
        raise Wrong("bad-element", f"The date must have {form.digits} digits.", at)
    digits = draft.mark("expiry", text[start:begin], start, begin, stop)
    bare = len(digits) - form.hour
    draft.state_day("expiry", form.read(digits[:bare], year), start)
    if form.hour and draft.has("expiry"):
        hour = day.clock(digits[bare:])
        if hour is None:
            draft.note(DATE)
        else:
            draft.state("expiry_time", hour, start)
    return stop
