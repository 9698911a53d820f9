"""Escape sequences: what a leaf says, from how it is written, and back."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.formats.hl7v2.delimiters import Delimiters

__all__ = ["escape", "unescape"]

# Characters that would end a segment or a frame, or that no log shows.
_CONTROL: Final = "".join(map(chr, [*range(0x20), 0x7F]))


def unescape(text: str, delimiters: Delimiters, charset: str = "utf-8") -> str:
    r"""What a leaf says. To be called once, after splitting (HL7 v2.8.2 §2.7).

    `\F\ \S\ \T\ \R\ \E\` and, where a truncation character is declared, `\P\` become the characters; `\.br\`
    a newline; `\Xhh..\` the characters of those bytes. All else stays as it is written: other formatting
    commands, highlighting, charset switches, local sequences, and an escape character without a partner,
    since a backslash is common in names and sizes.

    Args:
        text: a leaf as written.
        delimiters: the message's.
        charset: the codec of the bytes in `\X..\`. Where it doesn't fit, UTF-8 and Windows-1252 are tried.
    """
    mark = delimiters.escape
    if not mark or mark not in text:
        return text
    pattern, characters = _reader(delimiters)

    def meaning(match: re.Match[str]) -> str:
        letter, digits = match[1], match[2]
        if letter is not None:
            return characters[letter]
        if digits is not None:
            return _characters(digits, mark, charset) or match[0]
        return "\n" if match[3] is not None else match[0]

    return pattern.sub(meaning, text)


def escape(text: str, delimiters: Delimiters) -> str:
    r"""How a leaf is written, so that `unescape` gives `text` again.

    Delimiters become their sequences, a newline `\.br\`, other control characters `\Xhh\`. Of the delimiters,
    only the escape character is in what comes out.

    Raises:
        ValueError: if something must be escaped and the delimiters declare no escape character.
    """
    pattern, replace = _writer(delimiters)
    return pattern.sub(replace, text)


@lru_cache(maxsize=256)
def _reader(delimiters: Delimiters) -> tuple[re.Pattern[str], dict[str, str]]:
    mark = re.escape(delimiters.escape)
    characters = {
        "F": delimiters.field,
        "S": delimiters.component,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        # A sender that has no subcomponent separator and yet escapes one can only mean the usual one.
        "T": delimiters.subcomponent or "&",
    }
    if delimiters.truncation:
        characters["P"] = delimiters.truncation
    byte = "(?:[0-9A-Fa-f]{2})"
    # The last alternative holds the sequences that are known and left alone, so that their closing mark isn't
    # taken for the opening one of the next. What matches nothing is literal.
    pattern = re.compile(
        f"{mark}(?:"
        f"([{''.join(characters)}])"
        f"|X({byte}+(?:{mark}{mark}X{byte}+)*)"
        f"|(\\.[bB][rR])"
        f"|(?:\\.(?:sp|in|ti|fi|nf|ce|sk)[ +0-9-]*|[HN]|C[0-9A-Fa-f]{{4}}|M[0-9A-Fa-f]{{4,6}}|Z[^{mark}\\s]*)"
        f"){mark}"
    )
    return pattern, characters


def _characters(digits: str, mark: str, charset: str) -> str | None:
    """The characters of one `X` sequence, or of several that touch; None if it can't be told."""
    octets = bytes.fromhex(digits.replace(f"{mark}{mark}X", ""))
    first, *others = octets
    if first == 0 and len(others) == 1 and mark not in digits:
        # By the standard two 8-bit characters; in practice somebody's UTF-16, for nobody means a NUL.
        return chr(others[0])
    for name in (charset, "utf-8", "cp1252"):
        try:
            return octets.decode(name)
        except UnicodeDecodeError:
            continue
    return None


@lru_cache(maxsize=256)
def _writer(delimiters: Delimiters) -> tuple[re.Pattern[str], Callable[[re.Match[str]], str]]:
    mark = delimiters.escape
    letters = zip("FSRETP", delimiters, strict=True)
    written = {character: f"{mark}{letter}{mark}" for letter, character in letters if character}
    written |= {control: f"{mark}X{ord(control):02X}{mark}" for control in _CONTROL}
    if "." not in delimiters:
        written["\n"] = f"{mark}.br{mark}"

    def replace(match: re.Match[str]) -> str:
        if not mark:
            raise ValueError("this text needs escaping and the delimiters have no escape character")
        return written[match[0]]

    return re.compile(f"[{re.escape(''.join(written))}]"), replace
