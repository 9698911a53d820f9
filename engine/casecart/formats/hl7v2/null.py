"""HL7's explicit null: the field that says "delete what you have" and is not the same as an empty one."""

from __future__ import annotations

from enum import Enum
from typing import Final

__all__ = ["NULL", "NULL_TEXT", "Null"]

# How it is written in a message (HL7 v2.8.2 §2.5.3).
NULL_TEXT: Final = '""'


class Null(Enum):
    """The type of `NULL`: an enum of one, so that type checkers tell it from text and from None."""

    NULL = NULL_TEXT

    def __repr__(self) -> str:
        return "NULL"


NULL: Final = Null.NULL
