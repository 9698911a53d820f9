"""Escape sequences: what a leaf says, from how it is written, and back."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.formats.hl7v2.delimiters import Delimiters

__all__ = ["escape", "unescape"]

# What parts words (HL7 v2.8.2 §2.7.4, §2.7.6). How many lines or spaces is for a page, and not for a value.
_LAYOUT: Final = {".br": "\n", ".sp": "\n", ".ce": "\n", ".sk": " "}

# Between them they have the sets that ISO 2022's shifts reach: JIS X 0201, 0208 and 0212, GB 2312, KS X 1001.
_SWITCHING: Final = ("iso2022_jp_2", "iso2022_jp_ext")

# Characters that would end a segment or a frame, or that no log shows.
_CONTROL: Final = "".join(map(chr, [*range(0x20), 0x7F]))


def unescape(text: str, delimiters: Delimiters, charset: str = "utf-8") -> str:
    r"""What a leaf says. To be called once, after splitting (HL7 v2.8.2 §2.7).

    `\F\ \S\ \T\ \R\ \E\` and, where a truncation character is declared, `\P\` become the characters; `\Xhh..\`
    the characters of those bytes. Of layout only what parts words is kept: `\.br\ \.sp\ \.ce\` are a newline,
    `\.sk\` is a space, and `\.in\ \.ti\ \.fi\ \.nf\` and highlighting (`\H\ \N\`) say nothing. `\Cxxyy\` and
    `\Mxxyyzz\` switch the character set as ISO 2022's shifts do. All else stays as it is written: a switch to a set
    that is not known, local sequences (`\Z..\`), and an escape character without a partner, since a backslash is
    common in names and sizes.

    Args:
        text: a leaf as written.
        delimiters: the message's.
        charset: the codec of the bytes in `\X..\`. Where it doesn't fit, UTF-8 and Windows-1252 are tried.
    """
    mark = delimiters.escape
    if not mark or mark not in text:
        return text
    pattern, characters = _reader(delimiters)
    if text.isascii() and (f"{mark}C" in text or f"{mark}M" in text):
        text = _switched(text, mark, pattern)

    def meaning(match: re.Match[str]) -> str:
        letter, digits = match[1], match[2]
        if letter is not None:
            return characters[letter]
        if digits is not None:
            return _characters(digits, mark, charset) or match[0]
        return _LAYOUT.get(match[3].lower(), "") if match[3] is not None else match[0]

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
    # Of a command of layout; some declare `+` or `-` as their escape character.
    number = f"(?:(?!{mark})[ +0-9-])*"
    # The last alternative holds the sequences that are known and left alone, so that their closing mark isn't
    # taken for the opening one of the next. What matches nothing is literal.
    pattern = re.compile(
        f"{mark}(?:"
        f"([{''.join(characters)}])"
        f"|X({byte}+(?:{mark}{mark}X{byte}+)*)"
        f"|([HN](?={mark})|\\.(?i:br|sp|in|ti|fi|nf|ce|sk)(?={number}{mark})){number}"
        f"|(?:C[0-9A-Fa-f]{{4}}|M[0-9A-Fa-f]{{4}}(?:[0-9A-Fa-f]{{2}})?|Z[^{mark}\\s]*)"
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


def _switched(text: str, mark: str, pattern: re.Pattern[str]) -> str:
    """A leaf with switches, each to the end of the leaf or the next one (HL7 v2.8.2 §2.7.2); as it is, if not known."""
    switch = _switch(mark)

    def shift(match: re.Match[str]) -> str:
        found = switch.fullmatch(match[0])  # among all sequences: the closing mark of another one opens none
        return match[0] if found is None else "\x1b" + bytes.fromhex(found[1]).decode("latin-1")

    octets = pattern.sub(shift, text).encode("latin-1")
    if b"\x1b" in octets:
        for name in _SWITCHING:
            try:
                return octets.decode(name)
            except UnicodeDecodeError:
                continue
    return text


@lru_cache(maxsize=64)
def _switch(mark: str) -> re.Pattern[str]:
    """`C` takes a set of single bytes, `M` one of several; what stands behind it is what follows ISO 2022's ESC."""
    mark = re.escape(mark)
    return re.compile(f"{mark}(?:C(?=.{{4}}{mark})|M)([0-9A-Fa-f]{{4}}(?:[0-9A-Fa-f]{{2}})?){mark}")


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
