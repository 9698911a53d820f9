"""The types one written value can have, and how each reads the text that an analyst wrote."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

from casecart.workspace.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "BOOLEAN",
    "DECIMAL",
    "EXPRESSION",
    "FLAG",
    "INTEGER",
    "PATH",
    "TEXT",
    "Duration",
    "Expression",
    "Flag",
    "Rate",
    "ScalarType",
    "Size",
    "SourcePath",
]


@dataclass(frozen=True, slots=True, eq=False)
class ScalarType:
    """How one value is written: its name, what a person is told to write, and how the text is read."""

    name: str
    words: str
    parse: Callable[[str], Any]
    """Gives the value, or raises ValueError."""
    schema: Mapping[str, Any]
    """What draft-07 JSON Schema says of it. Editors read `0012` as a number, so text allows numbers too."""


_UNITS = MappingProxyType(
    {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
)
_BYTES = MappingProxyType({"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30})

_DURATION = r"\d{1,9}(\.\d{1,6})?(ms|s|m|h|d)"
_RATE = r"\d{1,6}(\.\d{1,3})?/(s|m|h)"
_SIZE = r"\d{1,12}(B|KB|MB|GB|KiB|MiB|GiB)"
_INTEGER = r"-?\d{1,18}"
_DECIMAL = r"-?\d{1,18}(\.\d{1,18})?"


def _matching(pattern: str, text: str) -> str:
    if re.fullmatch(pattern, text, re.ASCII) is None:
        raise ValueError
    return text


def _duration(text: str) -> float:
    number = _matching(_DURATION, text).rstrip("msdh")
    return float(Decimal(number) * _UNITS[text[len(number) :]])


def _rate(text: str) -> float:
    number, _, unit = _matching(_RATE, text).partition("/")
    rate = float(Decimal(number) / _UNITS[unit])
    if rate <= 0:
        raise ValueError
    return rate


def _size(text: str) -> int:
    number = _matching(_SIZE, text).rstrip("KMGiB")
    return int(number) * _BYTES[text[len(number) :]]


def _boolean(text: str) -> bool:
    return _matching("true|false", text) == "true"


_WRITTEN = MappingProxyType({"type": ["string", "number", "boolean"]})

TEXT = ScalarType("text", "text", Text, _WRITTEN)
PATH = ScalarType("path", 'a path such as PV1-19.1 or "OBX[2]-5"', Text, _WRITTEN)
EXPRESSION = ScalarType("expression", "an expression such as \"action == 'use'\"", Text, _WRITTEN)
INTEGER = ScalarType(
    "integer", "a whole number such as 12", lambda text: int(_matching(_INTEGER, text)), {"type": "integer"}
)
DECIMAL = ScalarType(
    "decimal",
    "a number such as 12.50",
    lambda text: Decimal(_matching(_DECIMAL, text)),
    {"type": ["number", "string"], "pattern": f"^{_DECIMAL}$"},
)
BOOLEAN = ScalarType("boolean", "true or false", _boolean, {"type": "boolean"})
FLAG = ScalarType(
    "flag",
    "true, or the key is left out",
    lambda text: _matching("true", text) == "true",
    {"const": True},
)
DURATION = ScalarType(
    "duration",
    "a number and its unit, ms, s, m, h or d, such as 30s",
    _duration,
    {"type": "string", "pattern": f"^{_DURATION}$"},
)
RATE = ScalarType(
    "rate",
    "how many in which time, s, m or h, such as 10/s",
    _rate,
    {"type": "string", "pattern": f"^{_RATE}$"},
)
SIZE = ScalarType(
    "size",
    "a number and its unit, B, KB, MB, GB, KiB, MiB or GiB, such as 10MB",
    _size,
    {"type": "string", "pattern": f"^{_SIZE}$"},
)

Duration = Annotated[float, DURATION]
"""Seconds, written with a unit: `50ms`, `30s`, `5m`, `1h`, `400d`."""

Rate = Annotated[float, RATE]
"""So many a second, written with a unit: `10/s`, `600/m`, `1000/h`."""

Size = Annotated[int, SIZE]
"""Bytes, written with a unit: `512B`, `64KB`, `10MB`, `1GiB`."""

Flag = Annotated[bool, FLAG]
"""A key that is given as `true` or not at all."""

SourcePath = Annotated[Text, PATH]
"""A path into a message. The workspace keeps it as text; the formats know its grammar."""

Expression = Annotated[Text, EXPRESSION]
"""A condition. The workspace keeps it as text; the rooms above know its grammar."""
