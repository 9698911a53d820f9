"""Why a line could not be resolved, for the person who works the exception."""

from __future__ import annotations

import re
from typing import Final

import msgspec

__all__ = ["CODES", "Trouble", "shown", "subject"]


class Trouble(msgspec.Struct, frozen=True, gc=False):
    """Why a line could not be resolved.

    Attributes:
        code: one of `CODES`.
        field: of the usage.
        words: the cause, by which the worklist groups: the same cause has the same words.
        subject: what it is about, for programs: ``di:04012345000016``; its value is empty where it can't be shown.
    """

    code: str
    field: str
    words: str
    subject: str


CODES: Final = {
    "item-unknown": "No item has the numbers that the line was told by.",
    "item-several": "Several items, or several packagings of one, have them.",
    "item-conflict": "The numbers name different items.",
    "item-untold": "The line was told by no number at all.",
    "item-not-valid": "The item, or its number, was not valid on the day of use.",
    "unit-unknown": "The unit is none of the item's.",
    "unit-several": "The unit is another quantity of the item's own by one row than by another.",
    "ownership-several": "Whose the item is differs from one row to another.",
    "quantity-fraction": "The quantity is a fraction of something that is used whole.",
    "quantity-inexact": "The quantity in the item's unit has no exact decimal.",
    "location-unknown": "No location has this name.",
    "location-several": "Several locations have this name, or the department has several.",
    "location-untold": "Nothing says which location it is.",
    "department-unknown": "No department has this name.",
    "department-several": "Several departments have this name.",
    "supplier-unknown": "No supplier has this name.",
    "supplier-several": "Several suppliers have this name.",
    "supplier-untold": "Nothing says which supplier it is.",
    "cost_center-unknown": "The cost centre is not known, or the department has none on the day of use.",
    "cost_center-several": "The department has several cost centres on the day of use.",
    "cost_center-untold": "Nothing says which cost centre it is.",
    "gl_account-unknown": "The account is not known, or the department has none on the day of use.",
    "gl_account-several": "The department has several accounts on the day of use.",
    "gl_account-untold": "Nothing says which account it is.",
}
"""Every code that a trouble can have, with one line that explains it."""

# Free text of a message may hold a patient's name. What has no space in it and is not long is a number of something.
_NUMBER: Final = re.compile(r"[A-Za-z0-9./+_\-]{1,40}", re.ASCII)


def shown(value: str) -> str:
    """A product's number or a place's code as words may have it."""
    return value if _NUMBER.fullmatch(value) else "that does not look like one"


def subject(field: str, value: str) -> str:
    """What a trouble is about."""
    return f"{field}:{value}" if _NUMBER.fullmatch(value) else f"{field}:"
