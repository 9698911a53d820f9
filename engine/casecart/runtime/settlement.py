"""What became of a batch, as additions to a change: states, counters, exceptions, events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.runtime.made import encode_postings
from casecart.runtime.states import OPEN
from casecart.store import Change, Count, Entry, Event, Hold, Settlement, storable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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

    def damaged(self, entries: Iterable[Entry], change: Change) -> None:
        """Rows that can't be trusted: what was on its way of them is held; what became of it is not known."""
        at = self._now()
        for entry in entries:
            change.settlements.append(Settlement(0, entry.postings, entry.sequence))
            change.counts.append(Count(entry.facility, f"lines:{entry.channel}", "held", entry.open))
            words = (
                f"Row {entry.sequence} of the ledger came out of the store damaged, so that nothing of it is posted. "
                f"Look up what {self._destination} has of this message, post what is missing by hand, and reject this."
            )
            change.holds += [
                Hold(
                    self._identifier(), self._organisation, entry.facility, entry.position, at, self._destination,
                    entry.channel, "", "", "posting-damaged", words, self._destination, "", "new",
                    subject="posting:damaged",
                )
                for _ in range(entry.open)
            ]  # fmt: skip

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
