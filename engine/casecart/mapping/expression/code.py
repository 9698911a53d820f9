"""Pieces of expressions as Python, and what can be told of two that are compared."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from casecart.mapping.expression.types import BOOL, DATE, DECIMAL, Kind
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from casecart.mapping.expression.types import Type

__all__ = ["Code", "misfit", "never_equal", "variable"]


def variable(name: str) -> str:
    """What a name of the scope is called in the Python source; no keyword or builtin can be hit."""
    return f"v_{name}"


@dataclass(frozen=True, slots=True)
class Code:
    """A part of an expression, as Python.

    Attributes:
        type: what it is.
        source: a Python expression, in brackets where it needs them.
        missing: it may be None.
        simple: it may stand twice in the source: a name or a constant.
        literal: the value, when it is a constant.
    """

    type: Type
    source: str
    missing: bool = False
    simple: bool = False
    literal: object = None


def misfit(left: Code, right: Code) -> str:
    """Why two values of different types can't be compared, and what was probably meant."""
    words = f"{left.type} is compared with {right.type}"
    for one, other in ((left, right), (right, left)):
        if one.type == DATE and isinstance(other.literal, str):
            return f"{words}: write a day as date('2026-01-31')"
        if one.type == DECIMAL and isinstance(other.literal, str):
            return f"{words}: write a number without quotes"
        if isinstance(one.literal, (int, Decimal)) and other.type not in (DECIMAL, DATE, BOOL):
            return f"{words}: write text in quotes, also when it is made of digits"
    return words


def never_equal(literal: Code, other: Code) -> tuple[str, str | None] | None:
    """What to say of a text that the other side can never be, and what was probably meant; None if it can."""
    if not isinstance(literal.literal, str) or other.literal is not None or not isinstance(other.type, Kind):
        return None
    values = other.type.values
    if values is None or literal.literal in values:
        return None
    message = f"the value can never be {literal.source}, but only {listed(sorted(values))}"
    return message, did_you_mean(literal.literal, values)
