"""What can be wrong with a FHIRPath: in its text, or with what it comes upon in a resource."""

from __future__ import annotations

__all__ = ["FhirPathError", "PathFailed"]


class FhirPathError(ValueError):
    """A FHIRPath that can't be used.

    Attributes:
        column: where in the text, counting characters from 1.
        code: a stable word for the kind of mistake.
        message: what is wrong and what to do, for the analyst, without the final full stop.
        suggestion: what was probably meant.
    """

    def __init__(self, column: int, code: str, message: str, suggestion: str | None = None) -> None:
        tail = "" if suggestion is None else f". Did you mean '{suggestion}'?"
        super().__init__(f"column {column}: {message}{tail}")
        self.column = column
        self.code = code
        self.message = message
        self.suggestion = suggestion


class PathFailed(Exception):
    """A path that has no answer for this resource; the words say why, and never what stands in the resource."""
