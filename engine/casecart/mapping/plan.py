"""A mapping, checked and made ready: fields with parsed paths, typed constants and tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    import msgspec

    from casecart.formats.fhir.path import FhirPath
    from casecart.formats.hl7v2.path import Field, Path
    from casecart.mapping.expression import Expression
    from casecart.mapping.udi import Piece
    from casecart.mapping.value import ValueType

__all__ = ["Codes", "FhirLines", "FieldPlan", "Hl7Lines", "Plan"]


@dataclass(frozen=True, slots=True)
class Codes:
    """A code table whose values are read.

    Attributes:
        name: of the table.
        values: of the codes that have a row of their own which always holds.
        default: of every other code; None: an unknown code is a problem.
        possible: every value that a row gives.
        special: what a code has on a day, where that depends on the day, or rows are for several codes; else None.
    """

    name: str
    values: Mapping[str, object]
    default: object
    possible: frozenset[object]
    special: Callable[[str, date], object] | None = None

    def value(self, code: str, day: date) -> object:
        """What a code is on a day; None: the table has no row for it."""
        return self.values.get(code, self.default) if self.special is None else self.special(code, day)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlan:
    """A field of the document.

    Attributes:
        name: of the field.
        order: its number in the mapping.
        way: how `paths` are used: the first that has a value, all of them, put together, or none for a constant.
        paths: with aliases resolved to their segments; or pieces of another field's code.
        type: how the text is read.
        allowed: the only texts that the document's field may have, if they are few.
        codes: the table that the text goes through first.
        token: the kind of identifier that a token stands for.
        required: nothing found is a problem; else it is `constant`, and None is nothing.
        constant: the value of way `value`, or the default.
        sign: what a quantity's sign means.
    """

    name: str
    order: int
    way: Literal["path", "agree", "join", "value"]
    paths: tuple[Path | FhirPath | Piece, ...] = ()
    type: ValueType = "text"
    allowed: frozenset[str] | None = None
    codes: Codes | None = None
    token: str | None = None
    required: bool = False
    constant: object = None
    sign: Literal["by-action", "by-quantity"] | None = None

    @property
    def place(self) -> str:
        """The paths, for a person."""
        return ", ".join(map(str, self.paths))

    @property
    def known_values(self) -> frozenset[str] | None:
        """All texts that the field can have before its sign, if they are known; None if they are not."""
        if self.way != "value" and self.codes is None:
            return None
        values = {self.constant}
        if self.codes is not None:
            values |= self.codes.possible
        return frozenset(value for value in values if isinstance(value, str))


@dataclass(frozen=True, slots=True)
class Hl7Lines:
    """What makes the lines of an HL7 v2 message: the segment of each, and the field by which several are one."""

    each: str
    grouped_by: Field | None


@dataclass(frozen=True, slots=True)
class FhirLines:
    """What makes the lines of FHIR resources.

    Attributes:
        resource: the type of those that have lines.
        each: gives the lines of one.
        below: what of its path stands behind the resource's type, as `.focalDevice`; lines are called by it.
        bind: asked of each line, in this order; each may use those before it.
        led: those of them that are what references lead to; a line of which one leads to nothing is held.
        takes_back: asked of a resource, whether it names all of its lines; None: no version takes anything back.
        once: of one line of the document a message speaks once: each word stands over the one before.
        validate: how resources are looked at before they are read: fast, strict or none.
        version: the mapping's, as 4.0.1.
    """

    resource: str
    each: FhirPath
    below: str
    bind: tuple[tuple[str, FhirPath], ...]
    once: bool
    validate: str = "none"
    version: str = "4.0.1"
    takes_back: FhirPath | None = None
    led: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """A mapping, checked."""

    name: str
    lines: Hl7Lines | FhirLines
    fields: tuple[FieldPlan, ...]
    where: Expression | None
    document: type[msgspec.Struct]
    nulls: bool
    """Whether `""` in the message, which deletes, is told apart from nothing: it is an empty text then."""
    given: tuple[str, ...]
    """Fields that the engine sets where the document has them."""
