"""The paths of a mapping that reads HL7 v2, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.formats.hl7v2.path import Path, PathError, Segment, parse_path, parse_segment
from casecart.mapping.plan import Hl7Lines
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.formats.hl7v2.path import Field
    from casecart.workspace.findings import Place
    from casecart.workspace.mapping import Mapping
    from casecart.workspace.text import Text

__all__ = ["Hl7Paths"]


class Hl7Paths:
    """Which segments make the lines, and what their fields are read from.

    Args:
        declaration: the mapping file.
        error: is told what is wrong: place, code, message and what was probably meant.

    Attributes:
        fhir: False: a path that looks like a piece of a UDI is taken for one that is meant badly.
        bind: the segment of each alias; None where it is wrong.
        lines: what makes the lines.
    """

    fhir = False

    def __init__(self, declaration: Mapping, error: Callable[[Place, str, str, str | None], None]) -> None:
        self._error = error
        self.bind: dict[str, Segment | None] = {}
        self._leader = ""
        self._leader = self._each(declaration.each)
        grouped_by = None if declaration.grouped_by is None else self._grouping(declaration.grouped_by)
        for alias, text in declaration.bind.items():
            self.bind[alias] = self._segment(text)
        self.lines = Hl7Lines(self._leader, grouped_by)

    def error(self, place: Place, message: str) -> None:
        """A path is wrong."""
        self._error(place, "bad-path", message, None)

    def _each(self, text: Text) -> str:
        segment = self._segment(text)
        if segment is not None and (segment.selector != 1 or segment.scope != "group"):
            self.error(text.place, f"each takes the name of a segment alone: {segment.name}")
        return "" if segment is None else segment.name

    def _grouping(self, text: Text) -> Field | None:
        path = self.path(text)
        if path is None:
            return None
        if path.segment != Segment(self._leader) or path.field.repetition is None:
            example = f"{self._leader or 'OBX'}-4.1"
            self.error(text.place, f"grouped_by is one value of the segment that each names, such as {example}")
        return path.field

    def _segment(self, text: Text) -> Segment | None:
        try:
            segment = parse_segment(text)
        except PathError as error:
            self.error(text.within(error.column), error.message)
            return None
        self._above(text, segment)
        return segment

    def _above(self, text: Text, segment: Segment) -> None:
        """What stands above a group is another segment than its leader, and of several the nearest."""
        if segment.scope != "above":
            return
        if segment.name == self._leader:
            message = (
                f"the groups of {self._leader} don't stand under one another: name the segment that they stand under"
            )
            self.error(text.place, message)
        elif isinstance(segment.selector, int) and segment.selector > 1:
            self.error(text.place, f"above: is the nearest {segment.name} before the group, and has no number")

    def path(self, text: Text) -> Path | None:
        """The path of a field, with an alias resolved to its segment."""
        try:
            path = parse_path(text)
        except PathError as error:
            self.error(text.within(error.column), error.message)
            return None
        if not isinstance(path.segment, str):
            selector = path.segment.selector
            later = isinstance(selector, int) and selector > 1
            if path.segment.name == self._leader and path.segment.scope == "group" and later:
                message = f"a group has one {self._leader}; message: before the path reaches the others"
                self.error(text.place, message)
            self._above(text, path.segment)
            return path
        if path.segment not in self.bind:
            there = f"bind gives {listed(self.bind)}" if self.bind else "there is no bind"
            message = f"no segment is bound to the name {path.segment}; {there}"
            upper = path.segment.upper()
            suggestion = did_you_mean(path.segment, self.bind) or (upper if len(upper) == len("PV1") else None)
            self._error(text.place, "unknown-name", message, suggestion)
            return None
        segment = self.bind[path.segment]
        return None if segment is None else Path(segment, path.field)

    @staticmethod
    def several(path: object) -> bool:
        """Whether a path gives all repetitions of a field, which can't be put together."""
        return isinstance(path, Path) and path.field.repetition is None
