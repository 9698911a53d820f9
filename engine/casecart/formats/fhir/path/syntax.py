"""The grammar of FHIRPath (http://hl7.org/fhirpath/N1): the text that an analyst writes, as a small tree.

All of the language is read, whether we compile it or not, so that a mistake is told with its column.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final, NoReturn

from casecart.formats.fhir.path.mistake import FhirPathError
from casecart.formats.fhir.path.names import ARGUMENTS, NOT_PURE
from casecart.formats.fhir.path.token import Token, tokens
from casecart.workspace.findings import did_you_mean, listed

__all__ = ["Binary", "Call", "Empty", "Index", "Literal", "Member", "Node", "Opaque", "TypeTest", "Variable", "parse"]


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the path itself."""

    value: str | int | bool | Decimal
    column: int


@dataclass(frozen=True, slots=True)
class Empty:
    """`{}`."""

    column: int


@dataclass(frozen=True, slots=True)
class Opaque:
    """What we read and leave to the library: a date, a quantity, `$index`, arithmetic. `what` names it for a person."""

    what: str
    column: int
    parts: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """`%name`; `$this` is the variable of that name."""

    name: str
    column: int


@dataclass(frozen=True, slots=True)
class Member:
    """An element of what `source` gives; without a source, of `$this`."""

    source: Node | None
    name: str
    column: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function."""

    source: Node | None
    name: str
    arguments: tuple[Node, ...]
    column: int


@dataclass(frozen=True, slots=True)
class Index:
    """`source[index]`; counted from 0."""

    source: Node
    index: Node
    column: int


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands."""

    operator: str
    left: Node
    right: Node
    column: int


@dataclass(frozen=True, slots=True)
class TypeTest:
    """`operand is Type`, `operand as Type`, and the functions `is`, `as` and `ofType`; `type` without `FHIR.`."""

    how: str
    operand: Node | None
    type: str
    column: int


Node = Literal | Empty | Opaque | Variable | Member | Call | Index | Binary | TypeTest

_WEAKEST_FIRST: Final = (
    ("implies",),
    ("or", "xor"),
    ("and",),
    ("in", "contains"),
    ("=", "~", "!=", "!~"),
    ("<=", "<", ">", ">="),
    ("|",),
    ("is", "as"),
    ("+", "-", "&"),
    ("*", "/", "div", "mod"),
)
_STRENGTH: Final = {operator: strength for strength, group in enumerate(_WEAKEST_FIRST) for operator in group}
_WORDS: Final = frozenset(operator for operator in _STRENGTH if operator.isalpha())
# These words may be names of elements too.
_NAMES: Final = frozenset({"as", "is", "contains", "in"})
_ARITHMETIC: Final = frozenset({"+", "-", "*", "/", "div", "mod"})
_UNITS: Final = frozenset(
    f"{unit}{plural}"
    for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for plural in ("", "s")
)
DEEPEST: Final = 40
"""Levels of brackets and of what follows them."""


@lru_cache(maxsize=4096)  # a path is looked at from several sides: its syntax, its elements, what it becomes
def parse(text: str) -> Node:
    """The tree of a path.

    Raises:
        FhirPathError: the text is no FHIRPath, or calls a function that FHIRPath doesn't have.
    """
    parser = _Parser(tokens(text))
    if parser.next.kind == "end":
        parser.fail("path-empty", "the path is empty: write one, as in code.coding.code")
    node = parser.expression(0)
    if parser.next.kind != "end":
        parser.fail("path-trailing", f"the path is complete before this {parser.next.text!r}: remove what follows")
    return node


