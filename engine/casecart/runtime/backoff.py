"""When to try a destination again: jittered exponential back-off, and a breaker that lets one posting probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BREAKER", "LONGEST", "MOST_ASKED", "Backoff"]

FIRST = 0.5  # seconds
LONGEST = 60.0  # seconds
MOST_ASKED = 3600.0  # seconds that a destination may ask for
BREAKER = 5  # failures in a row that open the breaker


class Backoff:
    """Counts the failures in a row of one destination.

    Calls that were on their way together fail together, and count once: however many there were, it is one outage.

    Args:
        random: gives a number in [0, 1); the jitter keeps many engines from coming back at the same instant.
        failures: as an earlier run left them.
    """

    def __init__(self, random: Callable[[], float], failures: int = 0) -> None:
        self._random = random
        self.failures = failures
        self.round = 0
        """Counted failures so far: a call remembers in which it began."""

    @property
    def open(self) -> bool:
        """Whether the breaker is open: the destination itself is in trouble, not one posting."""
        return self.failures >= BREAKER

    def succeeded(self) -> None:
        """An answer came, whatever it said."""
        self.failures = 0

    def failed(self, began: int | None = None, *, retry_after: float | None = None, permanent: bool = False) -> float:
        """Seconds to wait from now; at least what the destination asked for, bounded by an hour.

        Args:
            began: the round in which the call began; None: this one.
            retry_after: seconds that the destination asked for.
            permanent: it won't be well by itself: the breaker opens at once, and the wait is the longest.
        """
        asked = 0.0 if retry_after is None else min(max(retry_after, 0.0), MOST_ASKED)
        if began is not None and began < self.round:
            return asked
        self.round += 1
        self.failures = max(self.failures, BREAKER - 1 if permanent else 0) + 1
        longest = LONGEST if permanent else min(LONGEST, FIRST * 2.0 ** min(self.failures - 1, 16))
        return max(longest * (0.5 + self._random() / 2), asked)
