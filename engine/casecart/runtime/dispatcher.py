"""The dispatcher of one destination: takes work in order, sends it in batches, and sees each posting to its end.

What became of a posting is durable before the next of its key goes out. Whatever is written is written by `_write`: so
a dispatcher that lost its destination to another one (`release`) neither writes nor sends.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from casecart.runtime.flight import Flights
from casecart.runtime.health import Health
from casecart.runtime.marks import DRAINED
from casecart.runtime.outcome import HISTORY, Outcomes
from casecart.runtime.pace import Pace
from casecart.runtime.settlement import Settling
from casecart.runtime.shared_outbox import outbox_of
from casecart.runtime.states import next_step
from casecart.store import Cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from casecart.runtime.clock import Call, Clock
    from casecart.runtime.destination import Delivery, Destination, Posting
    from casecart.runtime.journal import Journal
    from casecart.runtime.sharing import LeasedJournal
    from casecart.runtime.window import Batch, Work
    from casecart.store import Change, Entry, Store, Switch

__all__ = ["HISTORY", "Dispatcher", "Limits"]

log = logging.getLogger(__name__)

COMPANY = 0.005
"""Seconds that postings wait until there are as many as go out in one call: a call costs as much as ten messages."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a dispatcher."""

    batch: int = 100
    """Postings a call."""
    concurrency: int = 1
    """Calls at once."""
    window: int = 5_000
    """Ledger rows in memory."""
    tries: int = 10
    """Failures of one posting, while others succeed, before a person is asked."""
    rate: float | None = None
    """Postings a second."""


