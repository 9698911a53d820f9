"""How the function of a mapping goes over a FHIR message: its source in pieces, around those of the fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from casecart.formats.fhir.path import FhirPath, PathFailed
from casecart.formats.fhir.path.operate import items
from casecart.formats.fhir.path.straight import STRAIGHT, Roots, straight
from casecart.formats.hl7v2.compile import indented
from casecart.mapping.fhir_lines import lines_of
from casecart.mapping.fhir_message import FhirMessage
from casecart.mapping.fhir_text import day_there, digits_of, one_or_all, text_of, texts_of
from casecart.mapping.fhir_validity import validity_of
from casecart.mapping.fhir_versions import names_all, versions_of
from casecart.mapping.mapped import MANY
from casecart.mapping.trouble import line_twice, not_found, path_failed
from casecart.mapping.udi import Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from casecart.formats.fhir.path.value import Json
    from casecart.mapping.plan import FhirLines, FieldPlan, Plan

__all__ = ["FhirReading"]

_NOT_NEEDED: Final = "it takes back, and what it refers to is not in the message: what was posted of it is known"
"""Why a line that takes back is filtered: its resource names all of its lines, and this one none any more."""

AT_FACILITY = "used_on"
"""The field that is a day at the facility; other days, as that on which something expires, are as they are written."""


class FhirReading:
    """Writes what is special to FHIR; see `Hl7Reading`."""

    takes = "message"
    all_as_tuple = False

    def __init__(self, plan: Plan, lines: FhirLines) -> None:
        self._lines = lines
        self._acts = any(field.name == "action" for field in plan.fields)
        self._once = lines.once and {"case", "line"} <= {field.name for field in plan.fields}
        self._paths: dict[str, str] = {}
        self._bound: dict[str, str] = {}
        """Of what is bound so far the local whose elements may be asked for."""
        self._written = 0
        self.names: dict[str, object] = {
            **STRAIGHT,
            "FhirMessage": FhirMessage,
            "lines_of": lines_of,
            "validity_of": validity_of,
            "asked_of": _asked_of,
            "versions_of": versions_of,
            "LINES": lines,
            "PathFailed": PathFailed,
            "names_all": names_all,
            "NOT_NEEDED": _NOT_NEEDED,
            "TWICE": line_twice(),
            "day_there": day_there,
            "digits_of": digits_of,
            "one_or_all": one_or_all,
            "text_of": text_of,
            "texts_of": texts_of,
        }
        for number, (alias, bound) in enumerate(lines.bind):
            self.names[f"b_{number}"] = bound.general
            self.names[f"B_{number}"] = path_failed(f"bind {alias}", bound.text)
            self.names[f"M_{number}"] = not_found(alias, bound.text)
        for field in plan.fields:
            for path in field.paths:
                if isinstance(path, FhirPath) and path.text not in self._paths:
                    self._paths[path.text] = name = f"p_{len(self._paths)}"
                    self.names[name] = path.general

    @property
    def made(self) -> str:
        """What `Mapped` gets besides the lines."""
        return "" if self._lines.takes_back is None else ", versions_of(whole, LINES)"

    def begin(self) -> list[str]:
        """Finds the lines."""
        return [
            "whole = message if message.__class__ is FhirMessage else FhirMessage(message)",
            "find = whole.find",
            "validity = validity_of(whole, LINES, context.version)",
            "names, groups = lines_of(whole, LINES, validity)",
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
        lines = ["bad = scope.failed", *given_up, "this = scope.this", "resource = scope.resource"]
        if self._lines.bind:
            lines.append("bound = scope.bound")
        if self._lines.led:
            lines.append("lost = ()")
        for number, (alias, path) in enumerate(self._lines.bind):
            led, found = alias in self._lines.led, f"at_{number}"
            lines += [
                *(["missed = scope.missed = []"] if led else []),
                "try:",
                *indented(self._got(path, found, f"b_{number}", missed=led)),
                "except PathFailed as failed:",
                f"    {found} = None",
                f"    bad += B_{number}(failed)",
                f"bound[{alias!r}] = {found}",
                f"if {found}.__class__ is not dict:",
                f"    {found} = asked_of({found})",
                *(["scope.missed = None", "if missed:", f"    lost += M_{number}(missed)"] if led else []),
            ]
            self._bound[alias] = found
        if self._lines.bind:
            # What is not understood may turn the meaning of all else, also of what `where` asks.
            lines += ["if not bad:", "    bad = validity.of_bound(bound)", *given_up]
        return lines

    def _got(self, path: FhirPath, target: str, general: str, *, missed: bool = False) -> list[str]:
        """Sets the local `target` to what a path gives: straight where the resource is as usual, else the general way.

        Args:
            path: that is asked of the line.
            target: the local.
            general: the global with the path's function.
            missed: references that lead to nothing are noted.
        """
        by_function = f"{target} = {general}(this, scope)"
        self._written += 1
        roots = Roots(
            "this",
            "this",
            "resource",
            self._bound,
            find="find",
            missed="missed" if missed else "",
            prefix=f"u{self._written}_",
        )
        short = None if path.tree is None else straight(path.tree, roots)
        if short is None:
            return [by_function]
        again = ["missed.clear()"] if missed else []
        return [
            "try:",
            *indented([*short.lines, f"{target} = {short.result}"]),
            "except UNUSUAL:",
            *indented([*again, by_function]),
        ]

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
        """Whether a path gives all values that there are, where they must agree: several as a tuple."""
        return agree and isinstance(path, FhirPath)

    def read(self, path: object, target: str, field: FieldPlan) -> list[str]:
        """Sets the local `target` to what a path gives; texts of dates as HL7 v2 writes them, digits only."""
        if not isinstance(path, FhirPath):
            return []
        if self.every(path, agree=field.way == "agree"):
            several = f"one_or_all([{_day('each', field)} for each in texts_of({target})])"
        else:
            several = _day(f"(text_of({target}) or '')", field) + " or None"
        return [
            *self._got(path, target, self._paths[path.text]),
            f"if {target}.__class__ is str:",
            f"    {target} = {_day(f'{target}.strip()', field)} or None",
            f"elif {target} is not None:",
            f"    {target} = {several}",
        ]

    def told_as(self, path: object, target: str, field: FieldPlan) -> str:
        """What a source gave, as a probe is told: several, where there can be several."""
        if not self.every(path, agree=field.way == "agree"):
            return target
        return f"() if {target} is None else {target} if {target}.__class__ is tuple else ({target},)"

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


def _day(text: str, field: FieldPlan) -> str:
    """What is made of a text: of a day, what it is at the facility, or as it is written."""
    if field.type not in ("date", "datetime") or field.codes is not None:
        return text
    return f"day_there({text}, context.time_zone)" if field.name == AT_FACILITY else f"digits_of({text})"


def _asked_of(collection: Json) -> Json:
    """What is asked for its elements where a path goes straight: none, the only one, or what gives no answer there."""
    found = items(collection)
    if not found:
        return _NOTHING
    return found[0] if len(found) == 1 and found[0].__class__ is dict else None


_NOTHING: Final[Json] = {}
