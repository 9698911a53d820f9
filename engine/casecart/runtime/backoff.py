"""When to try a destination again: jittered exponential back-off, and a breaker that lets one batch probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backoff"]

FIRST = 0.5  # seconds
LONGEST = 60.0  # seconds
BREAKER = 5  # failures in a row that open the breaker


class Backoff:
    """Counts the failures in a row of one destination.

    Args:
        random: gives a number in [0, 1); the jitter keeps many engines from coming back at the same instant.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self.failures = 0

    @property
    def open(self) -> bool:
        """Whether the breaker is open: the destination itself is in trouble, not one posting."""
        return self.failures >= BREAKER

    def succeeded(self) -> None:
        """An answer came, whatever it said."""
        self.failures = 0

    def failed(self, retry_after: float | None = None) -> float:
        """Seconds to wait now; at least what the destination asked for, bounded by an hour."""
        self.failures += 1
        longest = min(LONGEST, FIRST * 2.0 ** min(self.failures - 1, 16))
        delay = longest * (0.5 + self._random() / 2)
        return max(delay, min(retry_after, 3600.0)) if retry_after is not None else delay
