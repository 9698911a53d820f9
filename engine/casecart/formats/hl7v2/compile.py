"""Paths compiled to Python: each segment is split once, only as far as needed, each leaf unescaped once.

The source is made from parsed paths only, and all text in it is written by `repr`: nothing that an analyst wrote is
executed.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from casecart.formats.hl7v2.cut import delimiters_of, repetitions
from casecart.formats.hl7v2.escape import unescape
from casecart.formats.hl7v2.groups import HEADER, group, may_belong
from casecart.formats.hl7v2.lines import repair
from casecart.formats.hl7v2.null import NULL_TEXT
from casecart.formats.hl7v2.path import ENCODING_CHARACTERS, HEADERS, Condition, Field, Path, Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["Extraction", "Value", "compile_paths", "indented"]

_OVER_PATIENT: Final = frozenset(HEADER[: HEADER.index("PID") + 1])
"""What is above every patient of a message: it stays above the next one too."""
_OF_ORDER: Final = frozenset({"OBR", "RXO", "RXE", "RXD", "RQD", "RQ1", "FT1"})
_BEGINS: Final = ("PID", "MFE", "ORC")
"""Segments with which something new begins."""


def _under(begins: str, name: str) -> bool:
    """Whether a segment stands under one with which something new begins, and so is above nothing behind the next."""
    if begins == "PID":
        return name not in _OVER_PATIENT
    if begins == "MFE":
        return name not in HEADER and name != "MFE"
    return begins == "ORC" and name in _OF_ORDER


Value = str | tuple[str, ...] | None
"""What a path gives: text, or None for nothing (absent, empty, blank, `""`); with `[*]` all texts there are.

