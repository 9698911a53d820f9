"""The grammar of HL7 v2 paths: the text that an analyst writes, as a small tree.

```
path       = ( [ scope ] segment | ALIAS ) "-" field
bind       = [ scope ] segment
scope      = "message:" | "above:"
segment    = NAME [ "[" ( NUMBER | condition ) "]" ]
condition  = NAME "-" field "=" STRING
field      = NUMBER [ "[" ( NUMBER | "*" ) "]" ] [ "." NUMBER [ "." NUMBER ] ]
```

`NAME` is a segment's (`PV1`, `ZPM`), `ALIAS` a name in lower case that the mapping's `bind` gives to a segment.
`STRING` is in single or double quotes, and a quote inside it is written twice. Numbers count from 1. Blanks are allowed
around the condition's parts only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, NoReturn

__all__ = ["Condition", "Field", "Path", "PathError", "Segment", "Selector", "parse_path", "parse_segment"]

Scope = Literal["group", "message", "above"]

_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}(?![A-Za-z0-9_])", re.ASCII)
_ALIAS: Final = re.compile(r"[a-z][a-z0-9_]*(?![A-Za-z0-9_])", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]+", re.ASCII)
_BLANKS: Final = re.compile(r"[ \t]*")
_STRING: Final = re.compile(r"'((?:[^']|'')*)'|\"((?:[^\"]|\"\")*)\"")
_SCOPES: Final[tuple[Scope, ...]] = ("message", "above")

# What a field, repetition or component may be numbered up to. HL7 v2 has no segment of more than about 100 fields; a
# typing mistake of `FT1-1000000` must not make every message cost a million places.
LARGEST: Final = 999

# These segments carry the delimiters themselves in fields 1 and 2 (HL7 v2.8.2 §2.5.4): nothing to cut in them.
HEADERS: Final = frozenset({"MSH", "FHS", "BHS"})
ENCODING_CHARACTERS: Final = 2


class PathError(ValueError):
    """A path that can't be read.

    Attributes:
        column: where in the text, counting characters from 1.
        code: a stable word for the kind of mistake.
        message: what is wrong and what to do, for the analyst.
    """

    def __init__(self, column: int, code: str, message: str) -> None:
        super().__init__(f"column {column}: {message}")
        self.column = column
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Field:
    """What of a segment: a field, one of its repetitions (`None` is every one, `[*]`), a part of that.

    Without a component it is the first one. Without a subcomponent it is the whole component as it was sent, with the
    subcomponent separators in it, for `&` also stands unescaped in text (ISBT-128 identifiers).
    """

    number: int
    repetition: int | None = 1
    component: int | None = None
    subcomponent: int | None = None

    def __str__(self) -> str:
        text = str(self.number)
        if self.repetition != 1:
            text += "[*]" if self.repetition is None else f"[{self.repetition}]"
        if self.component is not None:
            text += f".{self.component}"
        if self.subcomponent is not None:
            text += f".{self.subcomponent}"
        return text


@dataclass(frozen=True, slots=True)
class Condition:
    """A segment is meant when this field of it has this value (any repetition of it, for `[*]`)."""

    field: Field
    value: str


Selector = int | Condition


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of the message: the n-th of its name, or the first that meets a condition.

    `scope` says where it is looked for: `group` is the mapping's `each` group for a type that may belong to it and the
    message for the others; `message` is the whole message; `above` is what stands before the group: the nearest one, of
    this patient, such as the OBR that an OBX stands under.
    """

    name: str
    selector: Selector = 1
    scope: Scope = "group"

    def __str__(self) -> str:
        text = ("" if self.scope == "group" else f"{self.scope}:") + self.name
        if isinstance(self.selector, Condition):
            value = self.selector.value.replace("'", "''")
            return f"{text}[{self.name}-{self.selector.field} = '{value}']"
        return text if self.selector == 1 else f"{text}[{self.selector}]"


@dataclass(frozen=True, slots=True)
class Path:
    """A value in a message: a segment, or the alias of one, and what of it."""

    segment: Segment | str
    field: Field

    def __str__(self) -> str:
        return f"{self.segment}-{self.field}"


@lru_cache(maxsize=4096)  # mappings share their paths, and each is looked at by several
def parse_path(text: str) -> Path:
    """Reads the path of a value, as `PV1-19.1`, `OBX[OBX-3.1 = '74711-3']-5` or `device-10.1`.

    Raises:
        PathError: the text is no path.
    """
    reader = _Reader(text)
    alias = None if text.startswith(tuple(f"{scope}:" for scope in _SCOPES)) else reader.take(_ALIAS)
    segment = reader.segment() if alias is None else alias
    if not reader.take_text("-"):
        reader.fail("path-field", f"after {segment} comes a hyphen and the field's number, as in {segment}-3")
    field = reader.field(segment if isinstance(segment, str) else segment.name)
    reader.end()
    return Path(segment, field)


