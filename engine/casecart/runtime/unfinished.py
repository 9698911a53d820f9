"""What listeners hold of messages that are not whole yet: bounded over all connections, and not by one alone.

Where it is too much, the largest is given up. So a sender whose message is smaller than the bound divided by the number
of connections is never harmed, whatever the others do.
"""

from __future__ import annotations

from typing import Final, Protocol

__all__ = ["Holder", "Unfinished"]

MOST: Final = 256 * 1024 * 1024


class Holder(Protocol):
    """A connection."""

    def give_up(self) -> None:
        """Let go of what came of a message so far; its sender keeps it."""


class Unfinished:
    """How many bytes of unfinished messages there are, and who holds them.

    Args:
        most: bytes in all.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.total = 0
        """Bytes now."""
        self._sizes: dict[Holder, int] = {}

    def make_room(self, largest: int) -> None:
        """Messages of this size must be able to come."""
        self.most = max(self.most, 2 * largest)

    def hold(self, holder: Holder, size: int) -> None:
        """So many bytes are held there from now on; 0: nothing any more."""
        self.total += size - self._sizes.pop(holder, 0)
        if size:
            self._sizes[holder] = size
        while self.total > self.most:
            largest = max(self._sizes, key=self._sizes.__getitem__)
            self.total -= self._sizes.pop(largest)
            largest.give_up()
