"""A path's tree as the Python of one function.

The source is made of our own words; every name and text of the path is written by `repr`, so that nothing an analyst
wrote is executed. What we don't compile raises `NotCompiled`, and the library evaluates the path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from casecart.formats.fhir.path.names import CHOICES, DATA_TYPES, RESOURCES, VALUES
from casecart.formats.fhir.path.syntax import (
    Binary,
    Call,
    Empty,
    Index,
    Literal,
    Member,
    Opaque,
    TypeTest,
    Variable,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.formats.fhir.path.syntax import Node

__all__ = ["NotCompiled", "Writer"]

DEEPEST: Final = 8
"""Loops within loops: Python has room for twenty blocks."""

_COUNTED: Final = {"skip": "cut({0}, {1}, None)", "take": "cut({0}, 0, {1})"}
_PLAIN: Final = {
    "last": "last({0})",
    "single": "single({0})",
    "tail": "cut({0}, 1, None)",
    "count": "count({0})",
    "distinct": "distinct({0})",
}
_OF_TEXT: Final = frozenset(
    {"startsWith", "endsWith", "contains", "upper", "lower", "trim", "length", "replace", "split"}
)
_SEVERAL: Final = frozenset({"split"})
_METHODS: Final = {
    "startsWith": "{0}.startswith({1})",
    "endsWith": "{0}.endswith({1})",
    "contains": "{1} in {0}",
    "replace": "{0}.replace({1}, {2})",
    "split": "{0}.split({1})",
    "upper": "{0}.upper()",
    "lower": "{0}.lower()",
    "trim": "{0}.strip()",
}
"""What Python has for one text, where the arguments stand in the path."""


class NotCompiled(Exception):
    """A path has something that we don't compile; `what` says it for a person, and `column` where."""

    def __init__(self, what: str, column: int) -> None:
        super().__init__(what)
        self.what, self.column = what, column


class Value(NamedTuple):
    """What a part of the path has come to.

    Attributes:
        source: a Python name or constant.
        kind: `one` (None or an item), `bool` (None or a Boolean), or `many` (any collection).
        holder: the name of the resources that it is in.
    """

    source: str
    kind: str
    holder: str