Blanks around a text are no part of it (ST of HL7 v2.8.2 chapter 2A: trailing blanks are optional).
"""


def indented(lines: Iterable[str], levels: int = 1) -> list[str]:
    """The lines, further in."""
    return ["    " * levels + line for line in lines]


def compile_paths(
    paths: Sequence[Path], *, each: str | None = None, bind: Mapping[str, Segment] | None = None
) -> Callable[..., list[tuple[Value, ...]]]:
    """A function that reads paths from a message: `(text, charset="utf-8")` to one row a group.

    Args:
        paths: what is read, in the order of a row.
        each: the segment type whose groups make the rows; without it the message is one row.
        bind: segments by the alias that paths name them with.

    Returns:
        The function. It takes a decoded message and raises `Refused` when its header can't be read, which a listener
        has refused before.

    Raises:
        KeyError: a path has an alias that `bind` doesn't give.
    """
    extraction = Extraction(each, bind or {}, paths)
    targets = [f"x_{number}" for number in range(len(paths))]
    row = [line for path, target in zip(paths, targets, strict=True) for line in extraction.read(path, target)]
    row.append(f"rows.append(({''.join(f'{target}, ' for target in targets)}))")
    lines = [*extraction.opening(), "rows = []"]
    lines += row if each is None else ["for group in groups:", *indented([*extraction.of_group("group"), *row])]
    source = ['def extract(text, charset="utf-8"):', *indented([*lines, "return rows"]), ""]
    exec(compile("\n".join(source), "<paths>", "exec"), extraction.names)  # noqa: S102 - see the module's docstring
    return cast("Callable[..., list[tuple[Value, ...]]]", extraction.names["extract"])


class _Source:
    """A segment that is looked for: the variable of its fields, and how far it must be split."""

    def __init__(self, meant: Segment, variable: str) -> None:
        self.segment = meant
        self.variable = variable
        self.in_group = meant.scope != "message"
        self.above = meant.scope == "above"
        self.last = 1
        if isinstance(meant.selector, Condition):
            self.need(meant.selector.field)

    def need(self, field: Field) -> None:
        self.last = max(self.last, self.index(field))

    def index(self, field: Field) -> int:
        """Where a field is after splitting: MSH-1 is the separator itself, so MSH-2 is the first behind the name."""
        return field.number - (self.segment.name in HEADERS)

    @property
    def counts(self) -> bool:
        """Whether it is a second or later segment of its name."""
        return isinstance(self.segment.selector, int) and self.segment.selector > 1


class Extraction:
    """Writes source that takes values out of a message, in pieces for a function that the caller puts together.

    First comes `opening`; it goes over the segments once, finds those that are looked for in the message, and makes
    `groups`. In a loop over these comes `of_group`, and behind it, or for paths that aren't `in_group` anywhere,
    `read`. The function needs the locals `text` and `charset`. Locals that end in `_` or begin with `s_` or `n_` are
    ours. `names` are its globals.

    Attributes:
        grouped_by: of the leader: segments with the same value here, up to its first full stop, are one group, until
            the groups end. `group[-1]` tells that one of them says what another one said already.
        plain: whether `read` is written for messages of which the local `plain_` holds: nothing in them is repeated,
            escaped or `""`, so that there is less to look for. It costs half, and most messages are such.
    """

    plain = False

    def __init__(
        self,
        each: str | None,
        bind: Mapping[str, Segment],
        paths: Iterable[Path],
        *,
        grouped_by: Field | None = None,
        nulls: bool = False,
    ) -> None:
        self.each = each
        self.bind = bind
        self.grouped_by, self._nulls = grouped_by, nulls
        self._sources: dict[Segment, _Source] = {}
        for path in paths:
            meant = self._meant(path)
            source = self._sources.setdefault(meant, _Source(meant, f"s_{len(self._sources)}"))
            source.need(path.field)
        if each is not None and grouped_by is not None:
            leader = Segment(each)
            self._sources.setdefault(leader, _Source(leader, f"s_{len(self._sources)}")).need(grouped_by)
        self._grouped = [source for source in self._sources.values() if source.in_group]
        self._above = [source for source in self._grouped if source.above]
        self._kinds = self._numbered()
        self.names: dict[str, object] = {
            # What a segment that isn't there has in its fields, and what a short one is filled up with.
            "EMPTY": ("",) * (2 + max((source.last for source in self._sources.values()), default=0)),
            "delimiters_of": delimiters_of,
            "kinds": _kinds(self._kinds),
            "repair": repair,
            "repetitions": repetitions,
            "unescape": unescape,
        }

    def in_group(self, path: Path) -> bool:
        """Whether the path is looked for in each group, and not once in the message."""
        return self._meant(path).scope != "message"

    def _meant(self, path: Path) -> Segment:
        """The segment of a path, with the scope in which it is really looked for."""
        meant = self.bind[path.segment] if isinstance(path.segment, str) else path.segment
        if self.each is None or (meant.scope == "group" and not may_belong(self.each, meant.name)):
            return replace(meant, scope="message")
        return meant

    def _numbered(self) -> dict[str, int]:
        """A number for each segment type that matters: from 1 for those with a branch, 0 for what ends a group."""
        names = dict.fromkeys([*([self.each] if self.each else []), *(segment.name for segment in self._sources)])
        if any(source.above for source in self._sources.values()):
            names |= dict.fromkeys(_BEGINS)
        closes = group(self.each).closes if self.each else ()
        return dict.fromkeys(closes, 0) | {name: number for number, name in enumerate(names, 1)}

    def opening(self) -> list[str]:
        """Sets the delimiters, the segments that are looked for in the message, and `groups`."""
        message = [source for source in self._sources.values() if not source.in_group]
        lines = [
            "text = repair(text)",
            "delimiters = delimiters_of(text)",
            "fs, cs, rs, ec, ss, _ = delimiters",
            "begin_ = text.find(fs, 4)",
            "escaped_ = ec != '' and text.find(ec, begin_) >= 0",
            "plain_ = not escaped_ and text.find(rs, begin_) < 0 and '\"' not in text",
            *(f"{source.variable} = EMPTY" for source in (*message, *self._above)),
            *(f"n_{name} = 0" for name in dict.fromkeys(source.segment.name for source in message if source.counts)),
            "groups = []",
            "group_ = None",
            *(["known_ = {}", "leaders = []", "nth_ = 0"] if self.grouped_by else []),
            "kind_of_ = kinds(fs).get",
            "for line_ in text.split('\\r'):",
            "    kind_ = kind_of_(line_[:4])",
            "    if kind_ is None:",
            "        continue",
        ]
        test = "if"
        for name, number in sorted(self._kinds.items(), key=lambda kind: kind[1]):
            if number:
                lines += [f"    {test} kind_ == {number}:", *indented(self._branch(name) or ["pass"], 2)]
                test = "elif"
        if self.each:
            lines += ["    else:", *indented(self._end(), 2)]
        return lines

    def _end(self) -> list[str]:
        """What ends a group."""
        return ["group_ = None", *(["known_ = {}"] if self.grouped_by else [])]

    def _branch(self, name: str) -> list[str]:
        """What is done with a segment of this type."""
        message = [source for source in self._sources.values() if source.segment.name == name and not source.in_group]
        grouped = [source for source in self._grouped if source.segment.name == name and not source.above]
        lines: list[str] = []
        if name == self.each:
            lines = self._begin()
        elif self.each and not may_belong(self.each, name):
            lines = self._end()
        # What stood above belongs to the patient, the record or the order before.
        lines += [f"{source.variable} = EMPTY" for source in self._above if _under(name, source.segment.name)]
        lines += self._nearest([source for source in self._above if source.segment.name == name])
        if message:
            lines += self._found(message, f"n_{name}", {source: source.variable for source in message})
        if grouped:
            places = {source: f"group_[{self._grouped.index(source)}]" for source in grouped}
            found = self._found(grouped, f"n_in_{name}", places)
            lines += found if name == self.each else ["if group_ is not None:", *indented(found)]
        return lines

    def _begin(self) -> list[str]:
        """A leader was come upon: a group begins, or goes on."""
        slots = "".join(f"{source.variable}, " if source.above else "EMPTY, " for source in self._grouped)
        counters = dict.fromkeys(source.segment.name for source in self._grouped if source.counts)
        begin = [
            f"group_ = [{slots}{'False' if self.grouped_by else ''}]",
            "groups.append(group_)",
            *(f"n_in_{counter} = 0" for counter in counters),
        ]
        if self.grouped_by is None or self.each is None:
            return begin
        leader = self._sources[Segment(self.each)]
        return [
            "nth_ += 1",
            *_split("fields_", leader.last),
            *self._leaf(leader, self.grouped_by, "fields_", "value_"),
            "value_ = (value_ or '').partition('.')[0] or None",
            "group_ = known_.get(value_)",
            "if group_ is None:",
            *indented(begin),
            "    leaders.append(nth_)",
            "    if value_ is not None:",
            "        known_[value_] = group_",
        ]

    def _nearest(self, same: Sequence[_Source]) -> list[str]:
        """A segment was come upon that groups stand under, from here on."""
        if not same:
            return []
        lines = _split("fields_", max(source.last for source in same))
        for source in same:
            selector = source.segment.selector
            if not isinstance(selector, Condition):
                lines.append(f"{source.variable} = fields_")
                continue
            test = (
                f"{selector.value!r} in value_"
                if selector.field.repetition is None
                else f"value_ == {selector.value!r}"
            )
            lines += [
                *self._leaf(source, selector.field, "fields_", "value_"),
                f"if {test}:",
                f"    {source.variable} = fields_",
            ]
        return lines

    def _found(self, same: Sequence[_Source], count: str, places: Mapping[_Source, str]) -> list[str]:
        """A segment was come upon, of a type that some sources ask for: is it theirs?"""
        last = max(source.last for source in same)
        counted = any(source.counts for source in same)
        if len(same) == 1 and same[0].segment.selector == 1 and not (self.grouped_by and same[0].in_group):
            # The usual case splits only what it keeps; a group has one leader.
            if same[0].in_group and same[0].segment.name == self.each:
                return _split(places[same[0]], last)
            return [f"if {places[same[0]]} is EMPTY:", *indented(_split(places[same[0]], last))]
        lines = _split("fields_", last)
        if counted:
            lines.append(f"{count} += 1")
        for source in same:
            selector, take = source.segment.selector, f"{places[source]} = fields_"
            if isinstance(selector, Condition):
                test = (
                    f"{selector.value!r} in value_"
                    if selector.field.repetition is None
                    else f"value_ == {selector.value!r}"
                )
                lines += [
                    f"if {places[source]} is EMPTY:",
                    *indented(self._leaf(source, selector.field, "fields_", "value_")),
                    f"    if {test}:",
                    f"        {take}",
                ]
                if self.grouped_by and source.segment.name == self.each and source.in_group:
                    twice = [
                        *self._leaf(source, selector.field, "fields_", "value_"),
                        f"if {test}:",
                        "    group_[-1] = True",
                    ]
                    lines += ["else:", *indented(twice)]
            elif source.counts:
                lines += [f"if {count} == {selector}:", f"    {take}"]
            else:
                lines += [f"if {places[source]} is EMPTY:", f"    {take}"]
        return lines

    def of_group(self, variable: str) -> list[str]:
        """Sets what `read` needs for the group in a local."""
        if not self._grouped:
            return []
        rest = "twice" if self.grouped_by else ""
        return [f"{''.join(f'{source.variable}, ' for source in self._grouped)}{rest} = {variable}"]

    def read(self, path: Path, target: str) -> list[str]:
        """Sets the local `target` to the value of a path."""
        source = self._sources[self._meant(path)]
        return self._leaf(source, path.field, source.variable, target)

    def _leaf(self, source: _Source, field: Field, fields: str, target: str) -> list[str]:
        value = f"{fields}[{source.index(field)}]"
        if source.segment.name in HEADERS and field.number <= ENCODING_CHARACTERS:
            return [f"{target} = " + (f"fs if {fields}[0] else None" if field.number == 1 else f"{value} or None")]
        component, subcomponent = field.component or 1, field.subcomponent or 0
        if field.repetition is None:
            return [f"{target} = repetitions({value}, {component}, {subcomponent}, delimiters, charset)"]
        if self.plain and subcomponent == 0 and field.repetition == 1:
            return [f"{target} = {value}", *_part(target, "cs", component), f"{target} = {target}.strip() or None"]
        lines = [*_part(target, "rs", field.repetition), *_part(target, "cs", component)]
        if subcomponent == 1:
            lines += [f"if ss and ss in {target}:", f"    {target} = {target}.partition(ss)[0]"]
        elif subcomponent:
            lines += ["if ss:", *indented(_part(target, "ss", subcomponent)), "else:", f"    {target} = ''"]
        empty = [f"if not {target} or {target} == {NULL_TEXT!r}:", f"    {target} = None"]
        if self._nulls:
            empty = [
                f"if not {target}:",
                f"    {target} = None",
                f"elif {target} == {NULL_TEXT!r}:",
                f"    {target} = ''",
            ]
        lines += [
            f"{target} = {target}.strip()",
            *empty,
            f"elif escaped_ and ec in {target}:",
            f"    {target} = unescape({target}, delimiters, charset).strip() or None",
        ]
        return [f"{target} = {value}", f"if {target}:", *indented(lines), "else:", f"    {target} = None"]


def _kinds(numbers: dict[str, int]) -> Callable[[str], Mapping[str, int]]:
    """What the first four characters of a segment say: its name and the separator, or a name without fields."""

    @lru_cache(maxsize=64)
    def kinds(separator: str) -> Mapping[str, int]:
        return numbers | {name + separator: number for name, number in numbers.items()}

    return kinds


def _split(target: str, last: int) -> list[str]:
    """Sets a place to the fields of the segment, at least up to the last that is needed."""
    return [
        f"fields_ = line_.split(fs, {last + 1})",
        f"if len(fields_) <= {last}:",
        "    fields_ += EMPTY",
        *([f"{target} = fields_"] if target != "fields_" else []),
    ]


def _part(target: str, separator: str, nth: int) -> list[str]:
    """Cuts the n-th part out of a text, in place; the empty string if there are fewer."""
    if nth == 1:
        return [f"if {separator} in {target}:", f"    {target} = {target}.partition({separator})[0]"]
    return [
        f"parts_ = {target}.split({separator}, {nth})",
        f"{target} = parts_[{nth - 1}] if len(parts_) >= {nth} else ''",
    ]
