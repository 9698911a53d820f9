"""Where the text of a message is cut into segments, and the repairs that are made there and nowhere else."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["Line", "Note", "read_lines", "repair", "repaired"]


class Note(NamedTuple):
    """Something about a message that its sender should mend; it was read as meant.

    Attributes:
        code: stable: `leading-bytes`, `line-ends`, `joined-line`, `not-a-segment` or `delimiters`.
        line: the segment, counted from 1.
        words: what it is, for a person. No content.
    """

    code: str
    line: int
    words: str


class Line(NamedTuple):
    """One segment as sent.

    Attributes:
        text: all of it but its end; it may have line ends within.
        terminator: its end: CR, or whatever else was sent; empty where the message breaks off.
        strange: whether it doesn't begin as a segment does.
    """

    text: str
    terminator: str
    strange: bool

    @property
    def content(self) -> str:
        """The text as its values are read from it: line ends within are line feeds."""
        return self.text.replace("\r\n", "\n").replace("\r", "\n")


# A byte order mark (also one that was decoded as Windows-1252) and white space before MSH.
_LEADING: Final = re.compile("(?:\ufeff|\u00ef\u00bb\u00bf|[\r\n\t \0])*")
# A last line of nothing but white space is no text: it belongs to the end of the segment before it.
_LINE: Final = re.compile(r"([^\r\n]+)((?:[\r\n]+(?:[ \t\0]+\Z)?)?)")

_DOUBTFUL: Final = ("joined-line", "not-a-segment")
# A line of a name alone has no field that a line feed could be in.
_NAME: Final = len("MSH")

_WORDS: Final = {
    "leading-bytes": "A byte order mark or white space stands before MSH.",
    "line-ends": "Segments end in LF or CR LF where HL7 has CR.",
    "joined-line": "A line feed within a field: the line after it was taken as part of that field.",
    "not-a-segment": "A line that doesn't begin with a segment name: its values can't be reached.",
}


def read_lines(text: str) -> tuple[str, list[Line], list[Note]]:
    """Cut a message into segments so that nothing is lost.

    Segments end in CR; LF and CR LF are taken too. A line after a line feed that doesn't look like a segment
    is text with a line feed in it and belongs to the field before it. After a lone CR that can't be known:
    there such a line stays for itself.

    Returns:
        What stands before MSH, the segments, and notes. Put together again, they are `text`.
    """
    match = _LEADING.match(text)
    prefix = match[0] if match else ""
    notes = [_note("leading-bytes", 1)] if prefix else []
    starts_segment = _segment_start(text[len(prefix) + 3 : len(prefix) + 4])
    lines: list[Line] = []
    joined: list[str] = []  # of the last line, so far: joined once, since a field may have any number of line feeds
    for match in _LINE.finditer(text, len(prefix)):
        line, terminator = match.groups()
        if not starts_segment.match(line):
            if lines and "\n" in lines[-1].terminator and (joined or len(lines[-1].text) > _NAME):
                joined = joined or [lines[-1].text]
                joined += (lines[-1].terminator, line)
                lines[-1] = lines[-1]._replace(terminator=terminator)
                notes.append(_note("joined-line", len(lines)))
                continue
            notes.append(_note("not-a-segment", len(lines) + 1))
            strange = True
        else:
            strange = False
        _join(lines, joined)
        joined = []
        lines.append(Line(line, terminator, strange))
    _join(lines, joined)
    if any("\n" in line.terminator for line in lines):
        notes.append(_note("line-ends", 1))
    return prefix, lines, notes


def _join(lines: list[Line], parts: list[str]) -> None:
    if parts:
        lines[-1] = lines[-1]._replace(text="".join(parts))


def repair(text: str) -> str:
    """The text of a message as compiled paths read it: MSH comes first, segments end in CR, and no field has a CR.

    A message as it should be costs nothing and comes back as it is.
    """
    return repaired(text)[0]


def repaired(text: str) -> tuple[str, str | None]:
    """The same, and the codes of notes where it can't be known that it was read as meant; None where there is none."""
    if "\n" not in text and text.startswith("MSH"):
        return text, None
    _, lines, notes = read_lines(text)
    codes = dict.fromkeys(note.code for note in notes if note.code in _DOUBTFUL)
    return "".join(f"{line.content}\r" for line in lines), " ".join(codes) or None


def _note(code: str, line: int) -> Note:
    return Note(code, line, _WORDS[code])


@lru_cache(maxsize=64)
def _segment_start(separator: str) -> re.Pattern[str]:
    """How a segment begins: its name, then a field or nothing."""
    after = re.escape(separator) + r"|\Z" if separator else r"\Z"
    return re.compile(rf"[A-Z][A-Z0-9]{{2}}(?:{after})")
