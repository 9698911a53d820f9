"""The dispatchers of an engine: made for its destinations, started and stopped, and exchanged while it runs.

What goes to a destination that is exchanged is in one dispatcher's hands at a time. The old one sends nothing new and
sees what is on its way to its end; only then the new one takes the queue, which it reads from the store.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple

from twisted.internet.defer import gatherResults, inlineCallbacks, maybeDeferred

from casecart.runtime.fault import told
from casecart.runtime.sharing import DRAIN, LeasedJournal
from casecart.runtime.waiting import tries_of
from casecart.store import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping

    from twisted.internet.defer import Deferred
    from twisted.python.failure import Failure

    from casecart.runtime.clock import Clock
    from casecart.runtime.difference import Names
    from casecart.runtime.dispatcher import Dispatcher
    from casecart.runtime.journal import Journal
    from casecart.runtime.parts import Parts
    from casecart.runtime.sharing import Sharing
    from casecart.runtime.writer import MappingWriter
    from casecart.store import Store

__all__ = ["WayOut", "WaysOut"]

log = logging.getLogger(__name__)

FINISH: Final = 60.0
"""Seconds that what is on its way to a destination has when that is exchanged. Nothing else waits for it."""

AGAIN: Final = 1.0  # seconds until a store that was unavailable is asked again


class WayOut(NamedTuple):
    """One destination's."""

    dispatcher: Dispatcher
    writer: MappingWriter | None
    leased: LeasedJournal | None
    """Where engines share the store: what it writes is written under the lease of its destination."""


class WaysOut:
    """Those of one engine.

    Args:
        store: has the queues, and what people want of destinations.
        journal: makes states durable.
        reactor: for what is tried again.
        broken: told that the store failed for good, or the engine did; it must stop.

    Attributes:
        dispatchers: those that are at work, by the names of their destinations.
        journals: theirs, where engines share the store.
        sharing: set by the engine, where engines share the store: tells what is ours.
    """

    def __init__(self, store: Store, journal: Journal, reactor: Clock, broken: Callable[[Exception], None]) -> None:
        self._store, self._journal, self._reactor, self._broken = store, journal, reactor, broken
        self.dispatchers: dict[str, Dispatcher] = {}
        self.journals: dict[str, LeasedJournal] = {}
        self.sharing: Sharing | None = None
        self._ways: dict[str, WayOut] = {}
        self._leaving: dict[str, list[WayOut]] = {}
        self._stopped = False

    def make(self, parts: Parts, names: Collection[str]) -> dict[str, WayOut]:
        """Makes dispatchers, which do nothing yet; they are put to work by `exchange`, or let go of by `discard`.

        Raises:
            WorkspaceError: such as for a secret that is not there.
            StoreUnavailable: what people want of destinations is not known.
        """
        made: dict[str, WayOut] = {}
        try:
            for name in sorted(names):
                leased = LeasedJournal(self._journal) if self._store.shared else None
                made[name] = WayOut(*parts.dispatcher(name, leased or self._journal), leased)
            switches = {switch.destination: switch for switch in self._store.switches()}
            for name, way in made.items():
                way.dispatcher.obey(switches.get(name))
        except BaseException:
            self.discard(made)
            raise
        return made

    def discard(self, made: Mapping[str, WayOut]) -> None:
        """They are not wanted after all."""
        for way in made.values():
            self._let_go(way)

    def add(self, made: Mapping[str, WayOut]) -> None:
        """They are the engine's; without a lease they are begun by `start` or `exchange`."""
        for name, way in made.items():
            self._ways[name], self.dispatchers[name] = way, way.dispatcher
            if way.leased is not None:
                self.journals[name] = way.leased

    def start(self) -> None:
        """Begin with what the store has. Raises `StoreUnavailable`."""
        tries = tries_of(self._store)
        for name, dispatcher in self.dispatchers.items():
            dispatcher.start(*tries.get(name, ()))

    def exchange(self, made: Mapping[str, WayOut], names: Names, parts: Parts) -> None:
        """From now on these are at work, and what destinations that stay write is written as the parts say.

        Args:
            made: for the destinations that are new or changed.
            names: of what is different.
            parts: of the new workspace.
        """
        gone = {name: self._ways.pop(name) for name in names.end if name in self._ways}
        for name in gone:
            del self.dispatchers[name]
            self.journals.pop(name, None)
        for name, way in self._ways.items():
            if way.writer is not None:
                way.writer.write_by(parts.writers[name])
        self.add(made)
        for name, way in gone.items():
            self._leave(name, way)
        for name in made:
            if name not in self._leaving:
                self._begin(name)

    def _leave(self, name: str, way: WayOut) -> None:
        self._leaving.setdefault(name, []).append(way)
        way.dispatcher.stop(FINISH).addCallback(lambda _: self._left(name, way))

    def _left(self, name: str, way: WayOut) -> None:
        """What was on its way is at its end, or had its time."""
        way.dispatcher.release()
        self._let_go(way)
        self._leaving[name].remove(way)
        if self._leaving[name]:
            return
        del self._leaving[name]
        self._begin(name, way.leased)

    def _begin(self, name: str, before: LeasedJournal | None = None) -> None:
        """Take the queue, if it is ours; what another one has left of it is in the store."""
        dispatcher = self.dispatchers.get(name)
        if dispatcher is None or dispatcher.started or self._stopped:
            return
        leased = self.journals.get(name)
        if self.sharing is not None and leased is not None:
            if before is None or name not in self.sharing.sends:
                return  # it is begun when its lease is ours
            leased.fence = before.fence
        try:
            switches = {switch.destination: switch for switch in self._store.switches()}
            waiting = tries_of(self._store).get(name)
        except StoreUnavailable:
            self._reactor.callLater(AGAIN, self._begin, name, before)
            return
        except Exception as fault:  # noqa: BLE001 - as in the journal
            self._broken(fault)
            return
        dispatcher.obey(switches.get(name))
        # Whoever mended its settings waits for no pause that the old ones earned; how often they failed still counts.
        dispatcher.start(*(() if waiting is None else (0, waiting[1])))

    def finish(self, name: str) -> Deferred[None]:
        """Send nothing more to a destination; fires when what is on its way is at its end."""
        ways = [way.dispatcher for way in self._leaving.get(name, ())]
        current = self.dispatchers.get(name)
        ends = [dispatcher.stop(DRAIN) for dispatcher in [*ways, *filter(None, [current])]]
        return gatherResults(ends).addCallback(lambda _: None)

    @inlineCallbacks
    def stop(self, within: float) -> Generator[Deferred[None], None, None]:
        """Send nothing more; fires when what is on its way was answered and recorded, or its time is up."""
        self._stopped = True
        leaving = [way.dispatcher for ways in self._leaving.values() for way in ways]
        cuts = [self._reactor.callLater(within, dispatcher.release) for dispatcher in leaving]
        for dispatcher in [*leaving, *self.dispatchers.values()]:
            yield dispatcher.stop(within)
        for cut in cuts:
            if cut.active():
                cut.cancel()

    @inlineCallbacks
    def let_go(self) -> Generator[Deferred[None], None, None]:
        """Of connections and files."""
        for dispatcher in self.dispatchers.values():
            yield dispatcher.destination.stop()

    @staticmethod
    def _let_go(way: WayOut) -> None:
        name = way.dispatcher.name

        def failed(failure: Failure) -> None:
            log.error("destination %s could not be let go of: %s", name, told(failure.value))

        maybeDeferred(way.dispatcher.destination.stop).addErrback(failed)
