"""Which types a path comes to, and whether the elements that it names are there: known before any resource is.

What can't be known from the definitions alone (what a reference leads to, what is contained, a resource of which only
the name is known) is anything, and nothing is said of what follows it. A path is read with the definitions of R4, R4B
and R5 at once, and an element is wrong where none of them has it: a mapping may read several versions.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from casecart.formats.fhir.definitions import VERSIONS, definitions
from casecart.formats.fhir.path.mistake import FhirPathError
from casecart.formats.fhir.path.names import RESOURCES
from casecart.formats.fhir.path.syntax import Binary, Call, Index, Opaque, TypeTest, Variable, parse
from casecart.formats.fhir.path.syntax import Member as Element
from casecart.formats.fhir.primitive import PRIMITIVES
from casecart.workspace.findings import did_you_mean, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from casecart.formats.fhir.definitions import Member
    from casecart.formats.fhir.path.syntax import Node

__all__ = ["ANYTHING", "Kind", "Kinds", "kinds_of", "resource_kinds"]


class Kind(NamedTuple):
    """A type of one version: 4.0.1 and `Procedure.focalDevice`, or `dateTime`."""

    version: str
    name: str


Kinds: TypeAlias = "frozenset[Kind] | None"
"""What the items of a collection may be; None: anything."""

ANYTHING: Final[Kinds] = None

_THEMSELVES: Final = frozenset(
    {"where", "first", "last", "tail", "skip", "take", "single", "distinct", "exclude", "intersect"}
)
"""Functions that give some of the items that they are asked of."""
_OF_EACH: Final = frozenset({"where", "select", "all", "exists", "repeat"})
"""Functions whose argument is asked of each item."""
_OF_ALL: Final = frozenset({"id", "extension", "value"})
"""What a primitive value has."""
_NO_ELEMENT: Final = re.compile("resourceType|[A-Z_].*")
"""Names that are no element's own: of JSON, and of types such as DomainResource."""
_MOST: Final = 4
"""Types that a finding names."""


def resource_kinds(name: str) -> Kinds:
    """A resource's type in every version that has it; anything, where its elements are known of none."""
    return _known(Kind(version, name) for version in VERSIONS.values())


def kinds_of(
    text: str, this: Kinds, resource: Kinds, bound: Mapping[str, Kinds], wrong: list[FhirPathError] | None = None
) -> Kinds:
    """What a path comes to.

    Args:
        text: the path.
        this: what it is asked of.
        resource: the resource that this stands in.
        bound: what the variables are that a caller gives.
        wrong: gets the elements that no version has.

    Raises:
        FhirPathError: the text is no path.
    """
    given = {**bound, "resource": resource, "context": this}
    return _Reader(given, [] if wrong is None else wrong).of(parse(text), this)


def _known(kinds: Iterable[Kind]) -> Kinds:
    """The types that a version has elements of; a resource of which only the name is known may be anything."""
    found = set()
    for kind in kinds:
        if kind.name in definitions(kind.version):
            found.add(kind)
        elif kind.name in definitions(kind.version).resources:
            return ANYTHING
    return frozenset(found) or ANYTHING


class _Reader:
    """Goes through the tree of a path."""

    def __init__(self, given: Mapping[str, Kinds], wrong: list[FhirPathError]) -> None:
        self._given = given
        self._wrong = wrong

    def of(self, node: Node | None, this: Kinds) -> Kinds:
        """What a part of the path comes to, where `$this` is what is given."""
        if node is None:
            return this
        read = _READERS.get(type(node))
        return ANYTHING if read is None else read(self, node, this)

    def variable(self, node: Variable, this: Kinds) -> Kinds:
        """`$this`, the resource, or what the caller bound to a name."""
        return this if node.name == "$this" else self._given.get(node.name)

    def index(self, node: Index, this: Kinds) -> Kinds:
        """One of the items."""
        self.of(node.index, this)
        return self.of(node.source, this)

    def type_test(self, node: TypeTest, this: Kinds) -> Kinds:
        """Those of a type, or whether there are."""
        self.of(node.operand, this)
        return ANYTHING if node.how == "is" else _of_type(node.type)

    def binary(self, node: Binary, this: Kinds) -> Kinds:
        """Both of them, or a truth."""
        left, right = self.of(node.left, this), self.of(node.right, this)
        return _either(left, right) if node.operator == "|" else ANYTHING

    def opaque(self, node: Opaque, this: Kinds) -> Kinds:
        """What the library works out."""
        for part in node.parts:
            self.of(part, this)
        return ANYTHING

    def member(self, node: Element, this: Kinds) -> Kinds:
        """An element, which some version must have."""
        if node.source is None and node.name in RESOURCES:
            return resource_kinds(node.name)
        before = self.of(node.source, this)
        if before is None or _NO_ELEMENT.fullmatch(node.name):
            return ANYTHING
        found: set[Kind] = set()
        for kind in before:
            members = _members(kind)
            if members is None or (kind.name in PRIMITIVES and node.name in _OF_ALL):
                return ANYTHING
            types = {member.type for name, member in members.items() if node.name in (member.element, name)}
            found |= {Kind(kind.version, name) for name in types}
        if not found:
            self._wrong.append(_no_element(node, before))
        return frozenset(found) or ANYTHING

    def call(self, node: Call, this: Kinds) -> Kinds:
        """A function, of which mostly nothing can be known."""
        before = self.of(node.source, this)
        if node.name == "iif":
            inner = this if node.source is None else before
            answers = [self.of(argument, inner) for argument in node.arguments][1:]
            return _either(*answers)
        of_argument = before if node.name in _OF_EACH else ANYTHING
        given = [self.of(argument, of_argument) for argument in node.arguments]
        if node.name in _THEMSELVES:
            return before
        if node.name == "select":
            return given[0]
        if node.name == "extension":
            return _of_type("Extension")
        return ANYTHING


def _members(kind: Kind) -> Mapping[str, Member] | None:
    """What may stand in one of that type; None: anything."""
    if kind.name in PRIMITIVES:
        return {}
    defined = definitions(kind.version)
    return defined[kind.name].members if kind.name in defined else None


def _of_type(name: str) -> Kinds:
    return _known(Kind(version, name) for version in VERSIONS.values())


def _either(*several: Kinds) -> Kinds:
    known = [kinds for kinds in several if kinds is not None]
    return frozenset(chain.from_iterable(known)) if len(known) == len(several) else ANYTHING


def _no_element(node: Element, before: frozenset[Kind]) -> FhirPathError:
    """There is no such element, in any version."""
    what = " or ".join(sorted({kind.name for kind in before})[:_MOST])
    members = [member for kind in before for member in (_members(kind) or {}).items()]
    known = {word for name, member in members for word in (name, member.element)}
    message = f"FHIR has no {shown(node.name)} in {what}"
    return FhirPathError(node.column, "path-element", message, did_you_mean(node.name, known))


_READERS: Final[dict[type, Callable[[_Reader, Any, Kinds], Kinds]]] = {
    Variable: _Reader.variable,
    Element: _Reader.member,
    Call: _Reader.call,
    Index: _Reader.index,
    TypeTest: _Reader.type_test,
    Binary: _Reader.binary,
    Opaque: _Reader.opaque,
}
