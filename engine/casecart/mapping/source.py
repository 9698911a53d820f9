"""A plan as Python: the one function that a mapping becomes.

Everything known at compile time is written into the source: paths, tables, constants, the condition. What goes wrong
is rare and leaves the generated code for `trouble`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.formats.hl7v2.compile import indented
from casecart.formats.udi import Udi
from casecart.mapping.fhir_reading import FhirReading
from casecart.mapping.hl7_reading import Hl7Reading
from casecart.mapping.mapped import Mapped
from casecart.mapping.plan import Hl7Lines
from casecart.mapping.trouble import Trouble
from casecart.mapping.udi import NOTHING, PIECES, UNREAD, Piece, read_udi
from casecart.mapping.value import LONGEST, read_date, read_datetime, read_decimal, read_di, read_integer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from casecart.mapping.compile import Probe
    from casecart.mapping.plan import FieldPlan, Plan

__all__ = ["Source"]

# How the text `found` is read; what is too long for the readers' memory is nothing of the kind.
_READERS: Final = {
    "decimal": f"read_decimal(found) if len(found) <= {LONGEST} else None",
    "di": f"read_di(found) if len(found) <= {LONGEST} else None",
    "integer": f"read_integer(found) if len(found) <= {LONGEST} else None",
    "date": f"read_date(found) if len(found) <= {LONGEST} else None",
    "datetime": f"read_datetime(found, context.time_zone) if len(found) <= {LONGEST} else None",
}


class Source:
    """Writes the function of a plan. `names` are its globals, `lines` its text.

    Args:
        plan: of the mapping.
        probe: is told what each source gave; see `casecart.mapping.compile.Probe`.
    """

    def __init__(self, plan: Plan, probe: Probe | None = None) -> None:
        self.plan, self._probed = plan, probe is not None
        self._sources: list[object] = []
        lines = plan.lines
        self.reading: Hl7Reading | FhirReading = (
            Hl7Reading(plan, lines) if isinstance(lines, Hl7Lines) else FhirReading(plan, lines)
        )
        self.codes = {field.name: field for field in plan.fields if field.type == "udi"}
        # A code comes before the fields that take pieces of it.
        fields = [*self.codes.values(), *(field for field in plan.fields if field.type != "udi")]
        self.first = self._asked(fields)
        rest = [field for field in fields if field not in self.first]
        self.constant = [field for field in rest if field.way == "value" and field.type != "udi"]
        rest = [field for field in rest if field not in self.constant]
        self.own = [field for field in rest if self._in_group(field)]
        self.shared = [field for field in rest if not self._in_group(field)]
        self.tokens = sorted({field.token for field in plan.fields if field.token is not None})
        self.names: dict[str, object] = {
            **self.reading.names,
            "Document": plan.document,
            "Mapped": Mapped,
            "read_date": read_date,
            "read_datetime": read_datetime,
            "read_decimal": read_decimal,
            "read_di": read_di,
            "read_integer": read_integer,
        }
        if plan.where is not None:
            self.names |= plan.where.constants
            self.names["REASON"] = f"where: {' '.join(plan.where.text.split())}"
        if self.codes:
            self.names |= {"NOTHING": NOTHING, "UNREAD": UNREAD, "Udi": Udi, "read_udi": read_udi}
        for field in plan.fields:
            self.names[f"trouble_{field.name}"] = Trouble(field)
            self.names[f"K_{field.name}"] = field.constant
            if field.codes is not None:
                self.names[f"T_{field.name}"] = field.codes.special or dict(field.codes.values)
                self.names[f"D_{field.name}"] = field.codes.default
        self.lines = self._function()
        if probe is not None:
            self.names |= {"probe": probe, "SOURCES": tuple(self._sources)}

    def _asked(self, fields: Iterable[FieldPlan]) -> list[FieldPlan]:
        """What `where` asks for, and the codes that it asks for pieces of."""
        if self.plan.where is None:
            return []
        names = set(self.plan.where.names)
        names |= {piece.field for field in self.plan.fields if field.name in names for piece in _pieces(field)}
        return [field for field in fields if field.name in names]

    def _in_group(self, field: FieldPlan) -> bool:
        return any(
            self._in_group(self.codes[path.field]) if isinstance(path, Piece) else self.reading.in_group(path)
            for path in field.paths
        )

    def _function(self) -> list[str]:
        lines = [
            *self.reading.begin(),
            "documents = []",
            "places = []",
            "filtered = []",
            "exceptions = []",
            "facility = context.facility",
            "source = context.source + '#'",
            *(["today = context.today"] if self.codes else []),
            *(f"v_{field.name} = K_{field.name}" for field in self.constant),
            *(f"tokens_{number} = {{}}" for number in range(len(self.tokens))),
            "new = True",
            "shared = ()",
            *self.reading.loops(self._line),
            f"return Mapped(documents, places, filtered, exceptions{self.reading.made})",
        ]
        return [f"def run({self.reading.takes}, context):", *indented(lines)]

    def _line(self) -> list[str]:
        """What is done for each group."""
        fields = self.plan.fields
        lines = self.reading.of_group()
        lines += [line for field in self.first for line in self._field(field, "bad")]
        if self.plan.where is not None:
            # A condition on what could not be read has no answer: the line is an exception, and never filtered.
            told = self.reading.told(self.first)
            lines += [
                f"if not bad and {f'{told} and ' if told else ''}not {self.plan.where.source}:",
                "    filtered.append((place, REASON))",
                "    continue",
            ]
        if self.shared:
            shared = [line for field in self.shared for line in self._field(field, "shared")]
            lines += ["if new:", "    new = False", *indented(shared), "bad += shared"]
        lines += [line for field in self.own for line in self._field(field, "bad")]
        lines += [line for field in fields for line in self._allowed(field)]
        lines += [line for field in fields for line in self._sign(field)]
        return [
            *lines,
            *self.reading.at_end(),
            "if bad:",
            "    exceptions += [each.at(place) for each in sorted(bad)]",
            "    continue",
            *(line for field in fields for line in self._token(field)),
            f"documents.append(Document({', '.join(self._arguments())}))",
            "places.append(place)",
        ]

    def _arguments(self) -> list[str]:
        changed = {field.name for field in self.plan.fields if field.token is not None or _signed(field)}
        if any(field.sign == "by-quantity" for field in self.plan.fields):
            changed.add("action")
        engines = {"facility": "facility", "source": "source + place"}
        known = {name: engines[name] for name in self.plan.given}
        known |= {field.name: f"{'d_' if field.name in changed else 'v_'}{field.name}" for field in self.plan.fields}
        # By position: names would cost four times as much.
        return [known.get(name, "None") for name in self.plan.document.__struct_fields__]

    def _field(self, field: FieldPlan, bad: str) -> list[str]:
        """Sets `v_NAME` to the field's value before its sign, and adds to `bad` what is wrong with it."""
        return self.reading.guarded(self._unguarded(field, bad), field, bad)

    def _unguarded(self, field: FieldPlan, bad: str) -> list[str]:
        value = f"v_{field.name}"
        if field.type == "udi":
            return self._udi(field, value, bad)
        if field.way == "value":
            return [f"{value} = K_{field.name}"]
        if self._agreeing(field):
            lines, test = self._agree(field, value, bad), "elif"
        elif field.way == "join":
            lines, test = self._joined(field, value), "if"
        else:
            lines, test = self._first(field, value), "if"
        reading = indented(self._reading(field, value, bad))
        if field.required:
            otherwise = indented(self._missing(field, bad))
        else:
            otherwise = [f"    {value} = K_{field.name}"] if field.constant is not None else []
        if otherwise:
            # What must be there can't be deleted.
            nothing = f"not {value}" if self.plan.nulls and field.required else f"{value} is None"
            lines += [f"{test} {nothing}:", *otherwise, *(["else:", *reading] if reading else [])]
        elif reading:
            lines += [f"{test} {value} is not None:", *reading]
        return lines

    def _udi(self, field: FieldPlan, value: str, bad: str) -> list[str]:
        """Sets `r_NAME` as well: what the code says, for the fields that take pieces of it. It is read once."""
        reading = f"r_{field.name}"
        decide = [
            *([f"if {value} is None:", f"    {value} = K_{field.name}"] if field.constant is not None else []),
            f"if {value} is None:",
            f"    {reading} = NOTHING",
            *(indented(self._missing(field, bad)) if field.required else []),
            "else:",
            f"    {reading} = read_udi({value}, today)",
            f"    if {reading}.__class__ is not Udi:",
            f"        {bad} += trouble_{field.name}.refused({reading})",
            f"        {reading} = UNREAD",
        ]
        if field.way == "value":
            return [f"{value} = None", *decide]
        if not self._agreeing(field):
            return [*self._first(field, value), *decide]
        return [
            *self._gathered(field, value),
            "if differ:",
            f"    {value}, {reading}, more = trouble_{field.name}.settle_udi({_sources(field)}, today)",
            f"    {bad} += more",
            "else:",
            *indented(decide),
        ]

    def _missing(self, field: FieldPlan, bad: str) -> list[str]:
        """Nothing was found; where a code that might have had it has a problem, that one is enough."""
        lines = [f"{bad} += trouble_{field.name}.missing()"]
        codes = dict.fromkeys(piece.field for piece in _pieces(field))
        known = " and ".join(f"r_{code} is not UNREAD" for code in codes)
        return [f"if {known}:", *indented(lines)] if codes else lines

    def _read(self, path: object, target: str, field: FieldPlan) -> list[str]:
        """Sets the local `target` to what a source gives: text, or the day that a code says."""
        if isinstance(path, Piece):
            lines = [f"{target} = r_{path.field}.{path.name}"]
        else:
            lines = self.reading.read(path, target, field)
        if self._probed:
            told = target if isinstance(path, Piece) else self.reading.told_as(path, target, field)
            lines = [*lines, f"probe(place, {str(field.name)!r}, SOURCES[{len(self._sources)}], {told})"]
            self._sources.append(path)
        return lines

    def _every(self, path: object, field: FieldPlan) -> bool:
        return self.reading.every(path, agree=field.way == "agree")

    def _agreeing(self, field: FieldPlan) -> bool:
        """Whether there can be several values."""
        return field.way == "agree" and (len(field.paths) > 1 or self._every(field.paths[0], field))

    def _first(self, field: FieldPlan, value: str) -> list[str]:
        """The first of the paths that has a value."""
        lines: list[str] = []
        for number, path in enumerate(field.paths):
            read = self._read(path, value, field)
            if self._every(path, field):
                read.append(f"{value} = {value}[0] if {value} else None")
            lines += [f"if {value} is None:", *indented(read)] if number else read
        return lines

    def _joined(self, field: FieldPlan, value: str) -> list[str]:
        """All of the paths, as one text; nothing, where one has no value."""
        each = [(path, f"a_{number}") for number, path in enumerate(field.paths)]
        lines = [line for path, source in each for line in self._read(path, source, field)]
        empty = " or ".join(f"{source} is None" for _, source in each)
        return [*lines, f"{value} = None if {empty} else f'{'/'.join(f'{{{source}}}' for _, source in each)}'"]

    def _agree(self, field: FieldPlan, value: str, bad: str) -> list[str]:
        """All paths are read; the same text is the same value, and only other texts are looked at closer."""
        return [
            *self._gathered(field, value),
            "if differ:",
            f"    {value}, more = trouble_{field.name}.settle({_sources(field)}, context.time_zone, context.today)",
            f"    {bad} += more",
        ]

    def _gathered(self, field: FieldPlan, value: str) -> list[str]:
        """Sets `a_0` and on to what the paths give, and `differ`; where they don't differ, also the value."""
        sources = [f"a_{number}" for number in range(len(field.paths))]
        each = list(zip(field.paths, sources, strict=True))
        lines: list[str] = []
        for path, source in each:
            lines += self._read(path, source, field)
            if _dated(field) and self._every(path, field):
                days = f"[read_date(text_[:{LONGEST}]) or text_ for text_ in {source} or ()]"
                if self.reading.all_as_tuple:
                    lines.append(f"{source} = tuple({days})")
                else:
                    lines += [
                        f"if {source}.__class__ is str:",
                        f"    {source} = read_date({source}[:{LONGEST}]) or {source}",
                        f"elif {source} is not None:",
                        f"    {source} = one_or_all({days})",
                    ]
            elif _dated(field) and not isinstance(path, Piece):
                # A text beside a day is compared as a day, and here: `settle` is not for the way of good lines. What is
                # no day stays text.
                lines += [
                    f"if {source} is not None and len({source}) <= {LONGEST}:",
                    f"    {source} = read_date({source}) or {source}",
                ]
        every = any(self._every(path, field) for path in field.paths)
        if every and self.reading.all_as_tuple:
            spread = "".join(f"*{source}, " if self._every(path, field) else f"{source}, " for path, source in each)
            lines += [
                f"texts = {{text_ for text_ in ({spread}) if text_ is not None}}",
                f"{value} = next(iter(texts), None)",
                "differ = len(texts) > 1",
            ]
        else:
            lines += [f"{value} = {sources[0]}", "differ = False"]
            for source in sources[1:]:
                lines += [
                    f"if {source} is not None:",
                    f"    if {value} is None:",
                    f"        {value} = {source}",
                    f"    elif {value} != {source}:",
                    "        differ = True",
                ]
            if every:  # one path gives different ones by itself
                lines += [f"if {value}.__class__ is tuple:", "    differ = True"]
        return lines

    def _reading(self, field: FieldPlan, value: str, bad: str) -> list[str]:
        """From the text in `value` to the field's type."""
        if field.codes is None and field.type == "text":
            return []
        if field.codes is None:
            how = _READERS[field.type]
        elif field.codes.special is None:
            how = f"T_{field.name}.get(found, D_{field.name})"
        else:
            how = f"T_{field.name}(found, context.today)"
        lines = [
            f"found = {value}",
            f"{value} = {how}",
            f"if {value} is None:",
            f"    {bad} += trouble_{field.name}.unreadable(found, context.time_zone)",
        ]
        if self.plan.nulls:  # what deletes is no code and no day
            return [f"if {value} != '':", *indented(lines)]
        return [f"if {value}.__class__ is str:", *indented(lines)] if _dated(field) else lines

    def _allowed(self, field: FieldPlan) -> list[str]:
        """Whether the document may have the value; behind `where`, which may leave such lines out."""
        possible = field.known_values
        if field.allowed is None or (possible is not None and possible <= field.allowed):
            return []
        self.names[f"A_{field.name}"] = field.allowed
        return [
            f"if v_{field.name} is not None and v_{field.name} not in A_{field.name}:",
            f"    bad += trouble_{field.name}.not_allowed()",
        ]

    def _sign(self, field: FieldPlan) -> list[str]:
        """What a negative quantity means. What it changes is the line's own, and not the message's or the mapping's."""
        if not _signed(field):
            return []
        positive = "d_quantity = v_quantity.copy_abs()"
        # Where the action has a problem, nothing can be said of the sign.
        wrong = [
            "elif not any(each.field == 'action' for each in bad):",
            "    bad += trouble_quantity.sign()",
        ]
        if field.sign == "by-action":
            lines = ["if v_action == 'reverse':", f"    {positive}", *wrong]
        elif field.sign == "by-quantity":
            lines = ["if v_action == 'use':", "    d_action = 'reverse'", f"    {positive}", *wrong]
        else:
            lines = ["bad += trouble_quantity.sign()"]
        before = ["d_quantity = v_quantity", *(["d_action = v_action"] if field.sign == "by-quantity" else [])]
        return [*before, "if v_quantity is not None and v_quantity < 0:", *indented(lines)]

    def _token(self, field: FieldPlan) -> list[str]:
        """Sets `d_NAME` to the token; a value that several lines or fields have is asked for once."""
        if field.token is None:
            return []
        value, token, known = f"v_{field.name}", f"d_{field.name}", f"tokens_{self.tokens.index(field.token)}"
        return [
            f"{token} = {known}.get({value})",
            f"if {token} is None and {value} is not None:",
            f"    {token} = {known}[{value}] = context.token({field.token!r}, {value})",
        ]


def _signed(field: FieldPlan) -> bool:
    return field.name == "quantity" and field.type == "decimal"


def _sources(field: FieldPlan) -> str:
    return f"({''.join(f'a_{number}, ' for number in range(len(field.paths)))})"


def _pieces(field: FieldPlan) -> list[Piece]:
    return [path for path in field.paths if isinstance(path, Piece)]


def _dated(field: FieldPlan) -> bool:
    """Whether a code gives it days, which need no reading."""
    return any(PIECES[piece.name] == "date" for piece in _pieces(field))