class Writer:
    """Writes `path(this, scope)`; `lines` is its body, and `result` what it returns."""

    def __init__(self, tree: Node) -> None:
        self.lines: list[str] = []
        self._levels = 1
        self._locals = 0
        self._loops = 0
        self._this = Value("this", "one", "scope.resource")
        self.result = self._write(tree).source

    def _line(self, text: str) -> None:
        self.lines.append("    " * self._levels + text)

    def _name(self) -> str:
        self._locals += 1
        return f"v{self._locals}"

    def _let(self, source: str, kind: str, holder: str) -> Value:
        name = self._name()
        self._line(f"{name} = {source}")
        return Value(name, kind, holder)

    def _of_them(self, source: str, kind: str, before: Value) -> Value:
        """Some of the items: where these are resources, they are what their contained ones are in."""
        after = self._let(source, kind, before.holder)
        return after._replace(holder=after.source) if before.holder == before.source else after

    def _write(self, node: Node | None) -> Value:
        if node is None:
            return self._this
        return _WRITERS[type(node)](self, node)

    def literal(self, node: Literal) -> Value:
        """A constant; Decimal is among the function's names."""
        return Value(repr(node.value), "bool" if isinstance(node.value, bool) else "one", "scope.resource")

    def empty(self, _: Empty) -> Value:
        """Nothing."""
        return Value("None", "one", "scope.resource")

    def opaque(self, node: Opaque) -> Value:
        """What the library does."""
        raise NotCompiled(node.what, node.column)

    def variable(self, node: Variable) -> Value:
        """`$this`, the resource, or what the caller bound to a name."""
        if node.name == "$this":
            return self._this
        if node.name == "resource":
            return self._let("scope.resource", "one", "scope.resource")
        if node.name in ("context", "rootResource"):
            return self._let("scope.this" if node.name == "context" else "scope.root", "one", "scope.resource")
        if node.name == "ucum":
            return Value("'http://unitsofmeasure.org'", "one", "scope.resource")
        bound = self._let(f"scope.bound[{node.name!r}]", "many", "")
        name = bound.source
        holder = f"({name} if {name}.__class__ is dict and 'resourceType' in {name} else scope.resource)"
        return bound._replace(holder=holder)

    def member(self, node: Member) -> Value:
        """One look into a dict, where it is one."""
        if node.source is None and node.name in RESOURCES:
            found = self._let(f"of_type({self._this.source}, {node.name!r})", self._this.kind, "")
            return found._replace(holder=found.source)
        before = self._write(node.source)
        after = self._look(before, node.name)
        return after._replace(holder=after.source) if node.name in ("resource", "contained") else after

    def _look(self, before: Value, name: str) -> Value:
        at = before.source
        otherwise = f"step({at}, {name!r})" if before.kind == "many" else "None"
        if name in CHOICES:
            return self._let(f"choose({at}, {name!r})", "many", before.holder)
        if before.kind == "bool" or not at.replace(".", "_").isidentifier():  # a constant has no elements
            return Value("None", "one", before.holder)
        return self._let(f"{at}.get({name!r}) if {at}.__class__ is dict else {otherwise}", "many", before.holder)

    def index(self, node: Index) -> Value:
        """`[0]`: a number that stands there."""
        if not isinstance(node.index, Literal) or type(node.index.value) is not int:
            raise NotCompiled("an index that is worked out", node.column)
        before = self._write(node.source)
        return self._of_them(f"at({before.source}, {node.index.value})", "one", before)

    def type_test(self, node: TypeTest) -> Value:
        """Of an element with a choice of types, which JSON's key tells, and of resources, which say their own."""
        if node.type in RESOURCES:
            before = self._write(node.operand)
            if node.how == "is":
                return self._let(f"is_type({before.source}, {node.type!r})", "bool", before.holder)
            asked = before if node.how == "ofType" else self._let(f"single({before.source})", "one", before.holder)
            found = self._let(f"of_type({asked.source}, {node.type!r})", asked.kind, asked.holder)
            return found._replace(holder=found.source)
        kind = node.type[0].upper() + node.type[1:]
        chosen = node.operand
        if kind in DATA_TYPES and isinstance(chosen, Member) and kind in VALUES.get(chosen.name, ()):
            found = self._look(self._write(chosen.source), f"{chosen.name}{kind}")
            if node.how == "as":
                return self._let(f"single({found.source})", "one", found.holder)
            if node.how == "ofType":
                return found
        raise NotCompiled(f"a type test of {node.type}", node.column)

    def binary(self, node: Binary) -> Value:
        """Comparison, membership, logic and union."""
        if node.operator in ("~", "!~"):
            raise NotCompiled(f"the operator {node.operator}", node.column)
        texts = _texts(node.right) if node.operator == "in" else None
        left = self._write(node.left)
        right = Value(repr(list(dict.fromkeys(texts))), "many", "") if texts else self._write(node.right)
        one, other, holder = left.source, right.source, left.holder
        if node.operator in ("|", "&"):
            union = node.operator == "|"
            source = f"{'union' if union else 'together'}({one}, {other})"
            return self._let(source, "many" if union else "one", holder)
        if node.operator in _LOGIC:
            one, other = self._truth(left), self._truth(right)
            return self._let(_LOGIC[node.operator].format(one, other), "bool", holder)
        if node.operator in ("<", ">", "<=", ">="):
            return self._let(f"compare({node.operator!r}, {one}, {other})", "bool", holder)
        if node.operator in ("in", "contains"):
            quick = "" if texts is None else f"{one} in {texts!r} if {one}.__class__ is str else "
            return self._let(
                f"{quick}{'among' if node.operator == 'in' else 'contains'}({one}, {other})", "bool", holder
            )
        function = "equal" if node.operator == "=" else "unequal"
        source = f"{function}({one}, {other})"
        if isinstance(node.right, Literal) and isinstance(node.right.value, str):
            sign = "==" if node.operator == "=" else "!="
            source = f"{one} {sign} {other} if {one}.__class__ is str else {source}"
        return self._let(source, "bool", holder)

    def _truth(self, value: Value) -> str:
        return value.source if value.kind == "bool" else self._let(f"truth({value.source})", "bool", "").source

    def call(self, node: Call) -> Value:
        """A function: by a way of its own, or by one of the operations."""
        special = _CALLS.get(node.name)
        if special is not None:
            return special(self, node)
        if node.name in _PLAIN:
            before = self._write(node.source)
            kind = "one" if node.name in ("last", "single", "count") else "many"
            return self._of_them(_PLAIN[node.name].format(before.source), kind, before)
        if node.name in _OF_TEXT:
            before = self._write(node.source)
            given = [self._write(argument).source for argument in node.arguments]
            source = f"of_text({', '.join([repr(node.name), before.source, *given])})"
            if node.name in _METHODS and all(_is_text(argument) for argument in node.arguments):
                quick = _METHODS[node.name].format(before.source, *given)
                source = f"{quick} if {before.source}.__class__ is str else {source}"
            return self._let(source, "many" if node.name in _SEVERAL else "one", before.holder)
        raise NotCompiled(f"{node.name}()", node.column)

    def first(self, node: Call) -> Value:
        """Mostly there is one, which is itself."""
        before = self._write(node.source)
        at = before.source
        return self._of_them(f"first({at}) if {at}.__class__ is list else {at}", "one", before)

    def exists(self, node: Call) -> Value:
        """Whether there is anything, or anything that meets a condition."""
        before = self.where(node) if node.arguments else self._write(node.source)
        return self._let(f"some({before.source})", "bool", before.holder)

    def nothing(self, node: Call) -> Value:
        """`empty()`."""
        before = self._write(node.source)
        return self._let(f"not some({before.source})", "bool", before.holder)

    def negated(self, node: Call) -> Value:
        """`not()`."""
        before = self._write(node.source)
        truth = self._truth(before)
        return self._let(f"None if {truth} is None else not {truth}", "bool", before.holder)

    def where(self, node: Call) -> Value:
        """The items that meet a condition."""
        return self._loop(node, "where")

    def select(self, node: Call) -> Value:
        """What an expression gives for each item."""
        return self._loop(node, "select")

    def every(self, node: Call) -> Value:
        """`all`: whether every item meets a condition."""
        return self._loop(node, "all")

    def _loop(self, node: Call, how: str) -> Value:
        if self._loops == DEEPEST:
            raise NotCompiled(f"{DEEPEST} conditions within one another", node.column)
        before, outer = self._write(node.source), self._this
        result, item = self._name(), self._name()
        self._line(f"{result} = {'True' if how == 'all' else '[]'}")
        self._line(f"for {item} in items({before.source}):")
        self._levels, self._loops = self._levels + 1, self._loops + 1
        # An item of a bundle's resources is itself what its contained ones are in.
        own = before.holder == before.source
        self._this = Value(item, "one", item if own else before.holder)
        inner = self._write(node.arguments[0])
        if how == "where":
            self._line(f"if {self._truth(inner)}: {result}.append({item})")
        elif how == "select":
            self._line(f"{result} += items({inner.source})")
        else:
            self._line(f"{result} = {result} and {self._truth(inner)} is True")
        self._levels, self._loops, self._this = self._levels - 1, self._loops - 1, outer
        if how == "all":
            return Value(result, "bool", before.holder)
        return Value(result, "many", result if own and how == "where" else before.holder)

    def iif(self, node: Call) -> Value:
        """One of two, and only that one is looked at."""
        before, outer = self._write(node.source), self._this
        if node.source is not None:
            self._this = before
        result = self._name()
        self._line(f"if {self._truth(self._write(node.arguments[0]))}:")
        for number, argument in enumerate(node.arguments[1:]):
            if number:
                self._line("else:")
            self._levels += 1
            self._line(f"{result} = {self._write(argument).source}")
            self._levels -= 1
        if len(node.arguments) < len(("condition", "then", "otherwise")):
            self._line(f"else: {result} = None")
        self._this = outer
        return Value(result, "many", before.holder)

    def counted(self, node: Call) -> Value:
        """`skip` and `take`, by a number that stands there."""
        number = node.arguments[0]
        if not isinstance(number, Literal) or type(number.value) is not int:
            raise NotCompiled(f"{node.name}() by a number that is worked out", node.column)
        before = self._write(node.source)
        return self._of_them(_COUNTED[node.name].format(before.source, number.value), "many", before)

    def substring(self, node: Call) -> Value:
        """By numbers that stand there."""
        numbers: list[int | None] = []
        for argument in node.arguments:
            if not isinstance(argument, Literal) or type(argument.value) is not int:
                raise NotCompiled("substring() by a number that is worked out", node.column)
            numbers.append(argument.value)
        before = self._write(node.source)
        begin, length = [*numbers, None][:2]
        return self._let(f"substring({before.source}, {begin}, {length})", "one", before.holder)

    def join(self, node: Call) -> Value:
        """By a text that stands there."""
        separator = node.arguments[0].value if node.arguments and isinstance(node.arguments[0], Literal) else None
        if node.arguments and not isinstance(separator, str):
            raise NotCompiled("join() by a text that is worked out", node.column)
        before = self._write(node.source)
        return self._let(f"join({before.source}, {separator or ''!r})", "one", before.holder)

    def decode(self, node: Call) -> Value:
        """From Base64 or hexadecimal digits."""
        coding = node.arguments[0]
        if not isinstance(coding, Literal) or coding.value not in ("base64", "hex"):
            raise NotCompiled("decode() of another coding", node.column)
        before = self._write(node.source)
        return self._let(f"decoded({before.source}, {coding.value!r})", "one", before.holder)

    def extension(self, node: Call) -> Value:
        """Also those of a primitive value, which JSON keeps beside it, under its name with an underscore."""
        url = node.arguments[0]
        if not isinstance(url, Literal) or not isinstance(url.value, str):
            raise NotCompiled("extension() by a URL that is worked out", node.column)
        element = node.source
        if not isinstance(element, Member) or (element.source is None and element.name in RESOURCES):
            before = self._write(element)
            return self._let(f"extension({before.source}, {url.value!r})", "many", before.holder)
        if element.name in CHOICES:
            raise NotCompiled(f"extension() of the choice of types {element.name}", node.column)
        parent = self._write(element.source)
        own, beside = self._look(parent, element.name), self._look(parent, f"_{element.name}")
        source = f"extension({own.source}, {url.value!r}) + extension({beside.source}, {url.value!r})"
        return self._let(source, "many", parent.holder)

    def resolve(self, node: Call) -> Value:
        """What a reference leads to, within the message."""
        before = self._write(node.source)
        found = self._let(f"resolve({before.source}, scope, {before.holder or 'scope.resource'})", "many", "")
        return found._replace(holder=found.source)