class _Parser:
    """A position in the tokens, and what may stand there."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._position = 0
        self._depth = 0
        self.next = found[0]

    def fail(self, code: str, message: str, token: Token | None = None, suggestion: str | None = None) -> NoReturn:
        raise FhirPathError((token or self.next).column, code, message, suggestion)

    def take(self) -> Token:
        token = self.next
        self._position += 1
        self.next = self._tokens[self._position]
        return token

    def take_text(self, text: str) -> bool:
        if self.next.text != text or self.next.kind not in ("operator", "name"):
            return False
        self.take()
        return True

    def expect(self, text: str, opened: Token) -> None:
        if not self.take_text(text):
            self.fail("path-bracket", f"a {text} is missing for the {opened.text} at column {opened.column}")

    def expression(self, weakest: int) -> Node:
        """Operators of this strength or more."""
        self._depth += 1
        if self._depth > DEEPEST:
            self.fail("path-depth", f"a path is nested {DEEPEST} levels at most")
        node = self.unary()
        while (strength := self._strength()) is not None and strength >= weakest:
            operator = self.take()
            if operator.text in ("is", "as"):
                node = TypeTest(operator.text, node, self.type_name(), operator.column)
                continue
            right = self.expression(strength + 1)
            if operator.text in _ARITHMETIC:
                node = Opaque(f"arithmetic ({operator.text})", operator.column, (node, right))
            else:
                node = Binary(operator.text, node, right, operator.column)
        self._depth -= 1
        return node

    def _strength(self) -> int | None:
        return _STRENGTH.get(self.next.text) if self.next.kind in ("operator", "name") else None

    def unary(self) -> Node:
        if self.next.kind == "operator" and self.next.text in "+-":
            sign = self.take()
            if self.next.text in ("+", "-"):
                self.fail("path-name", "one sign is enough")
            operand = self.unary()
            if isinstance(operand, Literal) and type(operand.value) in (int, Decimal):
                return Literal(-operand.value if sign.text == "-" else operand.value, sign.column)  # type: ignore[operator]  # a number
            return Opaque("a sign", sign.column, (operand,))
        return self.path()

    def path(self) -> Node:
        """A term, and what follows it by `.` and `[`."""
        node = self.term()
        while True:
            if self.take_text("."):
                node = self.invocation(node)
            elif self.next.kind == "operator" and self.next.text == "[":
                opened = self.take()
                if self.next.text == "]":
                    self.fail("path-index", "the brackets are empty: write a number, counted from 0, as in [0]")
                index = self.expression(0)
                self.expect("]", opened)
                node = Index(node, index, opened.column)
            else:
                return node

    def term(self) -> Node:
        token = self.next
        if token.kind == "operator" and token.text == "(":
            self.take()
            node = self.expression(0)
            self.expect(")", token)
            return node
        if token.kind == "operator" and token.text == "{":
            self.take()
            self.expect("}", token)
            return Empty(token.column)
        literal = self.literal()
        if literal is not None:
            return literal
        if token.kind == "variable":
            self.take()
            return Variable(token.text, token.column)
        return self.invocation(None)

    def literal(self) -> Node | None:
        token = self.next
        if token.kind == "string":
            return Literal(self.take().text, token.column)
        if token.kind == "name" and token.text in ("true", "false"):
            return Literal(self.take().text == "true", token.column)
        if token.kind == "time":
            return Opaque(f"the date or time {self.take().text}", token.column)
        if token.kind != "number":
            return None
        self.take()
        if self.next.kind == "string" or (self.next.kind == "name" and self.next.text in _UNITS):
            self.take()
            return Opaque("a quantity with its unit", token.column)
        return Literal(Decimal(token.text) if "." in token.text else int(token.text), token.column)

    def invocation(self, source: Node | None) -> Node:
        token = self.next
        if token.kind == "special":
            self.take()
            if token.text not in ("$this", "$index", "$total"):
                known = ("$this", "$index", "$total")
                message = f"there is no {token.text}; there is {listed(known)}"
                self.fail("path-name", message, token, did_you_mean(token.text, known))
            return Variable(token.text, token.column) if token.text == "$this" else Opaque(token.text, token.column)
        if token.kind not in ("name", "quoted") or (token.text in _WORDS - _NAMES and token.kind == "name"):
            if token.kind == "end":
                self.fail("path-end", "the path ends here, and something must follow")
            self.fail("path-name", f"here stands the name of an element or a function, and not {token.text!r}")
        self.take()
        if self.next.kind == "operator" and self.next.text == "(" and token.kind == "name":
            return self.call(source, token)
        return Member(source, token.text, token.column)

    def call(self, source: Node | None, name: Token) -> Node:
        if name.text not in ARGUMENTS:
            message = f"FHIRPath has no function {name.text}()"
            self.fail("path-function", message, name, did_you_mean(name.text, ARGUMENTS))
        if name.text in NOT_PURE:
            self.fail("path-function", f"{name.text}() {NOT_PURE[name.text]}", name)
        opened = self.take()
        if name.text in ("is", "as", "ofType"):
            node: Node = TypeTest(name.text, source, self.type_name(), name.column)
            self.expect(")", opened)
            return node
        arguments: list[Node] = []
        if self.next.text != ")" or self.next.kind != "operator":
            arguments.append(self.expression(0))
            while self.take_text(","):
                arguments.append(self.expression(0))
        self.expect(")", opened)
        least, most = ARGUMENTS[name.text]
        if not least <= len(arguments) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            self.fail("path-arguments", f"{name.text}() takes {wanted} arguments, and here are {len(arguments)}", name)
        return Call(source, name.text, tuple(arguments), name.column)

    def type_name(self) -> str:
        """A type, as `Quantity` or `FHIR.Quantity`; that of the System keeps its name space."""
        if self.next.kind not in ("name", "quoted"):
            self.fail("path-type", "here stands the name of a type, as Quantity or Device")
        name = self.take().text
        while self.take_text("."):
            if self.next.kind not in ("name", "quoted"):
                self.fail("path-type", "here stands the name of a type, as Quantity or Device")
            name = f"{name}.{self.take().text}"
        return name.removeprefix("FHIR.")
