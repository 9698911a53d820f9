"""A path as straight Python, for resources of the usual shape: of each element that is a list there is one, or none.

Such a value never becomes a collection, and nothing is asked of it that Python asks by itself: a step is a look into a
dict, and where a resource has another shape (a second coding, a text where an object should be, a null) Python raises
one of `UNUSUAL`. Then what is written here has no answer, and the general way of the path (`writer`) gives it. So this
may give up wherever it likes, and must never give what the general way would not.

Nothing an analyst wrote is executed: every name and text of the path is written by `repr`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from casecart.formats.fhir.path.mistake import PathFailed
from casecart.formats.fhir.path.names import CHOICES, DATA_TYPES, RESOURCES, VALUES
from casecart.formats.fhir.path.operate import OPERATIONS
from casecart.formats.fhir.path.shape import (
    PICKS,
    NotUsual,
    always_list,
    as_set,
    hangs,
    literals,
    occurs,
    operands,
    quoted,
    stays,
    text_in,
)
from casecart.formats.fhir.path.syntax import Binary, Call, Empty, Index, Literal, Member, TypeTest, Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from casecart.formats.fhir.path.syntax import Node

__all__ = ["STRAIGHT", "UNUSUAL", "Roots", "Straight", "straight"]

UNUSUAL: Final = (AttributeError, TypeError, ValueError, LookupError, PathFailed)
"""What Python raises where a resource has another shape; whether a path has no answer is the general way's to say."""

STRAIGHT: Final[Mapping[str, object]] = {
    **{name: OPERATIONS[name] for name in ("choose", "decoded", "first", "last", "single", "some", "together")},
    "EMPTY": {},
    "ONE_EMPTY": [{}],
    "UNUSUAL": UNUSUAL,
}
"""What the Python needs, by its names."""


class Roots(NamedTuple):
    """The names that the surrounding Python has for what a path may begin with.

    Attributes:
        this: what it is asked of.
        context: the same, as `%context`.
        resource: what that stands in.
        bound: by variable, that of a dict (an empty one stands for nothing), or of anything else where it is none.
        find: what leads from a reference to the resource that is meant; empty: references are for the general way.
        missed: gets the References that lead to nothing here; empty: nobody asks.
        prefix: of the names that are made up here.
    """

    this: str
    context: str
    resource: str
    bound: Mapping[str, str] = MappingProxyType({})
    find: str = ""
    missed: str = ""
    prefix: str = "v"


class Straight(NamedTuple):
    """Python that gives a collection as `FhirPath.function` does, or raises one of `UNUSUAL`.

    Attributes:
        lines: to be executed first.
        result: the expression of what it gives.
    """

    lines: list[str]
    result: str


def straight(tree: Node, roots: Roots) -> Straight | None:
    """The Python of a path; None: something in it is for the general way only."""
    writer = _Writer(roots)
    try:
        result = writer.item(tree)
    except NotUsual:
        return None
    return Straight(writer.lines, result)


_FROM_LIST: Final = {"first": "[0]", "last": "[-1]"}
_OF_TEXT: Final = {"upper": "{0}.upper()", "lower": "{0}.lower()", "trim": "{0}.strip()"}
_BY_TEXT: Final = {
    "replace": "{0}.replace({1}, {2})",
    "startsWith": "{0}.startswith({1})",
    "endsWith": "{0}.endswith({1})",
    "contains": "{0}.find({1}) >= 0",
}
_TESTS: Final = frozenset({"startsWith", "endsWith"})