class Dispatcher:
    """Work for one destination.

    Args:
        name: the destination's, as configured.
        destination: the connector.
        store: asked for work that is not in memory.
        journal: makes states durable.
        reactor: for back-off.
        now: wall clock, µs since 1970.
        random: in [0, 1), for jitter.
        identifier: mints ids of exceptions.
        organisation: for exceptions.
        limits: what bounds it.
    """

    def __init__(
        self,
        *,
        name: str,
        destination: Destination,
        store: Store,
        journal: Journal | LeasedJournal,
        reactor: Clock,
        now: Callable[[], int],
        random: Callable[[], float],
        identifier: Callable[[], bytes],
        organisation: str,
        limits: Limits,
    ) -> None:
        self.name, self.destination, self.limits = name, destination, limits
        self._store, self._journal, self._reactor, self._now, self._random = store, journal, reactor, now, random
        self._settling = Settling(destination=name, organisation=organisation, now=now, identifier=identifier)
        self._delivery: Delivery = destination.delivery
        self._pace = None if limits.rate is None else Pace(limits.rate, reactor.seconds)
        self._idle: list[Deferred[None]] = []
        self.settled = 0
        """How many calls have ended, with what came of them in the store."""
        self.paused = False
        self._wish: int | None = None  # to drain it
        self._term = 0
        self._forget()

    def _forget(self) -> None:
        """All that is known by having worked; what is left is in the store."""
        self._outbox = outbox_of(self.name, self._store, self.limits.window, self._damaged)
        self._health = Health(
            name=self.name,
            random=self._random,
            reactor=self._reactor,
            now=self._now,
            write=lambda fill: self._write(fill, lambda: None),
            go_on=self._go_on,
        )
        self._flights = Flights(
            name=self.name,
            destination=self.destination,
            reactor=self._reactor,
            write=self._write,
            settling=self._settling,
            outcomes=Outcomes(now=self._now, tries=self.limits.tries),
            health=self._health,
            landed=self._landed,
        )
        self._company: Call | None = None
        self._paced: Call | None = None
        self._waited = False
        self._waits: set[Call] = set()
        self._told: tuple[int, int] | None = None
        self._started = False

    # --- work comes in
    def start(self, resume_at: int | None = None, note: str = "") -> None:
        """Begin with what the store has, for the first time or after `release`.

        Args:
            resume_at: not before (µs), where an earlier run was backing off.
            note: what that run noted of it (`Waiting`).
        """
        self._started = True
        self._health.begin(resume_at, note)
        self._go_on()

    def feed(self, works: Iterable[Work]) -> None:
        """Work that has just been committed."""
        self._outbox.feed(works)
        if self._wish is None:  # to a drain it is nothing: what is new is not sent
            self.pump()

    def resync(self) -> None:
        """The store was away and may have taken work that was not fed."""
        self._outbox.resync()
        self._go_on()

    # --- work goes out
    def obey(self, switch: Switch | None) -> None:
        """Do what a person wants of the destination; None: nobody ever wanted anything."""
        wish = switch.recorded_at if switch is not None and switch.state == "draining" else None
        paused = switch is not None and switch.state != "running"
        if (paused, wish) != (self.paused, self._wish):
            self._wish = wish
            self.pause(paused=paused)

    def pause(self, *, paused: bool) -> None:
        """Send nothing new, or go on; what is on its way is seen to its end."""
        self.paused = paused
        self._go_on()

    def pump(self) -> None:
        """Send what may be sent now."""
        while self._may_send() and len(self._flights) < (1 if self._health.breaker_open else self.limits.concurrency):
            batch = self._next()
            if batch is None:
                return
            self._send(batch)

    def _go_on(self) -> None:
        self.pump()
        self._tell()

    def _may_send(self) -> bool:
        held_back = (self.paused and self._wish is None) or self._paced is not None or self._health.next_try is not None
        return self._started and not held_back and self._journal.open

    def _next(self) -> Batch | None:
        """The next batch; None: nothing may go now."""
        most = 1 if self._health.breaker_open else self.limits.batch
        draining = self._wish is not None
        if not (self._waited or draining or self._health.breaker_open or self._outbox.full(self.limits.batch)):
            self._wait_for_company()
            return None
        if self._pace is not None:
            wait = self._pace.wait(max(1, min(most, self._outbox.ready)))
            if wait > 0:
                self._paced = self._reactor.callLater(wait, self._paced_out)
                return None
            most = min(most, self._pace.allowed)
        batch = self._outbox.take(most, uncertain=draining)
        if batch.items:
            if self._pace is not None:
                self._pace.took(len(batch.items))
            return batch
        if self._outbox.failed:
            self._health.wait(1.0)
        return None

    def _wait_for_company(self) -> None:
        if self._company is None and self._outbox.any:
            self._company = self._reactor.callLater(COMPANY, self._enough)

    def _enough(self) -> None:
        self._company, self._waited = None, True
        self.pump()
        self._waited = False

    def _paced_out(self) -> None:
        self._paced, self._waited = None, True
        self.pump()
        self._waited = False

    def _send(self, batch: Batch) -> None:
        asked = [
            item
            for item in batch.items
            if item[1].state != "planned" and next_step(self._delivery, item[1].state) == "look up"
        ]
        if asked:
            self._ask(batch, asked)
        else:
            self._flights.post(batch)

    def _ask(self, batch: Batch, asked: list[tuple[Work, Posting]]) -> None:
        """Look up what may have had its effect; all else of the batch is left for the next one."""
        mine = {work.entry.order_key for work, _ in asked}
        self._outbox.free([key for key in batch.keys if key not in mine])
        batch.items, batch.keys = asked, [key for key in batch.keys if key in mine]
        wait = self._flights.still_settling(batch)
        if wait > 0:
            self._later(batch, wait)
        else:
            self._flights.look_up(batch)

    def _landed(self, batch: Batch) -> None:
        """The keys of a batch that has ended go on."""
        self.settled += 1
        if batch.delay:
            self._later(batch, batch.delay)
        else:
            self._outbox.free(batch.keys)
        self._go_on()
        if self._idle and not self._flights:
            self._limit.cancel()
            self._give_up()

    def _later(self, batch: Batch, delay: float) -> None:
        self._waits.add(self._reactor.callLater(delay, self._freed_later, batch))

    def _freed_later(self, batch: Batch) -> None:
        self._waits = {call for call in self._waits if call.active()}
        self._outbox.free(batch.keys)
        self.pump()

    def _damaged(self, entries: list[Entry]) -> None:
        """Rows of the ledger that can't be read: nothing of them is sent, and a person is told."""
        for entry in entries:
            log.error("destination %s: row %d of the ledger came out of the store damaged", self.name, entry.sequence)
        self._write(partial(self._settling.damaged, entries), lambda: None)

    def _write(self, fill: Callable[[Change], None], done: Callable[[], None]) -> None:
        """Have something added to the next change; the only way in which this writes.

        Nothing is added, and `done` is not called, when the destination was released in between.
        """
        term = self._term
        self._journal.write(
            lambda change: fill(change) if term == self._term else None,
            lambda: done() if term == self._term else None,
        )

    # --- how it is
    @property
    def started(self) -> bool:
        """Whether it sends, or would if it might."""
        return self._started

    def _tell(self) -> None:
        """Whoever wants it drained is told how many postings may still have their effect."""
        if self._wish is None or not self._started or self._outbox.unread:
            return
        if self._told == (self._wish, 0):  # nothing new is sent
            return
        now = (self._wish, self._outbox.uncertain)
        if now != self._told:
            self._told = now
            mark = Cursor(DRAINED + self.name, 0, *now)
            self._write(lambda change: change.cursors.append(mark), lambda: None)

    @property
    def trouble(self) -> str:
        """Why the destination is being waited for, in plain words; empty when all is well."""
        return self._health.trouble

    @property
    def next_try(self) -> float | None:
        """Seconds until the destination is tried again; None when it is not being waited for."""
        return self._health.next_try

    @property
    def breaker_open(self) -> bool:
        """Whether the destination failed so often that only one posting at a time probes it."""
        return self._health.breaker_open

    # --- the end
    def stop(self, within: float) -> Deferred[None]:
        """Send nothing more; fires when what is on its way was answered and recorded, or after `within` seconds.

        Whoever asks while that lasts waits for the same.
        """
        self._halt()
        done: Deferred[None] = Deferred()
        if not self._flights:
            done.callback(None)
            return done
        # Its lease may be on its way to another engine, for which somebody waits already, when this one is stopped.
        if not self._idle:
            self._limit = self._reactor.callLater(within, self._give_up)
        self._idle.append(done)
        return done

    def release(self) -> None:
        """The destination is another dispatcher's from now on: send nothing, write nothing, forget everything.

        What is on its way can't be called back; what it comes to is heard by nobody. `start` begins anew.
        """
        self._halt()
        self._term += 1
        self._flights.forget()
        self._forget()
        if self._idle:
            self._limit.cancel()
            self._give_up()

    def _halt(self) -> None:
        self._started = False
        self._health.stop()
        for call in [*self._waits, self._company, self._paced]:
            if call is not None and call.active():
                call.cancel()
        self._company = self._paced = None

    def _give_up(self) -> None:
        idle, self._idle = self._idle, []
        for each in idle:
            each.callback(None)
