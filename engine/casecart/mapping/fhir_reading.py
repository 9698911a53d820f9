"""How the function of a mapping goes over a FHIR message: its source in pieces, around those of the fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from casecart.formats.fhir.path import FhirPath, PathFailed
from casecart.formats.hl7v2.compile import indented
from casecart.mapping.fhir_lines import lines_of
from casecart.mapping.fhir_text import day_there, digits_of, modified, text_of, texts_of
from casecart.mapping.fhir_validity import Validity
from casecart.mapping.fhir_versions import names_all, versions_of
from casecart.mapping.mapped import MANY
from casecart.mapping.trouble import line_twice, means_otherwise, not_found, path_failed
from casecart.mapping.udi import Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from casecart.mapping.plan import FhirLines, FieldPlan, Plan

__all__ = ["FhirReading"]

_NOT_NEEDED: Final = "it takes back, and what it refers to is not in the message: what was posted of it is known"
"""Why a line that takes back is filtered: its resource names all of its lines, and this one none any more."""

AT_FACILITY = "used_on"
"""The field that is a day at the facility; other days, as that on which something expires, are as they are written."""


class FhirReading:
    """Writes what is special to FHIR; see `Hl7Reading`."""

    takes = "message"

    def __init__(self, plan: Plan, lines: FhirLines) -> None:
        self._lines = lines
        self._acts = any(field.name == "action" for field in plan.fields)
        self._once = lines.once and {"case", "line"} <= {field.name for field in plan.fields}
        self._paths: dict[str, str] = {}
        self.names: dict[str, object] = {
            "lines_of": lines_of,
            "Validity": Validity,
            "versions_of": versions_of,
            "LINES": lines,
            "PathFailed": PathFailed,
            "names_all": names_all,
            "OTHERWISE": means_otherwise(),
            "NOT_NEEDED": _NOT_NEEDED,
            "TWICE": line_twice(),
            "modified": modified,
            "day_there": day_there,
            "digits_of": digits_of,
            "text_of": text_of,
            "texts_of": texts_of,
        }
        for number, (alias, bound) in enumerate(lines.bind):
            self.names[f"b_{number}"] = bound.function
            self.names[f"B_{number}"] = path_failed(f"bind {alias}", bound.text)
            self.names[f"M_{number}"] = not_found(alias, bound.text)
        for field in plan.fields:
            for path in field.paths:
                if isinstance(path, FhirPath) and path.text not in self._paths:
                    self._paths[path.text] = name = f"p_{len(self._paths)}"
                    self.names[name] = path.function

    @property
    def made(self) -> str:
        """What `Mapped` gets besides the lines."""
        return "" if self._lines.takes_back is None else ", versions_of(message, LINES)"

    def begin(self) -> list[str]:
        """Finds the lines."""
        return [
            "validity = Validity(LINES, context.version)",
            "names, groups = lines_of(message, LINES, validity)",
            *(["seen = set()"] if self._once else []),
        ]

    def loops(self, line: Callable[[], list[str]]) -> list[str]:
        """Goes over the lines."""
        return [
            f"if len(groups) >= {MANY}:",
            "    groups = context.watch(groups)",
            "for place, scope in zip(names, groups):",
            *indented(line()),
        ]

    def of_group(self) -> list[str]:
        """Begins a line: sets `bad`, and what is bound."""
        # Of what failed so far no field tells more.
        given_up = ["if bad:", "    exceptions += [each.at(place) for each in bad]", "    continue"]
        lines = ["bad = scope.failed", *given_up, "this = scope.this"]
        if self._lines.bind:
            lines.append("bound = scope.bound")
        if self._lines.led:
            lines.append("lost = ()")
        for number, (alias, _) in enumerate(self._lines.bind):
            led = alias in self._lines.led
            lines += [
                *(["missed = scope.missed = []"] if led else []),
                "try:",
                f"    bound[{alias!r}] = b_{number}(this, scope)",
                "except PathFailed as failed:",
                f"    bound[{alias!r}] = None",
                f"    bad += B_{number}(failed)",
                *(["scope.missed = None", "if missed:", f"    lost += M_{number}(missed)"] if led else []),
            ]
        if self._lines.bind:
            # What is not understood may turn the meaning of all else, also of what `where` asks.
            lines += ["if not bad and modified(bound.values()):", "    bad += OTHERWISE"]
            lines += ["if not bad:", "    bad += validity.of_bound(bound)", *given_up]
        return lines

    def told(self, fields: Iterable[FieldPlan]) -> str:
        """A condition on which `where` has an answer: what it asks of what a reference leads to could be read.

        Args:
            fields: that are read for it.
        """
        if not self._lines.led:
            return ""
        names = "|".join(map(re.escape, sorted(self._lines.led)))
        led = re.compile(rf"%`?(?:{names})\b")
        asked = [field for field in fields if any(led.search(str(path)) for path in field.paths)]
        codes = {field.name for field in asked if field.type == "udi"}
        asked += [
            field for field in fields if any(isinstance(path, Piece) and path.field in codes for path in field.paths)
        ]
        nothing = " or ".join(f"v_{name} == K_{name}" for name in dict.fromkeys(field.name for field in asked))
        return f"not (lost and ({nothing}))" if nothing else ""

    def at_end(self) -> list[str]:
        """What is looked at when all fields of a line are there."""
        return [*self._lost(), *self._twice()]

    def _lost(self) -> list[str]:
        """What a line refers to is not there. What takes back doesn't need it.

        Where the resource names all of its lines, one that takes back is as good as left out: what was posted of it is
        known, under whatever name. Where there are no such versions, a state that takes back says so by itself.
        """
        if not self._lines.led:
            return []
        if not self._acts or not (self._lines.takes_back or self._lines.once):
            return ["if lost:", "    bad = lost"]
        if self._lines.takes_back is None:
            return ["if lost and (bad or v_action != 'reverse'):", "    bad = lost"]
        return [
            "if lost:",
            "    if v_action == 'reverse' and names_all(scope, LINES):",
            "        filtered.append((place, NOT_NEEDED))",
            "        continue",
            "    bad = lost",
        ]

    def _twice(self) -> list[str]:
        """A line that is told twice would count once, with what is told last."""
        if not self._once:
            return []
        return [
            "if not bad and v_line is not None:",
            "    told = (v_case, v_line)",
            "    if told in seen:",
            "        bad += TWICE",
            "    seen.add(told)",
        ]

    def in_group(self, path: object) -> bool:
        """Whether a path is read for each line."""
        return isinstance(path, FhirPath)

    def every(self, path: object, *, agree: bool) -> bool:
        """Whether a path gives all values that there are, as a tuple: where they must agree."""
        return agree and isinstance(path, FhirPath)

    def read(self, path: object, target: str, field: FieldPlan) -> list[str]:
        """Sets the local `target` to what a path gives; texts of dates as HL7 v2 writes them, digits only."""
        if not isinstance(path, FhirPath):
            return []
        lines = [f"{target} = {self._paths[path.text]}(this, scope)"]
        every = self.every(path, agree=field.way == "agree")
        dated = field.type in ("date", "datetime") and field.codes is None
        if every:
            lines.append(f"{target} = texts_of({target})")
        else:
            lines += [
                f"if {target}.__class__ is str:",
                f"    {target} = {target}.strip() or None",
                f"elif {target} is not None:",
                f"    {target} = text_of({target})",
            ]
        if dated:
            day = "day_there({0}, context.time_zone)" if field.name == AT_FACILITY else "digits_of({0})"
            each = f"tuple([{day.format('each')} for each in {target}])" if every else day.format(target)
            lines += [f"if {target}:", f"    {target} = {each}"]
        return lines

    def guarded(self, lines: list[str], field: FieldPlan, bad: str) -> list[str]:
        """A field's lines, and what becomes of it where a path has no answer."""
        if not any(isinstance(path, FhirPath) for path in field.paths):
            return lines
        return [
            "try:",
            *indented(lines),
            "except PathFailed as failed:",
            f"    v_{field.name} = None",
            *([f"    r_{field.name} = UNREAD"] if field.type == "udi" else []),
            f"    {bad} += trouble_{field.name}.failed(failed)",
        ]
