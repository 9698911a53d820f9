"""What stands between one listener and the journal: open while the store takes messages and its disk has room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.runtime.listener import Arrival, Receipt

if TYPE_CHECKING:
    from casecart.runtime.journal import Journal
    from casecart.runtime.watermark import Watermark

__all__ = ["Gate"]


class Gate:
    """The engine, as one listener sees it.

    Args:
        journal: stores what arrives.
        watermark: tells whether the disk has room.
    """

    def __init__(self, journal: Journal, watermark: Watermark) -> None:
        self._journal, self._watermark = journal, watermark
        self.shut = False
        """Whether the listener is there and not at work yet: the channels for what it takes are still to come."""

    def take(self, arrival: Arrival) -> None:
        """Store it with the next group commit, then call its `reply`."""
        if self._watermark.low or self.shut:
            arrival.reply(Receipt.NOT_STORED)
        else:
            self._journal.take(arrival)

    @property
    def open(self) -> bool:
        """Whether messages are taken."""
        return self._journal.open and not self._watermark.low and not self.shut
