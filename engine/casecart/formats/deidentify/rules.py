"""What becomes of a value, by the place where it stands."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, get_args

from casecart.formats.deidentify.days import day_in, year_alone
from casecart.formats.udi import Udi, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import date
    from typing import TypeAlias

__all__ = ["AGE", "EXEMPT", "KEPT", "PERSONAL", "RULES", "YEARS", "Leaf", "Rule", "Turn", "settled"]

Rule = Literal[
    "keep",  # says nothing of a person: codes of the standard, counts, prices, facilities
    "facility",  # an application or organization by which a sender, or a number's authority, is known
    "supply",  # of an item or a device: stays, and stays wherever it stands alone
    "code",  # of a code table; if it does not look like a code, it goes
    "description",  # of a code beside it; stays unless something is in it that was replaced
    "identifier",
    "name",  # of a person; its words are looked for, too
    "date",
    "birth",
    "device-date",  # expiry, manufacture
    "age",
    "number",  # stays, unless it is as long as an identifier
    "serial",
    "udi",
    "base64-udi",
    "uuid",
    "id",  # of a resource
    "label",  # of a part, within a resource
    "link",  # to a resource, or elsewhere
    "text",  # written by a person
    "data",  # a document in base64
    "narrative",  # XHTML
    "unknown",
    "other",  # what is unknown, and not known to be harmless
]
RULES: Final = frozenset(get_args(Rule))

KEPT: Final = frozenset({"keep", "facility", "supply", "code", "device-date", "number"})
"""What stays, unless something of a person is in it."""

EXEMPT: Final = frozenset({"facility", "supply"})
"""What stays also if a person has the same name: peers, departments and items are known by it."""

PERSONAL: Final = frozenset(
    {"identifier", "name", "birth", "date", "serial", "udi", "base64-udi", "id", "link", "uuid"}
)
"""What is known to speak of one person: nothing of it may be left anywhere."""


class Leaf(NamedTuple):
    """A value of a message.

    Attributes:
        rule: by its place.
        value: decoded.
        place: as a path, without content.
    """

    rule: Rule
    value: str
    place: str


Turn: TypeAlias = "Callable[[Leaf], str]"
"""What becomes of each value. One that changes nothing looks at them all."""

_CODE: Final = re.compile(r"[\w{}\[\]/%*<>=+][\w.\-+/:*#^%{}\[\]'&,()]{0,39}")
_SOCIAL: Final = re.compile(r"\d{3}-\d{2}-\d{4}")
_NUMBER: Final = re.compile(r"[<>=~+\-\s]*[\d.,/:*\-\s]+(?:[^\W\d_]{1,3}|[eE][+-]?\d+)?")
AGE: Final = re.compile(r"(\d{1,9})((?:[.,]\d+)?)(\s*(?:[^\W\d_]{1,2}|yrs?|years?)?)", re.IGNORECASE)
"""Its whole years, what is beyond them, and the unit."""
YEARS: Final = frozenset({"a", "y", "yr", "yrs", "year", "years"})
"""Units of an age, in small letters."""
_SMALL: Final = re.compile(r"[+-]?[0-8]?\d(?:\.\d{1,2})?")
_SAYS: Final = re.compile(r"[^\W_0]")
_DIGITS: Final = re.compile(r"\d")
_LONG_NUMBER: Final = 7
_MOST_WORDS: Final = 3
_LONGEST: Final = 64
_GTIN: Final = 14
"""Digits; a code that says more has more."""
_LEAST_SUPPLY: Final = 4


def settled(leaf: Leaf, supplies: Collection[str], today: date) -> Rule:
    """The rule that holds for this very value, which `unknown` is never.

    Args:
        leaf: the value and the rule of its place.
        supplies: values that are known to be of an item or device: lots, device identifiers, item numbers.
        today: for the century of a year in a device's code.
    """
    rule, value = leaf.rule, leaf.value.strip()
    if rule in {"identifier", "name", "unknown"} and (len(value) == 1 or not _SAYS.search(value)):
        return "keep"  # zeros, or asterisks of somebody who had the same wish
    if rule == "unknown":
        return _unknown(value, supplies, today)
    if rule in {"date", "birth", "device-date"}:
        return rule if day_in(value) is not None or year_alone(value) else "keep" if _no_day(value) else "identifier"
    if rule == "udi" and value.isdecimal() and len(value) <= _GTIN:
        return "supply"
    return "identifier" if rule in _DOUBTFUL and not _DOUBTFUL[rule](value) else rule


def _is_code(value: str) -> bool:
    return bool(_CODE.fullmatch(value)) and not _SOCIAL.fullmatch(value)


def _is_short(value: str) -> bool:
    return bool(_NUMBER.fullmatch(value)) and len(_DIGITS.findall(value.partition(".")[0])) < _LONG_NUMBER


def _is_age(value: str) -> bool:
    return AGE.fullmatch(value) is not None


_DOUBTFUL: Final[Mapping[Rule, Callable[[str], bool]]] = {"code": _is_code, "number": _is_short, "age": _is_age}


def _no_day(value: str) -> bool:
    """A date that says there is none."""
    return not value.strip("0-:T") or value.startswith("9999")


def _unknown(value: str, supplies: Collection[str], today: date) -> Rule:
    if _SMALL.fullmatch(value):
        return "keep"
    if len(value) >= _LEAST_SUPPLY and value in supplies:
        return "supply"
    if day_in(value) is not None:
        return "date"
    if len(value) > _GTIN:
        reading = parse(value, today=today)
        if isinstance(reading, Udi) and reading.di is not None and not reading.warnings:
            return "udi"
    return "text" if len(value.split()) >= _MOST_WORDS or len(value) > _LONGEST else "other"
