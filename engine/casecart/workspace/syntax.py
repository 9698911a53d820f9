"""What YAML's syntax errors mean, in words for the person who must mend the file."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from casecart.workspace.findings import Finding, Place

__all__ = ["Repair", "explain", "quote_path"]

# A path with a bracket in it that stands without quotes where a value can begin.
_BARE_PATH = re.compile(r"(?:[\[{,:]\s*)(?P<path>[A-Za-z][\w:.-]*\[[^\]\n\"]*\](?:[\w.*-]|\[[\w*]*\])*)")

_MEANINGS: tuple[tuple[str, str], ...] = (
    (
        r"mapping values are not allowed",
        (
            "a colon is not expected here; if the text contains ': ', put it in quotes, "
            "else check the indentation of this line and of the one above"
        ),
    ),
    (
        r"expected ':'",
        "a colon is missing after a key, or this line is not indented like the ones around it",
    ),
    (
        r"quoted scalar.*(end of stream|document indicator)",
        "a quote is opened here and never closed",
    ),
    (
        r"flow mapping.*(end of stream|stream end)",
        "a { is opened here and never closed",
    ),
    (
        r"flow sequence.*(end of stream|stream end)",
        "a [ is opened here and never closed",
    ),
    (
        r"',' or '[}\]]'",
        (
            "a comma is missing before this place, or the closing bracket of what was opened in line {opened}; "
            "inside brackets, text with a bracket or a comma in it is put in quotes"
        ),
    ),
    (
        r"block mapping.*expected",
        "a key is expected here; check the indentation, and whether a quoted text ends too early",
    ),
    (
        r"block (collection|sequence).*expected",
        "a list entry beginning with '- ' is expected here; check the indentation",
    ),
    (
        r"block sequence entries are not allowed",
        "a list entry cannot begin here; it goes on a line of its own, indented under its key",
    ),
    (
        r"flow node",
        "a value is missing here, or a bracket is not closed",
    ),
    (
        r"block node",
        "a value is expected here; a text that begins with a bracket or a comma is put in quotes",
    ),
    (
        r"document start",
        "the file should end here; check the brackets before this place, and the indentation",
    ),
    (
        r"scanning an (alias|anchor)",
        "a text that begins with * or & is put in quotes",
    ),
    (
        r"cannot start any token",
        "a text that begins with this character is put in quotes",
    ),
    (
        r"(unknown escape character|hexdecimal|hexadecimal)",
        "a backslash inside double quotes begins an escape; use single quotes to have it as it is",
    ),
    (
        r"directive|%",
        "a line that begins with % is a directive, and those are not used here",
    ),
    (
        r"tag",
        "a text that begins with ! is put in quotes",
    ),
    (
        r"block scalar",
        "after | or > comes the text, on the next lines and indented",
    ),
)


@dataclass(frozen=True, slots=True)
class Repair:
    """Quotes to be set around a path, so that the rest of the file can be read: line and columns from 0."""

    line: int
    start: int
    end: int


def explain(error: yaml.YAMLError, lines: list[str], file: str) -> Finding:
    """The finding for an error of the YAML parser."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return Finding(Place(file), "error", "yaml-syntax", "this is not YAML")
    said = f"{error.context or ''} {error.problem or ''}"
    mark = error.problem_mark or error.context_mark
    words = _meaning(said)
    if error.context_mark is not None:
        words = words.replace("{opened}", str(error.context_mark.line + 1))
        mark = error.context_mark if re.search("never closed|begins with [*]", words) else mark
    if mark is None:
        return Finding(Place(file), "error", "yaml-syntax", words)
    place = Place(file, mark.line + 1, mark.column + 1)
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or line[mark.column : mark.column + 1] == "\t":
        message = "a tab is used for indentation; use spaces, here and on the lines that follow"
        return Finding(place, "error", "yaml-tab", message)
    return Finding(place, "error", "yaml-syntax", words)


def _meaning(said: str) -> str:
    for pattern, words in _MEANINGS:
        if re.search(pattern, said):
            return words
    return f"this is not YAML ({said.strip()})"


def quote_path(error: yaml.YAMLError, lines: list[str]) -> Repair | None:
    """The quotes that were forgotten, if the error comes from a path with a bracket and without quotes."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return None
    number = min(error.problem_mark.line, len(lines) - 1)
    for match in _BARE_PATH.finditer(lines[number]):
        start, end = match.span("path")
        before = lines[number][:start]
        # The error is noticed within the path or just behind it; what stands in quotes is not bare.
        quoted = before.count("'") % 2 or before.count('"') % 2
        if start <= error.problem_mark.column <= end + 1 and not quoted:
            return Repair(number, start, end)
    return None
