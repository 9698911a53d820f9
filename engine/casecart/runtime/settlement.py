"""What became of a batch, as additions to a change: states, counters, exceptions, events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.runtime.made import encode_postings
from casecart.runtime.states import OPEN
from casecart.store import Change, Count, Entry, Event, Hold, Settlement, storable

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.runtime.destination import Posting
    from casecart.runtime.window import Batch

__all__ = ["Settling"]


class Settling:
    """Writes states of one destination's postings.

    Args:
        destination: its name.
        organisation: for exceptions.
        now: wall clock, µs since 1970.
        identifier: mints ids of exceptions.
    """

    def __init__(
        self, *, destination: str, organisation: str, now: Callable[[], int], identifier: Callable[[], bytes]
    ) -> None:
        self._destination, self._organisation, self._now, self._identifier = destination, organisation, now, identifier

    def record(self, batch: Batch, change: Change) -> None:
        """The states of a batch. Those of its postings that are settled are counted, so: once for a batch's end."""
        at = self._now()
        for work in batch.works:
            entry = work.entry
            change.settlements.append(Settlement(work.open, encode_postings(work.postings), entry.sequence))
            if work.open == 0:
                data = {"to": self._destination}
                change.events.append(Event("casecart.postings.settled", str(entry.sequence), entry.facility, at, data))
        for work, posting in batch.items:
            if posting.state not in OPEN:
                self._end(work.entry, posting, at, change)

    def _end(self, entry: Entry, posting: Posting, at: int, change: Change) -> None:
        change.counts.append(Count(entry.facility, f"lines:{entry.channel}", posting.state, 1))
        if posting.state == "posted":
            return
        change.holds.append(
            Hold(
                id=self._identifier(),
                organisation=self._organisation,
                facility=entry.facility,
                position=entry.position,
                recorded_at=at,
                actor=self._destination,
                channel=entry.channel,
                place=posting.place,
                line=storable(posting.line),
                code=posting.code or posting.state,
                cause=storable(posting.words),
                destination=self._destination,
                key=posting.key,
                state="new",
                subject=f"posting:{'unknown' if posting.unsure else posting.state}",
            )
        )
