"""From a mapping file to its plan, or to all that is wrong in it."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Final, Literal, Union, get_args, get_origin, get_type_hints
from zoneinfo import ZoneInfo

from casecart.canonical import FIELDS
from casecart.formats.udi import Udi
from casecart.mapping.expression import (
    DATE,
    DECIMAL,
    TEXT,
    UNKNOWN,
    ExpressionError,
    Kind,
    compile_expression,
)
from casecart.mapping.fhir_paths import FhirPaths
from casecart.mapping.hl7_paths import Hl7Paths
from casecart.mapping.plan import Codes, FieldPlan, Plan
from casecart.mapping.udi import PIECES, Piece, read_udi
from casecart.mapping.value import LONGEST, ValueType, read
from casecart.workspace.findings import Finding, Place, WorkspaceError, did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Mapping as MappingOf

    import msgspec

    from casecart.formats.fhir.path import FhirPath
    from casecart.formats.hl7v2.path import Path
    from casecart.mapping.expression import Expression
    from casecart.workspace.mapping import FieldMapping, Mapping
    from casecart.workspace.table import Table
    from casecart.workspace.text import Text

__all__ = ["plan"]

IDENTIFYING: Final = frozenset({"case", "encounter"})
"""Fields whose values stand for a patient's visit."""

# Set by the engine, never from the message.
GIVEN: Final = ("facility", "source")
CANONICAL: Final = frozenset({"Usage", "Case"})

_TYPES: Final[MappingOf[object, ValueType]] = {
    str: "text",
    Decimal: "decimal",
    int: "integer",
    date: "date",
    datetime: "datetime",
}
_IN_EXPRESSIONS: Final = {"decimal": DECIMAL, "integer": DECIMAL, "date": DATE}
_ANYWHERE: Final = ZoneInfo("UTC")

# The field of a document that a device's code belongs to; what it says is taken from it as from nothing else.
_UDI: Final = "udi"
_DI: Final = "di"
_PIECE: Final = re.compile(r"([a-z][a-z0-9_]*)\.(.*)", re.ASCII | re.DOTALL)
# Whether a code can be read doesn't depend on the day, only the century of its dates does.
_ANY_DAY: Final = date(2000, 1, 1)
_hints_of: Final = cache(get_type_hints)


def plan(declaration: Mapping, tables: MappingOf[str, Table], document: type[msgspec.Struct]) -> Plan:
    """Checks a mapping and makes ready what can be made ready before the first message.

    Raises:
        WorkspaceError: with everything that is wrong.
    """
    return _Planning(declaration, tables, document).plan()


