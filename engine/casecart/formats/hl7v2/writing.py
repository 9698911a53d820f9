"""Writing a message: its header, and the whole of it as bytes in the receiver's character set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.formats.hl7v2.escape import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from casecart.formats.hl7v2.delimiters import Delimiters

__all__ = ["component_of", "segment_of", "write_header"]

_COMPONENT: Final = "^"
"""How an analyst separates components, whatever the message's delimiters are."""


def component_of(text: str, delimiters: Delimiters) -> str:
    """A value as an analyst writes it, such as ``LAB^1.2.3^ISO``, with the message's delimiters.

    Raises:
        ValueError: as `escape` does.
    """
    return delimiters.component.join([escape(part, delimiters) for part in text.split(_COMPONENT)])


def segment_of(name: str, fields: Mapping[int, str], delimiters: Delimiters) -> str:
    """A segment from its fields, by number; each is written already. Not for MSH."""
    last = max((number for number, text in fields.items() if text), default=0)
    return delimiters.field.join([name, *(fields.get(number, "") for number in range(1, last + 1))])


def write_header(fields: Mapping[int, str], delimiters: Delimiters) -> str:
    """The MSH segment; MSH-1 and MSH-2 are the delimiters'. The other fields are written already."""
    last = max((number for number, text in fields.items() if text), default=2)
    others: Sequence[str] = [fields.get(number, "") for number in range(3, last + 1)]
    return delimiters.field.join(["MSH", delimiters.encoding_characters, *others])
