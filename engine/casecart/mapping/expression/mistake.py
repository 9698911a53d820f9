"""What is wrong in an expression, for the analyst who wrote it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ExpressionError", "Mistake"]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake.

    Attributes:
        column: where in the text, counting characters from 1 (line ends are characters too).
        code: a stable word for its kind.
        message: what is wrong and what to do, without the final full stop.
        suggestion: what was probably meant.
    """

    column: int
    code: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        tail = "" if self.suggestion is None else f". Did you mean '{self.suggestion}'?"
        return f"column {self.column}: {self.message}{tail}"


class ExpressionError(ValueError):
    """An expression that can't be compiled, with all `mistakes` that could be seen at once."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("; ".join(map(str, self.mistakes)))

    @classmethod
    def at(cls, column: int, code: str, message: str, suggestion: str | None = None) -> ExpressionError:
        """An error of one mistake."""
        return cls([Mistake(column, code, message, suggestion)])
