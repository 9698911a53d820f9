"""The tokens of FHIRPath (N1 of the HL7 grammar), each with the column where it begins."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from casecart.formats.fhir.path.mistake import FhirPathError

__all__ = ["LONGEST", "MOST", "Token", "tokens"]

LONGEST: Final = 2000
"""Characters of a path."""

MOST: Final = 300
"""Tokens of a path: what is made of them goes as deep as they are many."""


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: `name` (also the words such as `and`), `quoted` (a name in backquotes), `string`, `number`, `time` (a
            date, moment or time literal), `variable` (`%name`), `special` (`$this`), `operator`, or `end`.
        text: the name, the string without quotes and escapes, or the token as it is written.
        column: counting from 1.
    """

    kind: str
    text: str
    column: int


_TOKEN: Final = re.compile(
    r"""
    (?P<blank>[ \t\r\n]+|//[^\r\n]*|/\*.*?\*/)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<quoted>`(?:\\.|[^\\`])*`)
  | (?P<string>'(?:\\.|[^\\'])*')
  | (?P<time>@[0-9T][0-9T:.+\-Z]*)
  | (?P<number>[0-9]+(?:\.[0-9]+)?)
  | (?P<variable>%(?:[A-Za-z_][A-Za-z0-9_]*|`(?:\\.|[^\\`])*`|'(?:\\.|[^\\'])*'))
  | (?P<special>\$[a-z]+)
  | (?P<operator><=|>=|!=|!~|[.,()\[\]{}+\-*/&|<>=~])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "'": "'", '"': '"', "`": "`", "\\": "\\", "/": "/"}


def tokens(text: str) -> list[Token]:
    """The tokens of a path; the last one is `end`.

    Raises:
        FhirPathError: it has a character that no token has, or a quote that is never closed.
    """
    if len(text) > LONGEST:
        raise FhirPathError(1, "path-length", f"a path has {LONGEST} characters at most")
    found: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unknown(text, position)
        kind = match.lastgroup or ""
        if kind != "blank":
            found.append(Token(kind, _text(kind, match.group(), position), position + 1))
        position = match.end()
    if len(found) > MOST:
        raise FhirPathError(found[MOST].column, "path-length", f"a path has {MOST} names and signs at most")
    return [*found, Token("end", "", len(text) + 1)]


def _text(kind: str, written: str, position: int) -> str:
    if kind == "variable":
        written = written[1:]
        kind = "quoted" if written[0] in "`'" else "name"
    return _unescaped(written[1:-1], position + 2) if kind in ("quoted", "string") else written


def _unescaped(text: str, column: int) -> str:
    def one(escape: re.Match[str]) -> str:
        what = escape.group(1)
        if len(what) > 1:
            return chr(int(what[1:], 16))
        if what not in _ESCAPES:
            message = rf"there is no escape \{what}: a backslash itself is written \\"
            raise FhirPathError(column + escape.start(), "path-escape", message)
        return _ESCAPES[what]

    return _ESCAPE.sub(one, text) if "\\" in text else text


def _unknown(text: str, position: int) -> FhirPathError:
    character = text[position]
    if character in "'`":
        return FhirPathError(position + 1, "path-quote", f"this {character} is never closed")
    if character == '"':
        return FhirPathError(position + 1, "path-quote", "a string stands in single quotes, as in 'implanted'")
    if text.startswith("/*", position):
        return FhirPathError(position + 1, "path-quote", "this comment is never closed")
    return FhirPathError(position + 1, "path-character", f"{character!r} has no place in a path")
