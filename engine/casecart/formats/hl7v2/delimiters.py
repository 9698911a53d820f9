"""The separators that a message declares in MSH-1 and MSH-2."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from casecart.formats.hl7v2.problem import Problem, Refused

__all__ = ["STANDARD", "Delimiters", "read_delimiters"]


class Delimiters(NamedTuple):
    """One character each; the empty string where the message declares none: then nothing is split at it."""

    field: str
    component: str
    repetition: str
    escape: str = ""
    subcomponent: str = ""
    truncation: str = ""

    @property
    def encoding_characters(self) -> str:
        """MSH-2 as these delimiters are declared."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


STANDARD: Final = Delimiters("|", "^", "~", "\\", "&")

# How many encoding characters there can be.
_FEWEST: Final = 2
_MOST: Final = 5


@lru_cache(maxsize=256)
def read_delimiters(separator: str, encoding: str) -> Delimiters:
    r"""The delimiters that MSH-1 and MSH-2 declare (HL7 v2.8.2 §2.5.4).

    Two to five characters are read: component, repetition, escape, subcomponent and, from 2.7 on, truncation.
    Senders shorten them (`^~&`, `^~\`: the third is the escape character when it is a backslash, else the
    subcomponent separator), escape the backslash once too often (`^~\\&`) or leave XML's `&amp;` in; these
    are read as meant.

    Args:
        separator: MSH-1, the character after `MSH`.
        encoding: MSH-2 as sent.

    Raises:
        Refused: `delimiters`, when a message can't be split at them without doubt.
    """
    if not _usable(separator):
        raise _refused(1, "The field separator (MSH-1) is not a punctuation character.")
    meant = encoding.replace("&amp;", "&")
    if meant[2:4] == "\\\\":
        meant = meant[:3] + meant[4:]
    if not _FEWEST <= len(meant) <= _MOST:
        raise _refused(2, "The encoding characters (MSH-2) are not two to five characters.")
    if not all(map(_usable, meant)):
        raise _refused(2, "The encoding characters (MSH-2) are not all punctuation characters.")
    if len({separator, *meant}) != len(meant) + 1:
        raise _refused(2, "The encoding characters (MSH-2) and the field separator are not all different.")
    component, repetition, *others = tuple(meant)
    if len(others) > 1:
        return Delimiters(separator, *tuple(meant))
    if "\\" in (component, repetition):
        raise _refused(2, "The encoding characters (MSH-2) lack the component separator.")
    if others == ["\\"]:
        return Delimiters(separator, component, repetition, escape="\\")
    return Delimiters(separator, component, repetition, subcomponent="".join(others))


def _usable(character: str) -> bool:
    return "!" <= character <= "~" and not character.isalnum()


def _refused(field: int, words: str) -> Refused:
    return Refused("delimiters", Problem(error_code="102", words=words, segment="MSH", field=field))
