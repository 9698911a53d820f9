"""Conditions in CEL's syntax: a typed subset in which every expression has an answer for every value."""

from __future__ import annotations

from casecart.mapping.expression.compiled import Expression, compile_expression, mistakes_in
from casecart.mapping.expression.mistake import ExpressionError, Mistake
from casecart.mapping.expression.types import BOOL, DATE, DECIMAL, TEXT, UNKNOWN, Kind, ListOf, Record, Type, record_of

__all__ = [
    "BOOL",
    "DATE",
    "DECIMAL",
    "TEXT",
    "UNKNOWN",
    "Expression",
    "ExpressionError",
    "Kind",
    "ListOf",
    "Mistake",
    "Record",
    "Type",
    "compile_expression",
    "mistakes_in",
    "record_of",
]
