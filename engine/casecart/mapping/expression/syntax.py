"""The syntax of expressions: CEL's, as far as we have it, as a tree.

The grammar is CEL's own (cel-spec, "Grammar"), without maps, indexing, macros over lists, `/` and `%`, which either are
not total or have no meaning for the values of a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from casecart.mapping.expression.mistake import ExpressionError
from casecart.mapping.expression.tokens import Token, tokenize

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = [
    "Binary",
    "Call",
    "Choice",
    "Constant",
    "Items",
    "Logic",
    "Member",
    "Name",
    "Node",
    "Unary",
    "parse",
]

# Bounds for the tree, and so for the Python that comes from it (its parser takes 200 levels of brackets).
MOST_OPERATIONS: Final = 60
DEEPEST: Final = 24

_RELATIONS: Final = ("==", "!=", "<", "<=", ">", ">=")
_LEFT_OUT: Final = {
    "/": "there is no division, for it has no answer by zero: compare with a product instead",
    "%": "there is no remainder",
    "{": "there are no maps: compare with the values one by one",
    "[": "an item of a list can't be taken by its number: use in",
}


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal; `None` is `null`."""

    column: int
    value: str | int | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class Name:
    """A name of the scope."""

    column: int
    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """`of.name`; the column is the name's."""

    column: int
    of: Node
    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """`function(...)`, or `receiver.function(...)`; the column is the function's."""

    column: int
    function: str
    receiver: Node | None
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list literal."""

    column: int
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """`!` or `-` before an operand."""

    column: int
    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """A relation, `in`, or `+ - *`; the column is the operator's."""

    column: int
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Logic:
    """Operands joined by `&&`, or by `||`."""

    column: int
    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`condition ? yes : no`; the column is the question mark's."""

    column: int
    condition: Node
    yes: Node
    no: Node


Node = Constant | Name | Member | Call | Items | Unary | Binary | Logic | Choice


def parse(text: str) -> Node:
    """Reads an expression.

    Raises:
        ExpressionError: the text is none, or larger than we take.
    """
    parser = _Parser(tokenize(text))
    if parser.ended():
        raise ExpressionError.at(1, "empty", "the expression is empty")
    tree = parser.expression()
    if not parser.ended():
        raise parser.unexpected("an operator, or the end")
    return tree


class _Parser:
    """The tokens, where we are in them, and one method a level of the grammar."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.operations = 0
        self.depth = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def ended(self) -> bool:
        return self.token.kind == "end"

    def unexpected(self, wanted: str) -> ExpressionError:
        token = self.token
        if token.kind == "mark" and token.text in _LEFT_OUT:
            return ExpressionError.at(token.column, "left-out", _LEFT_OUT[token.text])
        found = "the end" if token.kind == "end" else repr(token.text)
        return ExpressionError.at(token.column, "syntax", f"{found} stands where {wanted} should be")

    def take(self, *texts: str) -> Token | None:
        """Goes past a mark, or the word `in`, if it is one of these."""
        token = self.token
        if token.text not in texts or token.kind not in ("mark", "name"):
            return None
        self.position += 1
        return token

    def need(self, text: str) -> None:
        if not self.take(text):
            raise self.unexpected(text)

    def counted(self, column: int) -> None:
        self.operations += 1
        if self.operations > MOST_OPERATIONS:
            raise ExpressionError.at(column, "too-long", f"an expression has at most {MOST_OPERATIONS} operations")

    def expression(self) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ExpressionError.at(self.token.column, "too-deep", f"brackets nest at most {DEEPEST} deep")
        condition = self.logic("||")
        question = self.take("?")
        if question is not None:
            self.counted(question.column)
            yes = self.logic("||")
            self.need(":")
            condition = Choice(question.column, condition, yes, self.expression())
        self.depth -= 1
        return condition

    def logic(self, operator: str) -> Node:
        operands = [self.logic("&&") if operator == "||" else self.relation()]
        column = self.token.column
        while self.take(operator):
            operands.append(self.logic("&&") if operator == "||" else self.relation())
        return operands[0] if len(operands) == 1 else Logic(column, operator, tuple(operands))

    def relation(self) -> Node:
        left = self.sum()
        while operator := self.take(*_RELATIONS, "in"):
            self.counted(operator.column)
            left = Binary(operator.column, operator.text, left, self.sum())
        return left

    def sum(self) -> Node:
        left = self.product()
        while operator := self.take("+", "-"):
            self.counted(operator.column)
            left = Binary(operator.column, operator.text, left, self.product())
        return left

    def product(self) -> Node:
        left = self.unary()
        while operator := self.take("*"):
            self.counted(operator.column)
            left = Binary(operator.column, operator.text, left, self.unary())
        return left

    def unary(self) -> Node:
        operators: list[Token] = []
        while operator := self.take("!", "-"):
            self.counted(operator.column)
            operators.append(operator)
        operand = self.member()
        for operator in reversed(operators):
            operand = Unary(operator.column, operator.text, operand)
        return operand

    def member(self) -> Node:
        found = self.primary()
        while self.take("."):
            name = self.token
            if name.kind != "name":
                raise self.unexpected("the name of a field or function")
            self.position += 1
            self.counted(name.column)
            if self.take("("):
                found = Call(name.column, name.text, found, self.several(")"))
            else:
                found = Member(name.column, found, name.text)
        return found

    def primary(self) -> Node:
        token = self.token
        if token.kind in ("text", "number"):
            self.position += 1
            return Constant(token.column, token.value)
        if token.kind == "name" and token.text != "in":
            self.position += 1
            if token.text in ("true", "false", "null"):
                return Constant(token.column, {"true": True, "false": False}.get(token.text))
            if self.take("("):
                self.counted(token.column)
                return Call(token.column, token.text, None, self.several(")"))
            return Name(token.column, token.text)
        if self.take("("):
            inner = self.expression()
            self.need(")")
            return inner
        if self.take("["):
            return Items(token.column, self.several("]"))
        raise self.unexpected("a name or a value")

    def several(self, close: str) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self.take(close):
            found.append(self.expression())
            if not self.take(","):
                self.need(close)
                break
            if close == ")" and self.token.text == ")":
                raise self.unexpected("one more argument")  # CEL lets a list end with a comma, and not a call
        return tuple(found)
