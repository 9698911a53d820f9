"""A file of HL7 v2 messages as a person reads it: each value with its path and field's name, blanks made visible."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from casecart.cli.text import counted, printable
from casecart.formats.hl7v2 import Refused, Segment, detect, parse, read_delimiters, read_header
from casecart.formats.hl7v2.charset import FALLBACK, UNKNOWN, UNSUITABLE
from casecart.formats.hl7v2.field_names import VERSIONS, field_names
from casecart.formats.hl7v2.file import Piece, pieces_of, read_file
from casecart.formats.hl7v2.lines import Line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from casecart.formats.hl7v2 import Field, Header

__all__ = ["ShownFile", "visible"]

_LONGEST: Final = 300  # characters of a value
_LONGEST_NAME: Final = 36
_BLANKS: Final = re.compile(r"\A +| +\Z| {2,}")
_NOT_READ: Final = frozenset({"utf-16", "empty"})

_CHARSETS: Final = {
    FALLBACK: "neither ASCII nor UTF-8, and MSH-18 says nothing",
    UNSUITABLE: "not what MSH-18 says",
    UNKNOWN: "MSH-18 names no set that is known",
}


def visible(text: str) -> str:
    """A value in one line, with every blank that could be overlooked as `·`, and control characters as escapes."""
    return printable(_BLANKS.sub(lambda match: "·" * len(match[0]), text))


class _Value(NamedTuple):
    path: str
    name: str
    """The field's; empty for the further values of a field."""
    text: str


class _Part(NamedTuple):
    """A message, or something else of the file, as it is shown."""

    title: str
    segments: list[tuple[str, list[_Value]]]
    """The path of each, and its values."""
    notes: list[str]
    document: dict[str, Any]


class ShownFile:
    """What is in a file, for a person or a program.

    Args:
        data: all of it.

    Attributes:
        problems: what could not be read, complete when `lines` or `document` has been gone through.
    """

    def __init__(self, data: bytes) -> None:
        read = read_file(data)
        self.problems = [f"{read.code}: {read.words}"] if read.code else []
        self._size = len(data)
        self._pieces = [] if read.code in _NOT_READ else pieces_of(data)
        self._framed = data.startswith(b"\x0b")

    def lines(self) -> Iterator[str]:
        """As printed."""
        messages = sum(piece.kind == "MSH" for piece in self._pieces)
        around = " in MLLP frames" if self._framed else ""
        yield f"{counted(messages, 'message')}{around}, {counted(self._size, 'byte')}"
        for part in self._parts():
            yield ""
            yield printable(part.title)
            yield from (printable(f"  note: {note}") for note in part.notes)
            yield from _table(part)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        parts = [part.document for part in self._parts()]
        return {"size": self._size, "framed": self._framed, "parts": parts, "problems": self.problems}

    def _parts(self) -> Iterator[_Part]:
        number = 0
        for piece in self._pieces:
            if piece.kind == "MSH":
                number += 1
                yield self._message(piece.text, number)
            elif piece.kind:
                yield _envelope(piece)
            elif piece.text.strip(b"\r\n\t \0\x1a"):
                title = f"no message: {counted(len(piece.text), 'byte')}"
                text = piece.text[:_LONGEST].decode("utf-8", "backslashreplace")
                yield _Part(title, [("", [_Value("", "", text)])], [], {"kind": "other", "text": text})

    def _message(self, body: bytes, number: int) -> _Part:
        try:
            header = read_header(body)
            charset, note = detect(body, header.character_set)
            message = parse(body.decode(charset), charset)
        except Refused as refused:
            self.problems.append(f"message {number}: {refused.code}: {refused.words}")
            document = {"kind": "message", "number": number, "code": refused.code, "problem": refused.words}
            return _Part(f"message {number} can't be read: {refused.words}", [], [], document)
        if body.isascii() and charset == "utf-8":
            charset = "ascii"
        version = _text(header.version).split(header.delimiters.component)[0].strip()
        names = field_names(version)
        seen: Counter[str] = Counter()
        segments = []
        for segment in message.segments:
            seen[segment.name] += 1
            nth = f"[{seen[segment.name]}]" if seen[segment.name] > 1 else ""
            segments.append(_segment(segment, f"{segment.name}{nth}", names))
        notes = list(dict.fromkeys(each.words for each in message.notes))
        if version not in VERSIONS:
            notes.append(
                f"The names of fields are known for versions {VERSIONS[0]} to {VERSIONS[-1]}, and this is another."
            )
        if note is not None:
            notes.append(f"Read as {charset}: {_CHARSETS.get(note, note)}.")
        document = {
            "kind": "message",
            "number": number,
            "type": header.event,
            "control_id": _text(header.control_id),
            "version": version,
            "charset": charset,
            "declared_charset": _text(header.character_set),
            "size": len(body),
            "notes": notes,
            "segments": [{"path": path, "values": [value._asdict() for value in values]} for path, values in segments],
        }
        return _Part(_title(number, header, version, charset, len(body)), segments, notes, document)