@lru_cache(maxsize=1024)
def parse_segment(text: str) -> Segment:
    """Reads the path of a segment, as `PRT[PRT-4.1 = 'EQUIP']`, for `bind`.

    Raises:
        PathError: the text is no path of a segment.
    """
    reader = _Reader(text)
    segment = reader.segment()
    if reader.text[reader.position : reader.position + 1] == "-":
        reader.fail("path-not-a-segment", f"a bind names a whole segment: leave it at {segment}")
    reader.end()
    return segment


class _Reader:
    """A position in the text, and what may stand there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def fail(self, code: str, message: str, position: int | None = None) -> NoReturn:
        raise PathError((self.position if position is None else position) + 1, code, message)

    def take(self, pattern: re.Pattern[str]) -> str | None:
        found = pattern.match(self.text, self.position)
        if found is None:
            return None
        self.position = found.end()
        return found.group()

    def take_text(self, text: str) -> bool:
        if not self.text.startswith(text, self.position):
            return False
        self.position += len(text)
        return True

    def end(self) -> None:
        if self.position < len(self.text):
            rest = self.text[self.position]
            if rest.isspace():
                self.fail("path-trailing", "a path has no blanks: remove this one")
            self.fail("path-trailing", f"the path is complete before this {rest!r}: remove what follows")

    def segment(self) -> Segment:
        if not self.text.strip():
            self.fail("path-empty", "the path is empty: write one, as in PV1-19.1")
        scope: Scope = next((each for each in _SCOPES if self.take_text(f"{each}:")), "group")
        name = self.name()
        selector: Selector = 1
        if self.take_text("["):
            start = self.position
            self.take(_BLANKS)
            if self.text.startswith("*", self.position):
                self.fail("path-selector", f"one segment must be meant: a number, or a condition on {name}")
            if self.text[self.position : self.position + 1].isdigit():
                selector = self.number("segment", "OBX[2]")
            elif self.text.startswith("]", self.position):
                self.fail("path-selector", f"the brackets are empty: write a number or a condition on {name}")
            else:
                selector = self.condition(name)
            self.take(_BLANKS)
            if not self.take_text("]"):
                self.fail("path-selector", f"a ] is missing for the [ at column {start}")
        return Segment(name, selector, scope)

    def name(self) -> str:
        start = self.position
        name = self.take(_NAME)
        if name is None:
            meant = self.take(_WORD) or ""
            if _NAME.fullmatch(meant.upper()):
                self.fail("path-segment", f"a segment is written in capitals: {meant.upper()}", start)
            message = "here stands a segment's name of three capitals or digits, as PV1 or ZPM"
            self.fail("path-segment", message, start)
        return name

    def condition(self, name: str) -> Condition:
        start = self.position
        about = self.name()
        if about != name:
            self.fail("path-selector", f"the condition must be about {name} itself, not about {about}", start)
        if not self.take_text("-"):
            self.fail("path-field", f"after {name} comes a hyphen and the field's number, as in {name}-3.1")
        field = self.field(name)
        self.take(_BLANKS)
        if not self.take_text("="):
            self.fail("path-selector", f"here comes = and a value in quotes, as in [{name}-{field} = 'A']")
        self.take_text("=")  # CEL's == means the same, and a hand used to it writes it
        self.take(_BLANKS)
        found = _STRING.match(self.text, self.position)
        if found is None:
            if self.text[self.position : self.position + 1] in ("'", '"'):
                self.fail("path-quote", "this quote is never closed")
            self.fail("path-quote", "the value stands in single quotes, as in 'EQUIP'")
        single, double = found.groups()
        value = single.replace("''", "'") if single is not None else double.replace('""', '"')
        if not value.strip():
            self.fail("path-selector", "the value is empty, and an empty field is never looked at: write a value")
        self.position = found.end()
        return Condition(field, value)

    def number(self, what: str, example: str) -> int:
        start = self.position
        digits = self.take(_NUMBER)
        if digits is None:
            self.fail("path-number", f"here stands the number of the {what}, as in {example}")
        value = int(digits) if len(digits) <= len(str(LARGEST)) else LARGEST + 1
        if not 1 <= value <= LARGEST:
            self.fail("path-number", f"the number of the {what} is from 1 to {LARGEST}", start)
        return value

    def field(self, segment: str) -> Field:
        number = self.number("field", f"{segment}-3")
        start = self.position
        repetition: int | None = 1
        component = subcomponent = None
        if self.take_text("["):
            repetition = None if self.take_text("*") else self.number("repetition", f"{segment}-{number}[2]")
            if not self.take_text("]"):
                self.fail("path-selector", f"a ] is missing for the [ at column {start + 1}")
        if self.take_text("."):
            component = self.number("component", f"{segment}-{number}.1")
            if self.take_text("."):
                subcomponent = self.number("subcomponent", f"{segment}-{number}.{component}.2")
        if segment in HEADERS and number <= ENCODING_CHARACTERS and self.position != start:
            self.fail("path-delimiters", f"{segment}-{number} holds the delimiters and has no parts", start)
        return Field(number, repetition, component, subcomponent)
