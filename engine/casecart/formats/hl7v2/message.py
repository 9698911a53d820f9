"""A whole HL7 v2 message, lossless: for showing it to a person, and as the oracle of the compiled paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from casecart.formats.hl7v2.delimiters import Delimiters
from casecart.formats.hl7v2.escape import unescape
from casecart.formats.hl7v2.groups import spans
from casecart.formats.hl7v2.header import read_header
from casecart.formats.hl7v2.lines import Line, Note, read_lines

__all__ = ["Component", "Field", "Message", "Repetition", "Segment", "Subcomponent", "parse"]

_P = TypeVar("_P", bound="_Part")

# Segments whose field 1 is the separator itself, so that the n-th token is field n.
_HEADERS: Final = frozenset({"MSH", "FHS", "BHS"})

# Fields 1 and 2 of those: never split, never unescaped.
_LITERAL: Final = (1, 2)

_FROM_ONE: Final = "HL7 counts from 1"

_AS_MEANT: Final = Note(
    "delimiters", 1, "MSH-2 was read as the encoding characters that stood there before they were escaped."
)


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a message as written, and how to read it."""

    text: str
    delimiters: Delimiters
    charset: str

    @property
    def value(self) -> str:
        """What it says: escape sequences are decoded, separators below this level left as they are."""
        return unescape(self.text, self.delimiters, self.charset)

    def _parts(self, kind: type[_P], separator: str) -> list[_P]:
        texts = self.text.split(separator) if separator else [self.text]
        return [kind(text, self.delimiters, self.charset) for text in texts]

    def _part(self, parts: list[_P], number: int) -> _P:
        if number < 1:
            raise ValueError(_FROM_ONE)
        return parts[number - 1] if number <= len(parts) else type(parts[0])("", self.delimiters, self.charset)


class Subcomponent(_Part):
    """The smallest piece there is."""

    __slots__ = ()


class Component(_Part):
    """A component. Its `value` is whole, separators included: an ST may hold an unescaped `&`."""

    __slots__ = ()

    @property
    def subcomponents(self) -> list[Subcomponent]:
        """At least one."""
        return self._parts(Subcomponent, self.delimiters.subcomponent)

    def subcomponent(self, number: int = 1) -> Subcomponent:
        """Counted from 1; an absent one is empty."""
        return self._part(self.subcomponents, number)


class Repetition(_Part):
    """One repetition of a field."""

    __slots__ = ()

    @property
    def components(self) -> list[Component]:
        """At least one."""
        return self._parts(Component, self.delimiters.component)

    def component(self, number: int = 1) -> Component:
        """Counted from 1; an absent one is empty."""
        return self._part(self.components, number)


class Field(_Part):
    """A field with its repetitions."""

    __slots__ = ()

    @property
    def repetitions(self) -> list[Repetition]:
        """At least one."""
        return self._parts(Repetition, self.delimiters.repetition)

    def repetition(self, number: int = 1) -> Repetition:
        """Counted from 1; an absent one is empty."""
        return self._part(self.repetitions, number)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of a message.

    Attributes:
        name: its type; empty for a line that doesn't begin with one.
        line: as sent.
    """

    name: str
    line: Line
    delimiters: Delimiters
    charset: str

    @property
    def text(self) -> str:
        """All of it but its end."""
        return self.line.content

    @property
    def fields(self) -> list[Field]:
        """All fields; field n is `fields[n - 1]`."""
        return [self.field(number) for number in range(1, len(self._tokens()))]

    def field(self, number: int) -> Field:
        """Counted from 1 as the standard does (MSH-1 is the separator itself); an absent one is empty."""
        if number < 1:
            raise ValueError(_FROM_ONE)
        tokens = self._tokens()
        delimiters = self.delimiters
        if self.name in _HEADERS and number in _LITERAL:
            delimiters = Delimiters(delimiters.field, "", "")
        return Field(tokens[number] if number < len(tokens) else "", delimiters, self.charset)

    def _tokens(self) -> list[str]:
        separator = self.delimiters.field
        tokens = self.text.split(separator)
        return [tokens[0], separator, *tokens[1:]] if self.name in _HEADERS else tokens


@dataclass(frozen=True, slots=True)
class Message:
    """A message from which the text that it was parsed from can be had again, byte for byte.

    Attributes:
        prefix: what stood before MSH (a byte order mark).
        notes: what was repaired in reading it.
    """

    prefix: str
    segments: tuple[Segment, ...]
    delimiters: Delimiters
    notes: tuple[Note, ...]

    def segment(self, name: str, occurrence: int = 1) -> Segment | None:
        """The segment of this type, counted from 1; None if there are not so many."""
        found = self.all(name)
        return found[occurrence - 1] if 0 < occurrence <= len(found) else None

    def all(self, name: str) -> list[Segment]:
        """Every segment of this type."""
        return [segment for segment in self.segments if segment.name == name]

    def groups(self, leader: str) -> tuple[list[Segment], list[list[Segment]]]:
        """The message's own segments, and the groups that `leader` begins (see `spans`)."""
        found = spans([segment.name for segment in self.segments], leader)
        inside = {position for start, end in found for position in range(start, end)}
        own = [segment for position, segment in enumerate(self.segments) if position not in inside]
        return own, [list(self.segments[start:end]) for start, end in found]

    def write(self) -> str:
        """The text that was parsed."""
        return self.prefix + "".join(segment.line.text + segment.line.terminator for segment in self.segments)


def parse(text: str, charset: str = "utf-8") -> Message:
    r"""Parse one message.

    Args:
        text: the message, decoded (see `casecart.formats.hl7v2.charset`).
        charset: the codec of bytes in `\X..\` sequences.

    Raises:
        Refused: as `read_header` does.
    """
    prefix, lines, notes = read_lines(text)
    header = read_header(text[len(prefix) :].encode("utf-8", "surrogatepass"))
    delimiters = header.delimiters
    if header.field(2).decode("ascii") != delimiters.encoding_characters:
        notes.append(_AS_MEANT)
    segments = [Segment("" if line.strange else line.text[:3], line, delimiters, charset) for line in lines]
    return Message(prefix, tuple(segments), delimiters, tuple(notes))
