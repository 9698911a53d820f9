"""The watch over the time that one message takes: asked at each line of a long one, and of a usual message never."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from casecart.mapping.mapped import MANY
from casecart.rules import Trouble
from casecart.runtime.fault import NotWorkable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["NotNow", "Overran", "Watch"]

_T = TypeVar("_T")


class NotNow(Exception):
    """The message needs longer than there is time now; nothing is wrong with it."""


class Overran(NotWorkable):
    """The message took longer than any message may."""


class Watch:
    """Looks how long the work on a message takes, in its loops over lines.

    Args:
        clock: monotonic seconds.
        limit: seconds that a message may take in all.
    """

    def __init__(self, clock: Callable[[], float], limit: float) -> None:
        self._clock, self._limit = clock, limit
        self._position = 0
        self._until: float | None = None
        self.hurried = False
        """Whether the message's sender waits for what is done now: nothing else may be waited for."""
        self._spent: dict[int, float] = {}  # seconds, by position; only of messages with many lines

    def begin(self, position: int, until: float | None = None, *, hurried: bool = False) -> None:
        """From here on it is this message that is worked.

        Args:
            position: the message's; what it took before counts, until `forget`.
            until: when to stop, by the clock, though the message may still take longer another time.
            hurried: its sender has not been answered yet.
        """
        self._position, self._until, self.hurried = position, until, hurried

    def forget(self) -> None:
        """What messages took so far is of the past."""
        if self._spent:
            self._spent = {}

    def over(self, lines: Sequence[_T]) -> Iterable[_T]:
        """The lines, one by one.

        Raises:
            Overran: while they are gone over, when the message has taken too long.
            NotNow: when it is later than `until`.
        """
        return lines if len(lines) < MANY else self._watched(lines)

    def _watched(self, lines: Sequence[_T]) -> Iterator[_T]:
        position, began = self._position, self._clock()
        end = began + self._limit - self._spent.get(position, 0.0)
        try:
            for line in lines:
                # At each of them: what is due on a line of a very large case takes tenths of a second.
                now = self._clock()
                if now >= end:
                    raise Overran(self._trouble())
                if self._until is not None and now >= self._until:
                    raise NotNow
                yield line
        finally:
            self._spent[position] = self._limit - (end - self._clock())

    def _trouble(self) -> Trouble:
        words = (
            f"The message takes longer than the {self._limit:g} s that one may (intake: time_limit in "
            "config/engine.yaml); nothing of it was posted. Have its sender divide it, or allow more time "
            "(`casecart apply`), and replay it."
        )
        return Trouble("overran", "", words, "")
