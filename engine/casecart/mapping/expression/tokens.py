"""The tokens of an expression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from casecart.mapping.expression.mistake import ExpressionError

__all__ = ["Token", "tokenize"]

Kind = Literal["name", "text", "number", "mark", "end"]

# What an analyst writes fits in a line or a few; the limits keep the compiler's work bounded whatever it is given.
LONGEST: Final = 4000
LONGEST_NUMBER: Final = 40

_SPACE: Final = re.compile(r"(?:[ \t\r\n\f]+|//[^\n]*)*")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]*\.[0-9]+|[0-9]+", re.ASCII)
_AFTER_NUMBER: Final = re.compile(r"[A-Za-z0-9_]+|\.(?![A-Za-z_])", re.ASCII)
_MARK: Final = re.compile(r"&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]{}=&|]")
_ESCAPE: Final = re.compile(
    r"""\\(?:([abfnrtv\\?"'`])|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([0-3][0-7]{2}))"""
)
_PLAIN: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

_LAST_CHARACTER: Final = 0x10FFFF
_SURROGATES: Final = range(0xD800, 0xE000)

_TWICE: Final = {"=": "==", "&": "&&", "|": "||"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: a name, a literal, a mark such as `&&`, or the end."""

    kind: Kind
    column: int
    text: str
    value: str | int | Decimal | None = None


def tokenize(text: str) -> list[Token]:
    """Cuts an expression into tokens; the last one is of kind `end`.

    Raises:
        ExpressionError: a character, number or text that CEL, or our part of it, doesn't have.
    """
    if len(text) > LONGEST:
        raise ExpressionError.at(LONGEST + 1, "too-long", f"an expression has at most {LONGEST} characters")
    found: list[Token] = []
    position = 0
    while True:
        space = _SPACE.match(text, position)
        position = space.end() if space else position
        if position >= len(text):
            found.append(Token("end", position + 1, ""))
            return found
        token, position = _token(text, position)
        found.append(token)


def _token(text: str, position: int) -> tuple[Token, int]:
    column = position + 1
    number = _NUMBER.match(text, position)
    if number is not None:
        return _number(text, number), number.end()
    name = _NAME.match(text, position)
    if name is not None:
        if name.end() < len(text) and text[name.end()] in "'\"" and name.group().lower() in ("r", "b", "rb", "br"):
            message = "a text has no letter before its quote: write it without"
            raise ExpressionError.at(column, "left-out", message)
        return Token("name", column, name.group()), name.end()
    if text[position] in "'\"":
        return _text(text, position)
    mark = _MARK.match(text, position)
    if mark is None:
        raise ExpressionError.at(column, "character", f"{text[position]!r} has no meaning here")
    if mark.group() in _TWICE:
        wanted = _TWICE[mark.group()]
        raise ExpressionError.at(column, "character", f"{mark.group()} is written twice: {wanted}", wanted)
    return Token("mark", column, mark.group()), mark.end()


def _number(text: str, number: re.Match[str]) -> Token:
    digits, column = number.group(), number.start() + 1
    after = _AFTER_NUMBER.match(text, number.end())
    if after is not None:
        message = "a number is written in digits with a point, as 12 or 1.5: no exponent, no unit, no other base"
        raise ExpressionError.at(after.start() + 1, "number", message)
    if len(digits) > LONGEST_NUMBER:
        raise ExpressionError.at(column, "number", f"a number has at most {LONGEST_NUMBER} digits")
    return Token("number", column, digits, Decimal(digits) if "." in digits else int(digits))


def _text(text: str, start: int) -> tuple[Token, int]:
    quote = text[start]
    if text.startswith(quote * 3, start):
        raise ExpressionError.at(start + 1, "left-out", "a text stands in one quote on each side, not three")
    position = start + 1
    parts: list[str] = []
    while position < len(text) and text[position] not in "\r\n":
        character = text[position]
        if character == quote:
            position += 1
            return Token("text", start + 1, text[start:position], "".join(parts)), position
        if character == "\\":
            character, position = _escape(text, position)
        else:
            position += 1
        parts.append(character)
    raise ExpressionError.at(start + 1, "quote", "this quote is never closed")


def _escape(text: str, position: int) -> tuple[str, int]:
    found = _ESCAPE.match(text, position)
    if found is None:
        message = (
            r"after a backslash comes one of \ ' \" n r t, or x, u, U with hexadecimal digits; write \\ for itself"
        )
        raise ExpressionError.at(position + 1, "escape", message)
    plain, *hexadecimal, octal = found.groups()
    if plain is not None:
        return _PLAIN.get(plain, plain), found.end()
    number = int(octal, 8) if octal is not None else int(next(filter(None, hexadecimal)), 16)
    if number > _LAST_CHARACTER or number in _SURROGATES:
        raise ExpressionError.at(position + 1, "escape", "there is no character with this number")
    return chr(number), found.end()
