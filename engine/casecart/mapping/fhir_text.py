"""Values of FHIR as the texts that a mapping's fields are read from."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn

from casecart.formats.fhir.path import PathFailed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from casecart.formats.fhir.path.value import Json

__all__ = ["Modifiers", "day_there", "digits_of", "one_or_all", "text_of", "texts_of"]

# date, dateTime and instant of FHIR; a moment has an offset there, and we let one without pass: the sender's clock.
_MOMENT: Final = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?P<fraction>\.[0-9]{1,6})?[0-9]*)?"
    r"(?:Z|(?P<offset>[+-][0-9]{2}:[0-9]{2}))?)?)?)?",
    re.ASCII,
)
_LONGEST: Final = 40
_LARGEST: Final = 10**_LONGEST


def _too_long() -> NoReturn:
    raise PathFailed(f"the number has more than {_LONGEST} digits")


def _text(value: Json) -> str | None:
    kind = value.__class__
    if kind is str:
        return value.strip() or None
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value) if abs(value) < _LARGEST else _too_long()
    if kind is Decimal:
        # Written out, 1e999999999 would be a gigabyte.
        return format(value, "f") if value.is_finite() and -_LONGEST < value.adjusted() < _LONGEST else _too_long()
    raise PathFailed("the path leads to an element with parts: go on to the one that is meant, as .coding.code")


def texts_of(collection: Json) -> tuple[str, ...]:
    """The different texts of a collection, in their order. Raises `PathFailed` for what is no single value."""
    if collection is None:
        return ()
    if collection.__class__ is str:
        only = collection.strip()
        return (only,) if only else ()
    items = collection if collection.__class__ is list else (collection,)
    return tuple(dict.fromkeys(text for item in items if item is not None and (text := _text(item)) is not None))


def one_or_all(values: Iterable[object]) -> object:
    """None for nothing, the value where there is one, else the different ones as a tuple, in their order."""
    different = tuple(dict.fromkeys(values))
    return different if len(different) > 1 else different[0] if different else None


def text_of(collection: Json) -> str | None:
    """The only text of a collection. Raises `PathFailed` where there are different ones: none is chosen by itself."""
    if collection.__class__ is not list:
        return None if collection is None else _text(collection)
    found = texts_of(collection)
    if len(found) > 1:
        raise PathFailed("there are several values, and nothing says which is meant: choose one, as by first()")
    return found[0] if found else None


def digits_of(text: str) -> str:
    """A date or moment of FHIR as HL7 v2 writes it, 20261103; another text as it is."""
    return _digits(text) if len(text) <= _LONGEST else text


@lru_cache(maxsize=4096)
def _digits(text: str) -> str:
    found = _MOMENT.fullmatch(text)
    if found is None:
        return text
    parts = "".join(found[name] or "" for name in ("year", "month", "day", "hour", "minute", "second", "fraction"))
    return parts + ("+0000" if text.endswith("Z") else (found["offset"] or "").replace(":", ""))


def day_there(text: str, time_zone: ZoneInfo) -> str:
    """The same, with a moment as its day at the facility: FHIR's moments are often those of Greenwich."""
    return _day(text, time_zone) if len(text) <= _LONGEST else text


@lru_cache(maxsize=4096)
def _day(text: str, time_zone: ZoneInfo) -> str:
    digits = _digits(text)
    if _MOMENT.fullmatch(text) is None or not (text.endswith("Z") or "+" in digits or "-" in digits):
        return digits
    try:
        return datetime.fromisoformat(text).astimezone(time_zone).strftime("%Y%m%d")
    except (ValueError, OverflowError):
        return digits


class Modifiers:
    """Which resources of a message, or parts of them, may mean something else than they say; each is looked at once.

    The message holds what it is asked of, so that none takes another's identity.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, bool] = {}

    def within(self, element: Json) -> bool:
        """Whether anything in it may turn what it says: a `modifierExtension`, or rules of their own.

        FHIR R4 2.1.0.3.1: who doesn't understand a modifier must not process the resource. A contained resource is
        only looked at where it is what is asked of.
        """
        found = self._known.get(id(element))
        if found is None:
            found = self._known[id(element)] = _modified(element)
        return found

    def nowhere_in(self, element: Json) -> None:
        """There is none in it, as somebody knows who looked at all of it."""
        self._known[id(element)] = False


def _modified(element: Json) -> bool:
    waiting = [element]
    for one in waiting:  # which grows meanwhile
        if one.__class__ is dict:
            if "modifierExtension" in one or "implicitRules" in one:
                return True
            waiting += [each for name, each in one.items() if each.__class__ in (dict, list) and name != "contained"]
        elif one.__class__ is list:
            waiting += one
    return False
