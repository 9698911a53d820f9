"""How the function of a mapping goes over an HL7 v2 message: its source in pieces, around those of the fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.formats.hl7v2.compile import Extraction, indented
from casecart.formats.hl7v2.path import Path
from casecart.mapping.mapped import MANY
from casecart.mapping.trouble import told_twice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from casecart.mapping.plan import FieldPlan, Hl7Lines, Plan

__all__ = ["Hl7Reading"]

# How many places are made beforehand; a message with more lines makes its own.
_PLACES: Final = 100


class Hl7Reading:
    """Writes what is special to HL7 v2.

    Attributes:
        takes: the name of the function's first argument.
        names: the function's globals.
        all_as_tuple: a path that gives all values (`every`) gives a tuple also of one, or of none.
    """

    takes = "text"
    made = ""
    all_as_tuple = True

    def __init__(self, plan: Plan, lines: Hl7Lines) -> None:
        paths = [path for field in plan.fields for path in field.paths if isinstance(path, Path)]
        self._extraction = Extraction(lines.each, {}, paths, grouped_by=lines.grouped_by, nulls=plan.nulls)
        self._place = repr(f"{lines.each}[%d]")
        self._grouped = lines.grouped_by is not None
        self.names: dict[str, object] = {
            **self._extraction.names,
            "PLACES": tuple(f"{lines.each}[{number}]" for number in range(1, _PLACES + 1)),
        }
        if self._grouped:
            self.names["TWICE"] = told_twice(lines.each, f"{lines.each}-{lines.grouped_by}")

    def begin(self) -> list[str]:
        """Finds the groups."""
        return ["charset = context.charset", *self._extraction.opening()]

    def loops(self, line: Callable[[], list[str]]) -> list[str]:
        """Goes over the groups, by one of two ways: most messages have nothing in them to be looked for."""
        names = f"names = PLACES if count <= {_PLACES} else [{self._place} % (number + 1) for number in range(count)]"
        if self._grouped:
            # Each is called after its leader, as it is counted in the message.
            names = f"names = [{self._place} % number for number in leaders]"
        loops = []
        for plain in (True, False):
            self._extraction.plain = plain
            loops.append(["for place, group in zip(names, groups):", *indented(line())])
        return [
            "count = len(groups)",
            names,
            f"if count >= {MANY}:",
            "    groups = context.watch(groups)",
            "if plain_:",
            *indented(loops[0]),
            "else:",
            *indented(loops[1]),
        ]

    def of_group(self) -> list[str]:
        """Begins a line: sets `bad`, and what its paths are read from."""
        start = "bad = TWICE if group[-1] else ()" if self._grouped else "bad = ()"
        return [start, *self._extraction.of_group("group")]

    def told(self, fields: Iterable[FieldPlan]) -> str:  # noqa: ARG002 - FHIR's asks for the fields
        """A condition on which `where` has an answer: always."""
        return ""

    def at_end(self) -> list[str]:
        """What is looked at when all fields of a line are there."""
        return []

    def in_group(self, path: object) -> bool:
        """Whether a path is read for each line, and not once in the message."""
        return isinstance(path, Path) and self._extraction.in_group(path)

    def every(self, path: object, *, agree: bool) -> bool:  # noqa: ARG002 - FHIR's asks
        """Whether a path gives all values that there are, as a tuple."""
        return isinstance(path, Path) and path.field.repetition is None

    def read(self, path: object, target: str, field: FieldPlan) -> list[str]:  # noqa: ARG002 - FHIR's asks for the field
        """Sets the local `target` to what a path gives: a text, a tuple of texts, or None."""
        return self._extraction.read(path, target) if isinstance(path, Path) else []

    def told_as(self, path: object, target: str, field: FieldPlan) -> str:  # noqa: ARG002 - FHIR's asks
        """What a source gave, as a probe is told."""
        return target

    def guarded(self, lines: list[str], field: FieldPlan, bad: str) -> list[str]:  # noqa: ARG002 - FHIR's can fail
        """A field's lines; no path of HL7 v2 fails."""
        return lines