class _Writer:
    """Writes lines; what a method gives is an expression, of which those that stand in several places are names."""

    def __init__(self, roots: Roots) -> None:
        self.lines: list[str] = []
        self._roots = roots
        self._this = roots.this
        self._level = self._names = 0

    def _line(self, text: str) -> None:
        self.lines.append("    " * self._level + text)

    def _name(self) -> str:
        self._names += 1
        return f"{self._roots.prefix}{self._names}"

    def _let(self, source: str) -> str:
        if source.isidentifier():
            return source
        name = self._name()
        self._line(f"{name} = {source}")
        return name

    # What is asked for its elements: a dict, of which an empty one stands for nothing.

    def _object(self, node: Node | None) -> str:
        if node is None:
            return self._this
        write = _OBJECTS.get(type(node))
        if write is None:
            raise NotUsual
        return write(self, node)

    def root(self, node: Variable) -> str:
        """A variable whose elements are asked for."""
        if node.name == "$this":
            return self._this
        if node.name in ("context", "resource"):
            return self._roots.context if node.name == "context" else self._roots.resource
        if node.name in self._roots.bound:
            return self._roots.bound[node.name]
        raise NotUsual

    def step(self, node: Member) -> str:
        """An element that has elements."""
        if node.source is None and node.name in RESOURCES:
            this = self._this
            return self._let(f"{this} if {this}.get('resourceType') == {node.name!r} else EMPTY")
        before = self._object(node.source)
        if node.name in CHOICES:
            chosen = self._chosen(before, node.name)
            self._line(f"if {chosen}.__class__ is list: [{chosen}] = {chosen}")
            return self._let(f"EMPTY if {chosen} is None else {chosen}")
        return self._stepped(before, node.name)

    def _chosen(self, before: str, name: str) -> str:
        """An element that may have a choice of types, or just this name."""
        owner, found = self._let(before), self._name()
        self._line(f"{found} = {owner}.get({name!r})")
        self._line(f"if {found} is None: {found} = choose({owner}, {name!r})")
        return found

    def _stepped(self, before: str, name: str) -> str:
        times = occurs(name)
        if times == "many":
            found = self._name()
            self._line(f"[{found}] = {before}.get({name!r}, ONE_EMPTY)")
            return found
        if times == "one":
            return f"{before}.get({name!r}, EMPTY)"
        found = self._let(f"{before}.get({name!r}, EMPTY)")
        self._line(f"if {found}.__class__ is list: [{found}] = {found}")
        return found

    def of_type(self, node: TypeTest) -> str:
        """`performed.ofType(Period)`: JSON's key tells the type."""
        element, name = self._choice(node)
        return self._stepped(self._object(element.source), name)

    @staticmethod
    def _choice(node: TypeTest) -> tuple[Member, str]:
        kind, chosen = node.type[0].upper() + node.type[1:], node.operand
        if node.how != "ofType" or kind not in DATA_TYPES or not isinstance(chosen, Member):
            raise NotUsual
        if kind not in VALUES.get(chosen.name, ()):
            raise NotUsual
        return chosen, f"{chosen.name}{kind}"

    def picked(self, node: Call) -> str:
        """Some of the elements, of which there is one at most; or what a reference leads to."""
        if node.name == "resolve":
            found = self._let(self._resolved(node))
            return self._let(f"EMPTY if {found} is None else {found}")
        if node.name == "where":
            before = self._let(self._object(node.source))
            return self._let(f"{before} if {self._within(before, node.arguments[0])} else EMPTY")
        if node.name in _FROM_LIST and always_list(node.source):
            return self._at_end(node.source, _FROM_LIST[node.name])
        if node.name in PICKS:
            return self._object(node.source)
        raise NotUsual

    def _at_end(self, node: Any, end: str) -> str:  # noqa: ANN401 - a member, which `always_list` has seen
        return self._let(f"{self._object(node.source)}.get({node.name!r}, ONE_EMPTY){end}")

    def numbered(self, node: Index) -> str:
        """`coding[0]`."""
        if not isinstance(node.index, Literal) or node.index.value != 0 or not always_list(node.source):
            raise NotUsual
        return self._at_end(node.source, "[0]")

    def _within(self, this: str, condition: Node) -> str:
        """A condition, asked of an item."""
        outer, self._this = self._this, this
        written = self._condition(condition)
        self._this = outer
        return written

    # What is a value: any collection, as `operate` has it; None is nothing.

    def item(self, node: Node | None) -> str:
        """What a part of the path gives."""
        if node is None:
            return self._this
        write = _ITEMS.get(type(node))
        if write is None:
            raise NotUsual
        return write(self, node)

    def _kept(self, node: Node | None) -> str:
        """The same, by a name."""
        return self._let(self.item(node))

    def literal(self, node: Literal) -> str:
        """A text that stands there."""
        if not isinstance(node.value, str):
            raise NotUsual
        return repr(node.value)

    def nothing(self, _: Empty) -> str:
        """`{}`."""
        return "None"

    def variable(self, node: Variable) -> str:
        """`$this`, where it is a value: what is bound by itself is for the general way, which knows nothing from {}."""
        if node.name != "$this":
            raise NotUsual
        return self._this

    def member(self, node: Member) -> str:
        """The element that a path ends with."""
        if node.source is None and node.name in RESOURCES:
            raise NotUsual
        before = self._object(node.source)
        if node.name in CHOICES:
            return self._chosen(before, node.name)
        return f"{before}.get({node.name!r})"

    def chosen(self, node: TypeTest) -> str:
        """The same of an element with a choice of types."""
        element, name = self._choice(node)
        return f"{self._object(element.source)}.get({name!r})"

    def binary(self, node: Binary) -> str:
        """`=` and `in`, of a text that stands there, and `&`."""
        if node.operator == "&":
            left, right = self._kept(node.left), self._kept(node.right)
            return f"together({left}, {right})"
        if node.operator not in ("=", "in"):
            raise NotUsual
        asked = self._kept(node.left)
        return f"None if {asked} is None else {asked} in {literals(node)}"

    def call(self, node: Call) -> str:
        """A function of a value."""
        write = _CALLS.get(node.name)
        if write is None:
            raise NotUsual
        return write(self, node)

    def only(self, node: Call) -> str:
        """`first()`, `last()` and `single()`: of the parts of a text, of a union, or of what is one as a rule."""
        source = node.source
        if isinstance(source, Call) and source.name == "split" and node.name in _FROM_LIST:
            text, separator = self._kept(source.source), quoted(source.arguments[0])
            return f"None if {text} is None else {text}.split({separator}){_FROM_LIST[node.name]}"
        if isinstance(source, Binary) and source.operator == "|" and node.name == "first":
            return self._first_of(source)
        before = self._kept(source)
        return f"{node.name}({before}) if {before}.__class__ is list else {before}"

    def _first_of(self, node: Binary) -> str:
        """The first of two; both are looked at, because either may have no answer."""
        left, right = (
            self._let(f"first({each}) if {each}.__class__ is list else {each}")
            for each in (self._kept(node.left), self._kept(node.right))
        )
        return f"{right} if {left} is None else {left}"

    def where(self, node: Call) -> str:
        """A value that meets a condition."""
        before = self._kept(node.source)
        if isinstance(node.source, Member | TypeTest) and before != self._this:
            return f"{before} if {before} is not None and ({self._within(before, node.arguments[0])}) else None"
        raise NotUsual

    def select(self, node: Call) -> str:
        """Of one item or none, what comes of it; of nothing comes nothing only where every part hangs on the item."""
        if not hangs(node.arguments[0]):
            raise NotUsual
        outer, self._this = self._this, self._let(self._object(node.source))
        found = self.item(node.arguments[0])
        self._this = outer
        return found

    def iif(self, node: Call) -> str:
        """One of two, and only that one is looked at."""
        if node.source is not None:
            raise NotUsual
        result = self._name()
        self._line(f"if {self._condition(node.arguments[0])}:")
        for number, argument in enumerate((*node.arguments[1:], Empty(0))[:2]):
            if number:
                self._line("else:")
            self._level += 1
            self._line(f"{result} = {self.item(argument)}")
            self._level -= 1
        return result

    def decode(self, node: Call) -> str:
        """Mostly there is nothing to decode."""
        coding = node.arguments[0]
        if not isinstance(coding, Literal) or coding.value not in ("base64", "hex"):
            raise NotUsual
        before = self._kept(node.source)
        return f"None if {before} is None else decoded({before}, {coding.value!r})"

    def of_text(self, node: Call) -> str:
        """A function of a text, by texts that stand there."""
        before = self._kept(node.source)
        if node.name in _OF_TEXT:
            return f"None if {before} is None else {_OF_TEXT[node.name].format(before)}"
        given = [quoted(argument) for argument in node.arguments]
        return f"None if {before} is None else {_BY_TEXT[node.name].format(before, *given)}"

    def resolve(self, node: Call) -> str:
        """The resource that a reference leads to."""
        return self._resolved(node)

    def _resolved(self, node: Call) -> str:
        if not self._roots.find:
            raise NotUsual
        holder = self._let(self._object(node.source))
        reference, found = self._let(f"{holder}.get('reference')"), self._name()
        # A resource that a contained reference stands in is known here as long as no other one has been gone to.
        if not stays(node.source):
            raise NotUsual
        self._line(
            f"{found} = None if {reference} is None else {self._roots.find}({reference}, ({self._roots.resource},))"
        )
        if self._roots.missed:
            self._line(f"if {found} is None and {reference} is not None and {reference}.strip():")
            self._line(f"    {self._roots.missed}.append({holder})")
        return found

    # What is asked whether it is so.

    def _condition(self, node: Node, *, wanted: bool = True) -> str:
        """An expression that holds where the condition is what is wanted, true or false; else it may be neither."""
        if isinstance(node, Binary):
            return self._compared(node, wanted=wanted)
        if not isinstance(node, Call):
            raise NotUsual
        if node.name == "not" and node.source is not None:
            return self._condition(node.source, wanted=not wanted)
        if node.name in ("exists", "empty") and not node.arguments:
            asked = self._kept(node.source)
            there = "not " if (node.name == "exists") is not wanted else ""
            return f"{there}some({asked})" if there else f"{asked} is not None and some({asked})"
        if node.name in _TESTS:
            asked = self._kept(node.source)
            test = _BY_TEXT[node.name].format(asked, quoted(node.arguments[0]))
            return f"{asked} is not None and {'' if wanted else 'not '}{test}"
        raise NotUsual

    def _compared(self, node: Binary, *, wanted: bool) -> str:
        left = right = ""
        if node.operator in ("and", "or"):
            left, right = (f"({self._condition(each, wanted=wanted)})" for each in (node.left, node.right))
            together = (node.operator == "and") is wanted
            return f"{left} and {right}" if together else f"{left} or {right}"
        if node.operator == "contains":
            texts = as_set([text_in(node.right)])
            members = [f"{self._kept(each)} in {texts}" for each in operands(node.left)]
            return " or ".join(members) if wanted else f"not ({' or '.join(members)})"
        if node.operator not in ("=", "in"):
            raise NotUsual
        asked, texts = self._kept(node.left), literals(node)
        return f"{asked} in {texts}" if wanted else f"{asked} is not None and {asked} not in {texts}"


_OBJECTS: Final[dict[type, Callable[[_Writer, Any], str]]] = {
    Variable: _Writer.root,
    Member: _Writer.step,
    TypeTest: _Writer.of_type,
    Call: _Writer.picked,
    Index: _Writer.numbered,
}

_ITEMS: Final[dict[type, Callable[[_Writer, Any], str]]] = {
    Literal: _Writer.literal,
    Empty: _Writer.nothing,
    Variable: _Writer.variable,
    Member: _Writer.member,
    TypeTest: _Writer.chosen,
    Binary: _Writer.binary,
    Call: _Writer.call,
}

_CALLS: Final[dict[str, Callable[[_Writer, Call], str]]] = {
    **dict.fromkeys(PICKS, _Writer.only),
    **dict.fromkeys((*_OF_TEXT, *_BY_TEXT), _Writer.of_text),
    "where": _Writer.where,
    "select": _Writer.select,
    "iif": _Writer.iif,
    "decode": _Writer.decode,
    "resolve": _Writer.resolve,
}
