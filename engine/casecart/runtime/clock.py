"""The wall clock, and the part of Twisted's reactor that keeps time, as mypy understands it.

`twisted.internet.task.Clock` fits the latter, too.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Call", "Clock", "wall_clock"]


def wall_clock() -> int:
    """µs since 1970 UTC."""
    return time.time_ns() // 1000


class Call(Protocol):
    """A call that is due later."""

    def cancel(self) -> None:
        """It will not be made."""

    def active(self) -> bool:
        """Whether it is still to come."""

    def getTime(self) -> float:  # noqa: N802 - Twisted's name
        """When it is due, in seconds of the clock that made it."""


class Clock(Protocol):
    """Monotonic time and calls in it."""

    def seconds(self) -> float:
        """Now; only differences mean anything."""

    def callLater(self, delay: float, call: Callable[..., Any], /, *args: Any) -> Call:  # noqa: ANN401, N802 - Twisted's
        """Call it after that many seconds, from the reactor's thread."""
