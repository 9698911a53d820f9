"""Text that remembers where it was written, so that later rooms can report an error at its own place."""

from __future__ import annotations

from typing import Self

from casecart.workspace.findings import NOWHERE, Place

__all__ = ["Text"]


class Text(str):
    """A scalar of a workspace file, as written, with its place; in all else a `str`."""

    __slots__ = ("place", "plain")

    place: Place
    plain: bool
    """Written without quotes."""

    def __new__(cls, value: str, place: Place = NOWHERE, *, plain: bool = True) -> Self:
        """Text that stands at `place`; made in Python it stands nowhere."""
        text = super().__new__(cls, value)
        text.place, text.plain = place, plain
        return text

    def within(self, column: int) -> Place:
        """Where a character of it stands, counted from 1; where it begins, if it goes over several lines."""
        if "\n" in self:
            return self.place
        return Place(self.place.file, self.place.line, self.place.column + column - self.plain)
