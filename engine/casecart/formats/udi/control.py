"""Control characters: the few that codes have, and what becomes of those on the way; and what no code has."""

from __future__ import annotations

import re
from typing import Final

from casecart.formats.udi.reading import REFUSALS, Wrong

__all__ = ["EOT", "GS", "RS", "mended", "refuse_others"]

GS: Final = "\x1d"
RS: Final = "\x1e"
EOT: Final = "\x04"

# What keyboards, JSON writers and editors make of them. But for the angle brackets, none of it can stand in a GS1 value
# (character set 82).
_MANGLED: Final = {
    GS: r"<GS>|\{GS\}|\[GS\]|\^\]|\\x1[dD]|\\u001[dD]|[\u2194\u241d|~ ]",
    RS: r"<RS>|\{RS\}|\[RS\]|\^\^|\\x1[eE]|\\u001[eE]|\u241e",
    EOT: r"<EOT>|\{EOT\}|\[EOT\]|\^D|\\x04|\\u0004|\u2404",
}
_MENDED: Final = re.compile("|".join(f"({pattern})" for pattern in _MANGLED.values()))
_CHARACTERS: Final = dict(enumerate(_MANGLED, start=1))

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_FOREIGN_DIGIT: Final = re.compile(r"(?![0-9])\d")


def mended(text: str) -> str:
    """The text with its control characters back, each as often as it takes to keep the text's length."""
    return _MENDED.sub(lambda match: _CHARACTERS[match.lastindex or 1] * len(match[0]), text)


def refuse_others(text: str, start: int, end: int, allowed: str = GS) -> None:
    """Nothing, or an exception.

    Raises:
        Wrong: a control character other than the allowed ones is in there, or a digit of another script.
    """
    for match in _CONTROL.finditer(text, start, end):
        if match[0] not in allowed:
            raise Wrong("control-character", REFUSALS["control-character"], match.start())
    if not text.isascii() and (digit := _FOREIGN_DIGIT.search(text, start, end)) is not None:
        raise Wrong("foreign-digit", REFUSALS["foreign-digit"], digit.start())