def _is_text(node: Node) -> bool:
    """Whether a text stands there that is not empty."""
    return isinstance(node, Literal) and isinstance(node.value, str) and node.value != ""


def _texts(node: Node) -> tuple[str, ...] | None:
    """The texts of `'a' | 'b'`; None where it is anything else."""
    if isinstance(node, Literal):
        return (node.value,) if isinstance(node.value, str) else None
    if not isinstance(node, Binary) or node.operator != "|":
        return None
    left, right = _texts(node.left), _texts(node.right)
    return None if left is None or right is None else (*left, *right)


_LOGIC: Final = {
    "and": "False if {0} is False or {1} is False else None if {0} is None or {1} is None else True",
    "or": "True if {0} is True or {1} is True else None if {0} is None or {1} is None else False",
    "xor": "None if {0} is None or {1} is None else {0} is not {1}",
    "implies": "True if {0} is False or {1} is True else None if {0} is None or {1} is None else {1}",
}

_WRITERS: Final[dict[type, Callable[[Writer, Any], Value]]] = {
    Literal: Writer.literal,
    Empty: Writer.empty,
    Opaque: Writer.opaque,
    Variable: Writer.variable,
    Member: Writer.member,
    Index: Writer.index,
    TypeTest: Writer.type_test,
    Binary: Writer.binary,
    Call: Writer.call,
}

_CALLS: Final[dict[str, Callable[[Writer, Call], Value]]] = {
    "first": Writer.first,
    "exists": Writer.exists,
    "empty": Writer.nothing,
    "not": Writer.negated,
    "where": Writer.where,
    "select": Writer.select,
    "all": Writer.every,
    "iif": Writer.iif,
    "skip": Writer.counted,
    "take": Writer.counted,
    "substring": Writer.substring,
    "join": Writer.join,
    "decode": Writer.decode,
    "extension": Writer.extension,
    "resolve": Writer.resolve,
}
