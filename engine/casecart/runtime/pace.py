"""How fast a destination may be asked: a bucket of tokens, filled by the monotonic clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pace"]

_NEARLY = 1e-6  # of a token: what rounding takes away must not be waited for


class Pace:
    """Lets so many postings through in a second, and no more than a second's worth at once.

    Args:
        rate: postings a second, above 0; it may be less than one.
        seconds: monotonic.
    """

    def __init__(self, rate: float, seconds: Callable[[], float]) -> None:
        self._rate, self._seconds = rate, seconds
        self.most = max(1, int(rate))
        """Postings at once: a second's worth, or one."""
        self._tokens = float(self.most)
        self._at = seconds()

    @property
    def allowed(self) -> int:
        """How many may go now."""
        now = self._seconds()
        self._tokens = min(float(self.most), self._tokens + (now - self._at) * self._rate)
        self._at = now
        return int(self._tokens + _NEARLY)

    def wait(self, count: int) -> float:
        """Seconds until `count` may go, or as many as may ever go at once; 0: now."""
        count = min(count, self.most)
        return 0.0 if self.allowed >= count else (count - self._tokens) / self._rate

    def took(self, count: int) -> None:
        """So many have gone."""
        self._tokens -= count
