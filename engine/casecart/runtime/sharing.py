"""What an engine does with the leases that it holds: partitions to work, destinations to send to, wishes to see to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import succeed

from casecart.runtime.marks import DISPATCH, FOLLOW, REPLAY, RETAIN, WORK
from casecart.runtime.waiting import tries_of
from casecart.store import Fence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from twisted.internet.defer import Deferred

    from casecart.runtime.clock import Call, Clock
    from casecart.runtime.dispatcher import Dispatcher
    from casecart.runtime.journal import Done, Fill, Journal
    from casecart.runtime.retention import Retention
    from casecart.runtime.shared_backlog import SharedBacklog
    from casecart.store import Lease, SharedStore

__all__ = ["LeasedJournal", "Sharing"]

LOOK: Final = 0.1  # seconds between looks for postings that others planned
DRAIN: Final = 10.0  # seconds that postings on their way have, before their destination goes to another engine


class LeasedJournal:
    """The journal of one dispatcher: what it writes is written under the lease of its destination."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.fence: Fence | None = None

    @property
    def open(self) -> bool:
        """As the journal's; and whether the destination is ours."""
        return self.fence is not None and self._journal.open

    def write(self, fill: Fill, done: Done) -> None:
        """As the journal's. What was handed in under a lease that is over is not written, and `done` not called."""
        if self.fence is not None:
            self._journal.write(fill, done, self.fence)


class Sharing:
    """Keeps what is ours, and tells those who do it.

    Args:
        store: has the timers of destinations.
        reactor: for looks into the store.
        dispatchers: by name; empty where this engine sends nothing.
        journals: theirs.
        retention: deletes where that is ours to do.
        died: told that an engine was killed.
    """

    def __init__(
        self,
        *,
        store: SharedStore,
        reactor: Clock,
        dispatchers: Mapping[str, Dispatcher],
        journals: Mapping[str, LeasedJournal],
        retention: Retention,
        died: Callable[[], None],
    ) -> None:
        self._store, self._reactor, self._retention = store, reactor, retention
        self._dispatchers, self._journals, self._died = dispatchers, journals, died
        self.partitions: dict[int, Fence] = {}
        """Of the intake, those that are ours to work, with what is written under."""
        self.replays: Fence | None = None
        """Where wishes of people are ours to see to: what is written under."""
        self.sends: set[str] = set()
        """Destinations that are ours to send to."""
        self.follows: dict[str, Fence] = {}
        """Listeners for which it is ours to follow the master data, or notifications up, with what is written under."""
        self.finish: Callable[[str], Deferred[None]] = lambda name: dispatchers[name].stop(DRAIN)
        """Has what is on its way to a destination seen to its end."""
        self.backlog: SharedBacklog | None = None
        self._call: Call | None = None

    def start(self) -> None:
        """Look for postings that other engines planned, from now on."""
        self._look()

    def stop(self) -> None:
        """Look no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()

    def taken(self, lease: Lease, dead: bytes | None) -> None:
        """It is ours."""
        fence = Fence(lease.name, lease.partition, lease.epoch)
        if lease.name == WORK:
            self.partitions[lease.partition] = fence
            if dead is not None and self.backlog is not None:
                self.backlog.inherit(dead)
        elif lease.name == REPLAY:
            self.replays = fence
        elif lease.name == RETAIN:
            self._retention.start()
        elif lease.name.startswith(FOLLOW):
            self.follows[lease.name.removeprefix(FOLLOW)] = fence
        else:
            name = lease.name.removeprefix(DISPATCH)
            self._journals[name].fence = fence
            self.sends.add(name)
            self._dispatchers[name].start(*tries_of(self._store).get(name, ()))

    def given(self, lease: Lease) -> Deferred[None]:
        """It shall go to another one."""
        if not lease.name.startswith(DISPATCH):
            self.lost(lease)
            return succeed(None)
        return self.finish(lease.name.removeprefix(DISPATCH)).addCallback(lambda _: self.lost(lease))

    def lost(self, lease: Lease) -> None:
        """It is another one's."""
        if lease.name == WORK:
            self.partitions.pop(lease.partition, None)
        elif lease.name == REPLAY:
            self.replays = None
        elif lease.name == RETAIN:
            self._retention.stop()
        elif lease.name.startswith(FOLLOW):
            self.follows.pop(lease.name.removeprefix(FOLLOW), None)
        else:
            name = lease.name.removeprefix(DISPATCH)
            self.sends.discard(name)
            if name in self._dispatchers:
                self._journals[name].fence = None
                self._dispatchers[name].release()

    def died(self, member: bytes) -> None:
        """An engine was killed: perhaps by a message, which comes again."""
        del member
        self._died()

    def fences_of_replays(self) -> Collection[Fence]:
        """What is written under when a wish is worked off."""
        return () if self.replays is None else (self.replays,)

    def _look(self) -> None:
        for name in self.sends & self._dispatchers.keys():
            self._dispatchers[name].resync()
        self._call = self._reactor.callLater(LOOK, self._look)