def _title(number: int, header: Header, version: str, charset: str, size: int) -> str:
    declared = _text(header.character_set)
    return (
        f"message {number}: {header.event}, version {version or 'unknown'}, control id "
        f"{_text(header.control_id) or '(none)'}, {counted(size, 'byte')}, {charset} "
        f"({f'MSH-18: {declared}' if declared else 'MSH-18 is empty'})"
    )


def _envelope(piece: Piece) -> _Part:
    """A segment of a batch around the messages."""
    line = re.split(rb"[\r\n]", piece.text, maxsplit=1)[0]
    text = line.decode(detect(line)[0])
    try:
        delimiters = read_delimiters(
            text[3:4], text[4:].split(text[3:4], 1)[0] if piece.kind in {"FHS", "BHS"} else "^~\\&"
        )
    except (Refused, ValueError):
        return _Part(f"{piece.kind}: can't be read", [], [], {"kind": piece.kind, "values": []})
    segment = Segment(piece.kind, Line(text, "", strange=False), delimiters, "utf-8")
    path, values = _segment(segment, piece.kind, field_names(VERSIONS[-1]))
    document = {"kind": piece.kind, "values": [value._asdict() for value in values]}
    return _Part("batch", [(path, values)], [], document)


def _segment(segment: Segment, path: str, names: Mapping[str, str]) -> tuple[str, list[_Value]]:
    if not segment.name:
        return "(no segment)", [_Value("", "", segment.text)]
    values = []
    for number, field in enumerate(segment.fields, 1):
        name = names.get(f"{segment.name}-{number}", "")
        for value in _values(field, f"{path}-{number}"):
            values.append(value._replace(name=name))
            name = ""
    return path, values


def _values(field: Field, path: str) -> Iterator[_Value]:
    """Each piece that has something in it, by the shortest path that finds it whole."""
    for number, repetition in enumerate(field.repetitions, 1):
        here = f"{path}[{number}]" if number > 1 else path
        for position, component in enumerate(repetition.components, 1):
            below = f"{here}.{position}" if len(repetition.components) > 1 else here
            parts = component.subcomponents
            for place, part in enumerate(parts, 1):
                if part.text:
                    whole = len(parts) == 1
                    yield _Value(below if whole else f"{below}{_first(below, here)}.{place}", "", part.value)


def _first(below: str, here: str) -> str:
    """A subcomponent's path names the component, also where it is the only one."""
    return ".1" if below == here else ""


def _table(part: _Part) -> Iterator[str]:
    values = [value for _, values in part.segments for value in values]
    path_width = max((len(value.path) for value in values), default=0)
    name_width = min(_LONGEST_NAME, max((len(value.name) for value in values), default=0))
    for path, found in part.segments:
        if not found:
            yield f"  {path}"
        for value in found:
            text = visible(value.text[:_LONGEST])
            if len(value.text) > _LONGEST:
                text += f"… ({counted(len(value.text), 'character')})"
            yield f"  {value.path.ljust(path_width)}  {value.name.ljust(name_width)}  {text}"


def _text(field: bytes) -> str:
    return field.decode("utf-8", "backslashreplace")
