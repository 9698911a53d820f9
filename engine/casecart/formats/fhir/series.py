"""The events of one subscription by their numbers: which came, which are missing, and what to do about that.

The server counts its events from 1. Up to `known` all have come; what comes behind a gap waits for the gap to close.
Out of order is usual, so a gap has a time of grace; then the server is asked for the missing events (`$events`), and
where it can't give them, for all that changed since (`_lastUpdated`). Nothing here is lost by asking too much: what
comes twice is known by its identity. Only `known`, `number` and `whole` need be kept; after a restart the rest is asked
for (`doubt`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from casecart.formats.fhir.notification import Notification

__all__ = ["Ask", "AskChanges", "AskEvents", "AskStatus", "Heard", "Series"]

_SLACK: Final = 0.5
"""Of the heartbeat's period: so much later than due is not silence yet."""
_MOST_AHEAD: Final = 10_000
"""So far behind `known` numbers are remembered; what is further is asked for again, which harms nothing."""
_LONGEST_PAUSE: Final = 600_000_000  # µs between two questions that bring nothing


@dataclass(frozen=True, slots=True)
class AskEvents:
    """Ask the server for these events by `$events` (`eventsSinceNumber`, `eventsUntilNumber`; both included)."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class AskStatus:
    """Ask the server by `$status` how far it has counted, and whether the subscription still lives."""


@dataclass(frozen=True, slots=True)
class AskChanges:
    """Ask the server for what changed, by `_lastUpdated`; then say `recovered(through)`.

    Attributes:
        since: µs since 1970, when all was still known to be here; None: nothing ever was. Take some overlap.
        through: up to this number nothing is missing once it is done.
    """

    since: int | None
    through: int


Ask: TypeAlias = AskEvents | AskStatus | AskChanges


class Heard(NamedTuple):
    """What a notification brought."""

    fresh: tuple[int, ...]
    """Numbers that came for the first time, as far as it is remembered."""
    again: tuple[int, ...]
    """Numbers that came before; to be taken all the same, since a later version may have come with them."""
    anew: bool
    """Whether the server has begun to count anew; the numbers belong to another series from here on."""


class Series:
    """Of one subscription. All times are µs since 1970, by one clock.

    Args:
        now: when this is made; from here on there should be signs of life.
        known: the highest number up to which all events have come; None: it is not known where to begin.
        number: how often the server has begun to count anew.
        whole: when all was known to be here; None: that is not known.
        grace: that a gap may last before it is asked about.
        heartbeat: the period in which the server gives signs of life; None: it promised none.
    """

    def __init__(
        self,
        now: int,
        *,
        known: int | None = None,
        number: int = 0,
        whole: int | None = None,
        grace: int = 30_000_000,
        heartbeat: int | None = None,
    ) -> None:
        self.known, self.number = known, number
        self.whole = whole
        """Since when nothing more is known to be missing."""
        self._grace, self._heartbeat = grace, heartbeat
        self._ahead: list[int] = []  # numbers behind a gap, in their order
        self._counted = known or 0  # so many events the server must have had
        self._sign = now
        self._gap: int | None = None
        self._doubt = False  # an answer to $status is wanted
        self._look: int | None = None  # when last something happened of which it was not said what it happened to
        self._no_events = False
        self._tries = 0
        self._wait_until = now

    @property
    def missing(self) -> tuple[int, int] | None:
        """First and last number of the first gap; None: nothing is missing that is known of."""
        known = self.known or 0
        last = self._ahead[0] - 1 if self._ahead else self._counted
        return (known + 1, last) if self.known is not None and last > known else None

    def doubt(self) -> None:
        """Have the server asked how far it is, as after a restart."""
        self._doubt = True

    def promised(self, heartbeat: int | None, now: int) -> None:
        """The server gives signs of life in this period, from now on; None: it promises none."""
        self._heartbeat, self._sign = heartbeat, now

    def heard(self, notification: Notification, now: int, came: int | None = None) -> Heard:
        """A notification of this subscription came, by itself or as an answer.

        Args:
            notification: that came.
            now: when it is worked.
            came: when it came, which may be long before; now, if absent. What it counts is of then.
        """
        self._sign = now
        counted, numbers = notification.counted, notification.numbers
        anew = self._begins_anew(notification)
        if anew:
            self.number += 1
            self.known, self._counted, self._gap, self._doubt = 0, 0, None, False
            self._ahead.clear()
            self._look = now  # the numbers no longer tell what was missed before, or while there was no subscription
        if self.known is None and (numbers or counted is not None):
            # What was before is for an initial load: there is no telling what of it somebody wanted.
            self.known = self._counted = numbers[0] - 1 if numbers else counted or 0
        if notification.kind == "query-status":
            self._doubt = False
            self._settle(now)
        fresh, again = self._take(numbers)
        if again and counted is not None and counted < self._highest:
            self._doubt = True  # sent again, or counted anew: rare enough to ask
        if notification.asks_to_look:
            self._look = now
        self._counted = max(self._counted, counted or 0, *numbers[-1:], 0)
        self._watch_gap(now, None if self._doubt else now if came is None else came)
        return Heard(fresh, again, anew)

    def _begins_anew(self, notification: Notification) -> bool:
        """Whether the server's counter was reset: it was restored, or the subscription made again.

        A handshake and the answer to `$status` are of now. All others may be late; that they count too low is a doubt,
        which `$status` ends.
        """
        counted = notification.counted
        if self.known is None or (counted is not None and counted >= self._highest):
            return False
        if notification.kind == "heartbeat" or (notification.kind == "handshake" and counted is None):
            self._doubt = True
        return counted is not None and notification.kind in {"handshake", "query-status"}

    @property
    def _highest(self) -> int:
        return max(self.known or 0, self._counted)

    def _take(self, numbers: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        known, ahead = self.known or 0, self._ahead
        fresh, again = [], []
        for number in numbers:
            place = bisect_left(ahead, number)
            if number <= known or ahead[place : place + 1] == [number]:
                again.append(number)
                continue
            fresh.append(number)
            if number <= known + _MOST_AHEAD:
                ahead.insert(place, number)
        self._join()
        return tuple(fresh), tuple(again)

    def _join(self) -> None:
        """What follows without a gap is known."""
        if self.known is not None:
            joined = 0
            while joined < len(self._ahead) and self._ahead[joined] == self.known + 1:
                self.known += 1
                joined += 1
            del self._ahead[:joined]

    def _watch_gap(self, now: int, whole: int | None) -> None:
        """If nothing is missing, nothing was at the time `whole`; None: in doubt that is not known."""
        if self.missing is None:
            self._gap, self._no_events = None, False
            if self._look is None:
                self.whole = self.whole if whole is None else whole
                self._settle(now)
        elif self._gap is None:
            self._gap = now

    def next(self, now: int) -> Ask | None:
        """What to do now; None: nothing. The same again after a pause, until something came of it."""
        wanted = self._wanted(now)
        if wanted is None or now < self._wait_until:
            return None
        self._tries += 1
        self._wait_until = now + min(self._grace << min(self._tries - 1, 20), _LONGEST_PAUSE)
        return wanted

    def _wanted(self, now: int) -> Ask | None:
        missing = self.missing
        if self._look is not None or (missing is not None and self._no_events):
            return AskChanges(self.whole, self._counted)
        if missing is not None and self._gap is not None and now >= self._gap + self._grace:
            return AskEvents(*missing)
        return AskStatus() if self._doubt or self._silent(now) else None

    def _silent(self, now: int) -> bool:
        return self._heartbeat is not None and now > self._sign + self._heartbeat + int(self._heartbeat * _SLACK)

    def not_given(self, now: int) -> None:
        """The server gave no answer to `$events`, or not all of them: it has no such operation, or keeps fewer."""
        if self.missing is not None:
            self._no_events = True
            self._settle(now)

    def not_told(self, now: int) -> None:
        """The server gives no answer to `$status` that helps: it has no such operation. Ask anew when there is need."""
        self._doubt, self._sign = False, now
        self._settle(now)

    def not_searched(self) -> None:
        """Nothing says what to search for: what an event was about stays unknown, and keeps no other from its turn."""
        self._look = None

    def recovered(self, through: int, now: int) -> None:
        """All that changed is here, as `AskChanges` wanted it; `now` is when the question was put."""
        if self._look is not None and self._look <= now:
            self._look = None
        if self.known is not None:
            self.known = max(self.known, through)
            del self._ahead[: bisect_right(self._ahead, self.known)]
            self._join()
        self._watch_gap(now, now)

    def _settle(self, now: int) -> None:
        """Something came of the last question: the next one needs no pause."""
        self._tries, self._wait_until = 0, now
