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
        at, told = self._now(), {"to": self._destination}
        for work in batch.works:
            entry, still_open = work.entry, work.open
            change.settlements.append(Settlement(still_open, encode_postings(work.postings), entry.sequence))
            if still_open == 0:
                change.events.append(Event("casecart.postings.settled", str(entry.sequence), entry.facility, at, told))
        ended: dict[tuple[str, str, str], int] = {}
        for work, posting in batch.items:
            state = posting.state
            if state in OPEN:
                continue
            key = (work.entry.facility, work.entry.channel, state)
            ended[key] = ended.get(key, 0) + 1
            if state != "posted":
                self._hold(work.entry, posting, at, change)
        change.counts += [
            Count(facility, f"lines:{channel}", state, number) for (facility, channel, state), number in ended.items()
        ]

    def _hold(self, entry: Entry, posting: Posting, at: int, change: Change) -> None:
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
