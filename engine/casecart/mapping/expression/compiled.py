"""An expression that is ready to be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from casecart.mapping.expression.code import variable
from casecart.mapping.expression.mistake import ExpressionError
from casecart.mapping.expression.syntax import parse
from casecart.mapping.expression.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from casecart.mapping.expression.mistake import Mistake
    from casecart.mapping.expression.types import Type

__all__ = ["Expression", "compile_expression", "mistakes_in"]


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled condition.

    Attributes:
        text: as it was written.
        names: the names of the scope that it asks for.
        function: takes a value for each name of the scope, in the scope's order; a missing one is None. It always
            answers, with True or False.
        source: the condition as a Python expression over `variable(name)` and the names of `constants`.
        constants: what the source refers to.
    """

    text: str
    names: frozenset[str]
    function: Callable[..., bool]
    source: str
    constants: Mapping[str, object]

    def __call__(self, *values: object) -> bool:
        """What the condition says of these values, one for each name of the scope."""
        return self.function(*values)


def mistakes_in(text: str, scope: Mapping[str, Type]) -> list[Mistake]:
    """The mistakes of a condition whose grammar is right; see `compile_expression`."""
    writer = Writer(scope)
    writer.condition(parse(text))
    return sorted(writer.mistakes, key=lambda mistake: mistake.column)


def compile_expression(text: str, scope: Mapping[str, Type]) -> Expression:
    """Compiles a condition.

    Args:
        text: as an analyst wrote it.
        scope: the names that may be used, and what they stand for. Lists are tuples; decimals are finite.

    Raises:
        ExpressionError: with a column and words for each mistake.
    """
    tree = parse(text)
    writer = Writer(scope)
    source = writer.condition(tree)
    if writer.mistakes:
        raise ExpressionError(sorted(writer.mistakes, key=lambda mistake: mistake.column))
    parameters = ", ".join(map(variable, scope))
    namespace = dict(writer.constants)
    code = compile(f"def condition({parameters}):\n    return {source}\n", "<expression>", "exec")
    exec(code, namespace)  # noqa: S102 - made of our words, of `repr`s and the scope's names; never the analyst's text
    function = cast("Callable[..., bool]", namespace["condition"])
    return Expression(text, frozenset(writer.names), function, source, writer.constants)
