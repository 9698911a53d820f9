"""Text that remembers where it was written, so that later rooms can report an error at its own place."""

from __future__ import annotations

from typing import Self

from casecart.workspace.findings import NOWHERE, Place

__all__ = ["Text"]


class Text(str):
    """A scalar of a workspace file, as written, with its place; in all else a `str`."""

    __slots__ = ("place",)

    place: Place

    def __new__(cls, value: str, place: Place = NOWHERE) -> Self:
        """Text that stands at `place`; made in Python it stands nowhere."""
        text = super().__new__(cls, value)
        text.place = place
        return text
