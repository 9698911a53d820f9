"""What compiled paths call at run time."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from casecart.formats.hl7v2.delimiters import STANDARD, Delimiters, read_delimiters
from casecart.formats.hl7v2.escape import unescape
from casecart.formats.hl7v2.null import NULL_TEXT
from casecart.formats.hl7v2.problem import Problem, Refused

__all__ = ["delimiters_of", "repetitions"]

_STANDARD_HEADER: Final = "MSH" + STANDARD.field + STANDARD.encoding_characters + STANDARD.field
# Longer than any MSH-2 that can be read; short, so that a cache of these never holds content.
_LONGEST_HEADER: Final = 16


def delimiters_of(text: str) -> Delimiters:
    """The delimiters of a message.

    Raises:
        Refused: `no-header` or `delimiters`; the listener refuses the same.
    """
    if text.startswith(_STANDARD_HEADER):
        return STANDARD
    # A line feed ends the header as well, to the listener: what stands behind one is no delimiter.
    return _delimiters(text[:_LONGEST_HEADER].partition("\r")[0].partition("\n")[0])


@lru_cache(maxsize=64)
def _delimiters(start: str) -> Delimiters:
    if not start.startswith("MSH"):
        problem = Problem(error_code="207", words="The message doesn't begin with an MSH segment.")
        raise Refused("no-header", problem)
    separator = start[3:4]
    return read_delimiters(separator, start[4:].partition(separator or "|")[0])


def repetitions(
    field: str,
    component: int,
    subcomponent: int,
    delimiters: Delimiters,
    charset: str,
) -> tuple[str, ...]:
    """The values of this part in every repetition of a field that has one."""
    found: list[str] = []
    for repetition in field.split(delimiters.repetition):
        parts = repetition.split(delimiters.component, component)
        value = parts[component - 1] if len(parts) >= component else ""
        if subcomponent and delimiters.subcomponent:
            parts = value.split(delimiters.subcomponent, subcomponent)
            value = parts[subcomponent - 1] if len(parts) >= subcomponent else ""
        elif subcomponent > 1:
            value = ""
        value = value.strip()
        if value and value != NULL_TEXT:
            value = unescape(value, delimiters, charset).strip()
            if value:
                found.append(value)
    return tuple(found)
