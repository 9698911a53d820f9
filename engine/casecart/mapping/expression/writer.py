"""Expressions as Python: types are checked and source is made in one walk over the tree.

Every operator has an answer for every value, also for a missing one (None):

- `==` and `!=` compare; a missing value equals another missing one, `null`, and nothing else.
- `<`, `<=`, `>`, `>=`, `in`, `contains` and the like are false with a missing value.
- `+ - *`, `-x` and `size` of a missing value are missing.
- where a condition is wanted (`!`, `&&`, `||`, `?:`, the whole), a missing bool is false.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import TYPE_CHECKING, Final

from casecart.mapping.expression.code import Code, misfit, never_equal, variable
from casecart.mapping.expression.mistake import Mistake
from casecart.mapping.expression.syntax import (
    Binary,
    Call,
    Choice,
    Constant,
    Items,
    Logic,
    Member,
    Name,
    Node,
    Unary,
)
from casecart.mapping.expression.types import (
    BOOL,
    DATE,
    DECIMAL,
    MISSING,
    TEXT,
    UNKNOWN,
    Kind,
    ListOf,
    Record,
    Type,
    joined,
)
from casecart.workspace.findings import did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Writer"]

# Sums and products of what a message can hold are exact in it; it raises nothing.
_EXACT: Final = Context(prec=10_000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])

_ARITHMETIC: Final = {
    "+": ("add", _EXACT.add),
    "-": ("subtract", _EXACT.subtract),
    "*": ("multiply", _EXACT.multiply),
}
_TESTS: Final = ("startsWith", "endsWith", "contains")
_FUNCTIONS: Final = ("has", "size", "date")
_ELSEWHERE: Final = {
    "matches": "patterns are left out, as the time they take has no bound: use startsWith, endsWith, contains or in",
    "timestamp": "write a day as date('2026-01-31')",
}


_WRONG: Final = Code(UNKNOWN, "None", missing=True, simple=True)


class Writer:
    """Writes Python for trees; collects mistakes, constants and the names used on the way."""

    def __init__(self, scope: Mapping[str, Type]) -> None:
        self.scope = scope
        self.mistakes: list[Mistake] = []
        self.constants: dict[str, object] = dict(_ARITHMETIC.values())
        self.constants["minus"] = _EXACT.minus
        self.names: set[str] = set()
        self._temporaries = 0

    def condition(self, node: Node) -> str:
        """The source of a tree that must be a condition, never None."""
        return self._truth(self.write(node), node.column, "the expression must be a condition")

    def write(self, node: Node) -> Code:  # noqa: PLR0911 - one return a kind of node
        """The source of any tree."""
        match node:
            case Constant():
                return self._constant(node.value)
            case Name():
                return self._name(node)
            case Member():
                return self._member(node)
            case Items():
                return self._items(node)
            case Logic():
                return self._logic(node)
            case Choice():
                return self._choice(node)
            case Unary():
                return self._not(node) if node.operator == "!" else self._minus(node)
            case Binary():
                return self._binary(node)
            case Call():
                return self._call(node)

    def wrong(self, column: int, code: str, message: str, suggestion: str | None = None) -> Code:
        """Notes a mistake; what stands there has no type then."""
        self.mistakes.append(Mistake(column, code, message, suggestion))
        return _WRONG

    def _constant(self, value: object) -> Code:
        if value is None:
            return Code(MISSING, "None", missing=True, simple=True)
        if isinstance(value, bool):
            return Code(BOOL, repr(value), simple=True, literal=value)
        if isinstance(value, str):
            return Code(Kind("text", frozenset({value})), repr(value), simple=True, literal=value)
        if isinstance(value, int):
            return Code(DECIMAL, f"({value})" if value < 0 else str(value), simple=True, literal=value)
        name = f"k_{len(self.constants)}"
        self.constants[name] = value
        return Code(DECIMAL if isinstance(value, Decimal) else DATE, name, simple=True, literal=value)

    def _name(self, node: Name) -> Code:
        known = self.scope.get(node.name)
        if known is None:
            message = f"{node.name} is not known here; known are {listed(self.scope)}"
            return self.wrong(node.column, "unknown-name", message, did_you_mean(node.name, self.scope))
        self.names.add(node.name)
        return Code(known, variable(node.name), missing=not isinstance(known, Record), simple=True)

    def _member(self, node: Member) -> Code:
        of = self.write(node.of)
        if of.type == UNKNOWN:
            return of
        if not isinstance(of.type, Record):
            return self.wrong(node.column, "type", f".{node.name} can't be taken of {of.type}")
        known = of.type.members.get(node.name)
        if known is None:
            message = f"{of.type} has no {node.name} that can be compared"
            return self.wrong(node.column, "unknown-name", message, did_you_mean(node.name, of.type.members))
        return Code(known, f"{of.source}.{node.name}", missing=not isinstance(known, Record))

    def _items(self, node: Items) -> Code:
        item: Type = UNKNOWN
        codes = [self.write(part) for part in node.items]
        for part, code in zip(node.items, codes, strict=True):
            both = joined(item, code.type)
            if both is None or isinstance(code.type, Record):
                return self.wrong(part.column, "type", f"the list holds {item}, and this is {code.type}")
            item = both
        sources = "".join(f"{code.source}, " for code in codes)
        literal = tuple(code.literal for code in codes) if all(code.literal is not None for code in codes) else None
        return Code(ListOf(item), f"({sources})", simple=literal is not None, literal=literal)

    def _logic(self, node: Logic) -> Code:
        message = f"{node.operator} joins conditions"
        parts = [self._truth(self.write(part), part.column, message) for part in node.operands]
        return Code(BOOL, f"({(' and ' if node.operator == '&&' else ' or ').join(parts)})")

    def _truth(self, code: Code, column: int, why: str) -> str:
        if code.type not in (BOOL, UNKNOWN):
            self.wrong(column, "type", f"{why}, and this is {code.type}")
        return f"({code.source} is True)" if code.missing else code.source

    def _not(self, node: Unary) -> Code:
        operand = self._truth(self.write(node.operand), node.operand.column, "! negates a condition")
        return Code(BOOL, f"(not {operand})")

    def _choice(self, node: Choice) -> Code:
        condition = self._truth(self.write(node.condition), node.condition.column, "before ? stands a condition")
        yes, no = self.write(node.yes), self.write(node.no)
        both = joined(yes.type, no.type)
        if both is None or isinstance(both, Record):
            return self.wrong(node.column, "type", f"one answer is {yes.type}, the other {no.type}")
        return Code(both, f"({yes.source} if {condition} else {no.source})", missing=yes.missing or no.missing)

    def _minus(self, node: Unary) -> Code:
        operand = self.write(node.operand)
        if operand.type not in (DECIMAL, MISSING, UNKNOWN):
            return self.wrong(node.column, "type", f"- wants a decimal, and this is {operand.type}")
        if isinstance(operand.literal, (int, Decimal)):
            return self._constant(-operand.literal)
        return self._guarded([operand], "minus({})", DECIMAL, otherwise="None")

    def _binary(self, node: Binary) -> Code:
        left, right = self.write(node.left), self.write(node.right)
        if node.operator in _ARITHMETIC:
            return self._arithmetic(node, left, right)
        if node.operator == "in":
            return self._in(node, left, right)
        if isinstance(left.type, Record) or isinstance(right.type, Record):
            return self.wrong(node.column, "type", "a document is compared by its members, as in usage.lot")
        if joined(left.type, right.type) is None:
            return self.wrong(node.column, "type", misfit(left, right))
        self._equal(node.left, left, right)
        self._equal(node.right, right, left)
        if node.operator in ("==", "!="):
            return self._equality(node.operator, left, right)
        return self._order(node, left, right)

    def _equal(self, node: Node, literal: Code, other: Code) -> None:
        never = never_equal(literal, other)
        if never is not None:
            self.wrong(node.column, "never-equal", *never)

    def _equality(self, operator: str, left: Code, right: Code) -> Code:
        if MISSING in (left.type, right.type):
            other = left if right.type == MISSING else right
            source = f"{other.source} {'is' if operator == '==' else 'is not'} None"
            # `null` compared with what is always there.
            return Code(BOOL, f"({source})" if other.missing else repr(operator == "!="))
        return Code(BOOL, f"({left.source} {operator} {right.source})")

    def _order(self, node: Binary, left: Code, right: Code) -> Code:
        for code in (left, right):
            if code.type == MISSING:
                return self.wrong(node.column, "type", "null is neither before nor after anything: use == or !=")
            if code.type == BOOL or isinstance(code.type, ListOf):
                return self.wrong(node.column, "type", f"{code.type} has no order")
        return self._guarded([left, right], f"{{}} {node.operator} {{}}", BOOL, otherwise="False")

    def _arithmetic(self, node: Binary, left: Code, right: Code) -> Code:
        for code in (left, right):
            if code.type not in (DECIMAL, MISSING, UNKNOWN):
                return self.wrong(node.column, "type", f"{node.operator} wants decimals, and one side is {code.type}")
        function, _ = _ARITHMETIC[node.operator]
        return self._guarded([left, right], f"{function}({{}}, {{}})", DECIMAL, otherwise="None")

    def _in(self, node: Binary, left: Code, right: Code) -> Code:
        if right.type in (MISSING, UNKNOWN) or left.type == UNKNOWN:
            return Code(BOOL, "False") if right.type == MISSING else _WRONG
        if not isinstance(right.type, ListOf):
            return self.wrong(
                node.column, "type", f"after in stands a list, as in ['a', 'b'], and this is {right.type}"
            )
        if isinstance(left.type, Record) or joined(left.type, right.type.item) is None:
            item = Code(right.type.item, "", literal=right.literal[0] if isinstance(right.literal, tuple) else None)
            return self.wrong(node.column, "type", misfit(left, item))
        if isinstance(node.right, Items):
            for part in node.right.items:
                if isinstance(part, Constant):
                    self._equal(part, self._constant(part.value), left)
            return Code(BOOL, f"({left.source} in {right.source})")
        # A missing value may well be looked for in a list.
        return self._guarded([replace(left, missing=False), right], "{} in {}", BOOL, otherwise="False")

    def _call(self, node: Call) -> Code:
        if node.receiver is not None and node.function in _TESTS:
            return self._test(node, node.receiver)
        if node.receiver is None and node.function in _FUNCTIONS and len(node.arguments) == 1:
            how = {"has": self._has, "size": self._size, "date": self._date}[node.function]
            return how(node.arguments[0])
        for argument in node.arguments:
            self.write(argument)
        if node.function in _ELSEWHERE:
            return self.wrong(node.column, "left-out", _ELSEWHERE[node.function])
        if node.function in (*_FUNCTIONS, *_TESTS):
            example = (
                f"{node.function}(x), with one value" if node.function in _FUNCTIONS else f"x.{node.function}('text')"
            )
            return self.wrong(node.column, "type", f"{node.function} is written {example}")
        message = f"there is no function {node.function}; there are {listed((*_FUNCTIONS, *_TESTS))}"
        suggestion = did_you_mean(node.function, (*_FUNCTIONS, *_TESTS))
        return self.wrong(node.column, "unknown-function", message, suggestion)

    def _test(self, node: Call, receiver: Node) -> Code:
        codes = [self.write(part) for part in (receiver, *node.arguments)]
        for code in codes:
            if joined(code.type, TEXT) is None:
                return self.wrong(node.column, "type", f"{node.function} works on text, and this is {code.type}")
        if len(codes) != 2:  # noqa: PLR2004 - the text, and what is looked for in it
            return self.wrong(node.column, "type", f"{node.function} is written x.{node.function}('text')")
        methods = {"startsWith": "{}.startswith({})", "endsWith": "{}.endswith({})", "contains": "{1} in {0}"}
        return self._guarded(codes, methods[node.function], BOOL, otherwise="False")

    def _has(self, argument: Node) -> Code:
        if not isinstance(argument, (Name, Member)):
            return self.wrong(argument.column, "type", "has is asked about a name, as in has(usage.lot)")
        return self._equality("!=", self.write(argument), self._constant(None))

    def _size(self, argument: Node) -> Code:
        code = self.write(argument)
        if joined(code.type, TEXT) is None and not isinstance(code.type, ListOf):
            return self.wrong(argument.column, "type", f"size counts text or a list, and this is {code.type}")
        return self._guarded([code], "len({})", DECIMAL, otherwise="None")

    def _date(self, argument: Node) -> Code:
        if isinstance(argument, Constant) and isinstance(argument.value, str):
            try:
                day = date.fromisoformat(argument.value)
            except ValueError:
                pass
            else:
                if day.isoformat() == argument.value:
                    return self._constant(day)
        return self.wrong(argument.column, "date", "a day is written as in date('2026-01-31')")

    def _guarded(self, codes: Sequence[Code], template: str, kind: Type, *, otherwise: str) -> Code:
        """The template over the codes' values, or `otherwise` when one of them is missing."""
        if UNKNOWN in [code.type for code in codes]:
            return _WRONG if kind != BOOL else Code(BOOL, "False")
        checks: list[str] = []
        values: list[str] = []
        for code in codes:
            value = code.source
            if code.missing and code.type == MISSING:
                return Code(kind, otherwise, missing=otherwise == "None")
            if code.missing and not code.simple:
                self._temporaries += 1
                value = f"t_{self._temporaries}"
                checks.append(f"({value} := {code.source}) is not None")
            elif code.missing:
                checks.append(f"{value} is not None")
            values.append(value)
        source = template.format(*values)
        if not checks:
            return Code(kind, f"({source})")
        if otherwise == "False":
            return Code(kind, f"({' and '.join(checks)} and {source})")
        return Code(kind, f"({source} if {' and '.join(checks)} else None)", missing=True)