class _Planning:
    """One mapping on its way to a plan."""

    def __init__(self, declaration: Mapping, tables: MappingOf[str, Table], document: type[msgspec.Struct]) -> None:
        self.declaration = declaration
        self.tables = tables
        self.document = document
        self.hints = _hints_of(document)
        self.usage = declaration.makes == "Usage"
        self.given = GIVEN if declaration.makes in CANONICAL else ()
        self.udis = [name for name, mapped in declaration.fields.items() if mapped.type == "udi"]
        self.findings: list[Finding] = []
        reader = FhirPaths if declaration.reads.format == "fhir" else Hl7Paths
        self.paths: Hl7Paths | FhirPaths = reader(declaration, self.error)

    def error(self, place: Place, code: str, message: str, suggestion: str | None = None) -> None:
        self.findings.append(Finding(place, "error", code, message, suggestion))

    def plan(self) -> Plan:
        for alias in self.declaration.bind:
            if alias in self.udis and not self.paths.fhir:
                message = f"{alias} is a field of type udi, of which sources take pieces: give the segment another name"
                self.error(_place(alias), "name-clash", message)
        for name, mapped in self.declaration.fields.items():
            if name in IDENTIFYING:
                self.identifying(name, mapped)
        fields = [
            field
            for order, (name, mapped) in enumerate(self.declaration.fields.items())
            if (field := self.field(name, order, mapped)) is not None
        ]
        if len(fields) == len(self.declaration.fields):
            self.signs(fields)
        where = self.where(fields)
        for field in fields:
            self.allowed(field, where)
        if self.findings:
            raise WorkspaceError(sorted(self.findings, key=lambda finding: finding.place))
        return Plan(
            self.declaration.mapping,
            self.paths.lines,
            tuple(fields),
            where,
            self.document,
            nulls=not self.usage,
            given=self.given,
        )

    def identifying(self, name: str, mapped: FieldMapping) -> None:
        """What identifies a patient or a visit leaves the engine as a token only."""
        if mapped.token is None and mapped.value is None:
            message = f"{name} tells the patient's visit, and documents leave the engine: add token: {name}"
            self.error(_place(name), "no-token", message)

    def source(self, field: str, text: Text, kind: ValueType, mapped: FieldMapping) -> Path | FhirPath | Piece | None:
        """A path into the message, or a piece of another field: `udi.lot`."""
        found = _PIECE.fullmatch(text)
        if found is None:
            return self.paths.path(text)
        name, piece = found.groups()
        if name in self.udis:
            return self.piece(field, text, Piece(name, piece), kind, mapped)
        bound = self.paths.fhir or name in self.declaration.bind
        if bound or (name not in self.declaration.fields and piece not in PIECES):
            return self.paths.path(text)
        if name in self.declaration.fields:
            tail = f"give {name} a type: udi" if name == _UDI else "remove it"
            self.error(text.place, "bad-path", f"{name} is not of type udi, and has no pieces: {tail}")
        else:
            there = f"there is {listed(self.udis)}" if self.udis else "there is none: map one"
            message = f"pieces are taken of a field of type udi, and {name} is not one; {there}"
            self.error(text.place, "unknown-name", message, did_you_mean(name, self.udis))
        return None

    def piece(self, field: str, text: Text, piece: Piece, kind: ValueType, mapped: FieldMapping) -> Piece | None:
        if field in self.udis:
            message = f"{field} is itself of type udi: it comes from the message, and not from pieces"
            self.error(text.place, "bad-path", message)
            return None
        if piece.name not in PIECES:
            message = f"a UDI has no piece {piece.name}; it has {listed(PIECES)}"
            place = text.within(len(piece.field) + 2)
            self.error(place, "bad-path", message, did_you_mean(piece.name, PIECES))
            return None
        if PIECES[piece.name] == "date" and (kind != "date" or mapped.table is not None):
            problem = f"and {field} is of type {kind}" if kind != "date" else "and a table is for text"
        elif PIECES[piece.name] == "text" and kind not in ("text", "di") and mapped.table is None:
            problem = f"and {field} is of type {kind}"
        else:
            return piece
        self.error(text.place, "bad-value", f"{piece} is of type {PIECES[piece.name]}, {problem}")
        return None

    def field(self, name: str, order: int, mapped: FieldMapping) -> FieldPlan | None:
        before = len(self.findings)
        if name in self.given:
            self.error(_place(name), "unknown-field", f"{name} is set by the engine: remove it here")
            return None
        made_by = FIELDS[name].made_by if self.usage and name in FIELDS else ""
        if made_by:
            words = f"{name} is what the step {made_by} of a channel finds out: remove it here"
            self.error(_place(name), "unknown-field", words)
            return None
        if name not in self.hints:
            message = f"{self.document.__name__} has no field {name}"
            self.error(_place(name), "unknown-field", message, did_you_mean(name, self.hints))
            return None
        kind, allowed = self.target(name, mapped)
        paths = [self.source(name, text, kind, mapped) for text in (*mapped.path, *mapped.agree, *mapped.join)]
        self.joined(mapped, paths)
        if kind == "udi" and mapped.table is not None:
            self.error(mapped.at("table"), "bad-value", "a UDI is read as it is, and not through a table")
        codes = None if mapped.table is None else self.codes(mapped.table, kind)
        constant = None
        for key, text in (("value", mapped.value), ("default", mapped.default)):
            if text is not None:
                constant = self.constant(key, text, kind, allowed)
        if mapped.token is not None and (kind != "text" or allowed is not None):
            words = f"of type {kind}" if allowed is None else " or ".join(sorted(allowed))
            self.error(mapped.at("token"), "bad-value", f"a token stands for any text, and {name} is {words}")
        if len(self.findings) > before:
            return None
        return FieldPlan(
            name=str(name),
            order=order,
            way="value" if mapped.value is not None else "agree" if mapped.agree else "join" if mapped.join else "path",
            paths=tuple(path for path in paths if path is not None),
            type=kind,
            allowed=allowed,
            codes=codes,
            token=None if mapped.token is None else str(mapped.token),
            required=bool(mapped.required),
            constant=constant,
            sign=mapped.sign,
        )

    def joined(self, mapped: FieldMapping, paths: list[Path | FhirPath | Piece | None]) -> None:
        """What is put together is text, one of each."""
        if not mapped.join:
            return
        if mapped.type != "text" or mapped.table is not None:
            problem = "a table is for one text" if mapped.table is not None else f"and this is of type {mapped.type}"
            self.error(mapped.at("join"), "bad-value", f"join makes text of its paths: {problem}")
        for text, path in zip(mapped.join, paths, strict=True):
            if self.paths.several(path):
                self.error(text.place, "bad-path", "join takes one value of each path: give the repetition's number")

    def target(self, name: str, mapped: FieldMapping) -> tuple[ValueType, frozenset[str] | None]:
        """The type of the document's field, which the mapping must name, and the few texts it may have."""
        hint = self.hints[name]
        if get_origin(hint) in (Union, UnionType):
            hint = next(choice for choice in get_args(hint) if choice is not NoneType)
        allowed = frozenset(map(str, get_args(hint))) if get_origin(hint) is Literal else None
        kind = "text" if allowed is not None else _TYPES[hint]
        if mapped.type == "udi":
            if name == _UDI and kind == "text":
                return "udi", allowed
            message = f"type: udi is for the field {_UDI}, and {name} is of type {kind}"
            self.error(mapped.at("type"), "bad-value", message)
        elif mapped.type == "di":
            if name == _DI:
                return "di", allowed
            self.error(mapped.at("type"), "bad-value", f"type: di is for the field {_DI}, and not for {name}")
        elif mapped.type != kind and mapped.value is None:
            message = f"{name} is of type {kind} in {self.document.__name__}: write type: {kind}"
            self.error(mapped.at("type"), "bad-value", message)
        return kind, allowed

    def codes(self, name: Text, kind: ValueType) -> Codes | None:
        table = self.tables.get(name)
        if table is None:
            there = f"there are {listed(sorted(self.tables))}" if self.tables else "there is none"
            message = f"no table has the name {name}; {there}"
            self.error(name.place, "unknown-name", message, did_you_mean(name, self.tables))
            return None
        values: dict[str, object] = {}
        for row in table.rows:
            values[row.value] = read(row.value, kind, _ANYWHERE)
            if values[row.value] is None:
                self.error(row.place, "bad-value", f"the value is not of type {kind}, as {name} is used here")
        default = None if table.default is None else values[table.default]
        known = {code: values[value] for code, value in table.values.items()}
        return Codes(table.name, known, default, frozenset(values.values()), _special(table, values))

    def constant(self, key: str, text: Text, kind: ValueType, allowed: frozenset[str] | None) -> object:
        value = read(str(text), kind, _ANYWHERE)  # without its place in the file: no document is encoded with that
        if kind == "udi":
            reading = read_udi(text, _ANY_DAY)
            if not isinstance(reading, Udi):
                self.error(text.place, "bad-value", f"the {key} is not a UDI: {reading.words.removesuffix('.')}")
        elif value is None:
            message = f"the {key} is not of type {kind}; it is written as HL7 writes it"
            self.error(text.place, "bad-value", message)
        elif allowed is not None and value not in allowed:
            message = f"the {key} is not one of {listed(sorted(allowed))}"
            self.error(text.place, "unknown-value", message, did_you_mean(text, allowed))
        return str(value) if isinstance(value, str) else value  # a text of YAML knows its place, and can't be encoded

    def signs(self, fields: list[FieldPlan]) -> None:
        names = [field.name for field in fields]
        for field in fields:
            if field.sign is None:
                continue
            place = self.declaration.fields[field.name].at("sign")
            if field.name != "quantity":
                self.error(place, "bad-value", f"sign belongs to the field quantity, and not to {field.name}")
            elif "action" not in names:
                message = f"sign: {field.sign} says use or reverse by the field action, which is not mapped: map it"
                self.error(place, "bad-value", message)

    def where(self, fields: list[FieldPlan]) -> Expression | None:
        text = self.declaration.where
        if text is None:
            return None
        scope: dict[str, Kind] = {}
        for field in fields:
            if field.type in ("text", "udi", "di"):
                known = field.known_values
                scope[field.name] = TEXT if known is None else Kind("text", known | (field.allowed or frozenset()))
            elif field.type in _IN_EXPRESSIONS:
                scope[field.name] = _IN_EXPRESSIONS[field.type]
        # A field with a mistake of its own has had its finding, and isn't unknown.
        broken = dict.fromkeys(self.declaration.fields.keys() - {field.name for field in fields}, UNKNOWN)
        try:
            return compile_expression(text, scope | broken)
        except ExpressionError as error:
            for mistake in error.mistakes:
                place = text.within(mistake.column)
                self.error(place, "bad-expression", mistake.message, mistake.suggestion)
            return None

    def allowed(self, field: FieldPlan, where: Expression | None) -> None:
        """What a table gives must be allowed, unless `where` looks at it first; then it must not look like a slip."""
        if field.allowed is None or field.codes is None:
            return
        filtered = where is not None and field.name in where.names
        for row in self.tables[field.codes.name].rows:
            if row.value not in field.allowed and (not filtered or did_you_mean(row.value, field.allowed)):
                message = (
                    f"{field.name} can't be this, but {listed(sorted(field.allowed))}; or leave such lines out by where"
                )
                self.error(row.place, "unknown-value", message, did_you_mean(row.value, field.allowed))


def _special(table: Table, values: MappingOf[str, object]) -> Callable[[str, date], object] | None:
    """Looks a code up on a day; None, where a dict does. What it has found it remembers, but for long texts."""
    if table.plain:
        return None

    @lru_cache(maxsize=4096)
    def known(code: str, day: date) -> object:
        found = table.lookup(code, day)
        return None if found is None else values[found]

    return lambda code, day: (known if len(code) <= LONGEST else known.__wrapped__)(code, day)


def _place(name: str) -> Place:
    """Where a key stands."""
    place = getattr(name, "place", None)
    return place if isinstance(place, Place) else Place("-")
