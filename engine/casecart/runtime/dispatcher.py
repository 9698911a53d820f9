"""The dispatcher of one destination: takes work in order, sends it in batches, and sees each posting to its end.

What became of a posting is durable before the next of its key goes out.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred, maybeDeferred

from casecart.runtime.backoff import Backoff
from casecart.runtime.destination import Answer, Delivery, Destination, NotDelivered, OutcomeUnknown, Posting
from casecart.runtime.fault import told
from casecart.runtime.marks import DISPATCHER
from casecart.runtime.settlement import Settling
from casecart.runtime.shared_outbox import outbox_of
from casecart.runtime.states import OPEN, PostingEvent, after, next_step
from casecart.store import Store, Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from twisted.python.failure import Failure

    from casecart.runtime.clock import Call, Clock
    from casecart.runtime.destination import TwoStep
    from casecart.runtime.journal import Journal
    from casecart.runtime.sharing import LeasedJournal
    from casecart.runtime.window import Batch, Work

__all__ = ["Dispatcher", "Limits"]

log = logging.getLogger(__name__)

COMPANY = 0.005
"""Seconds that postings wait until there are as many as go out in one call: a call costs as much as ten messages."""

HISTORY = 40  # states that are remembered of a posting: the first, and the last ones

_EVENTS: dict[str, PostingEvent] = {
    "posted": "taken",
    "rejected": "refused",
    "held": "needs a person",
    "retry": "not delivered",
    "unknown": "no answer",
}
_LOOKED_UP: dict[str, PostingEvent] = {**_EVENTS, "posted": "found", "retry": "not found"}


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
        self._store, self._journal, self._reactor, self._now = store, journal, reactor, now
        self._settling = Settling(destination=name, organisation=organisation, now=now, identifier=identifier)
        self._delivery: Delivery = destination.delivery
        self._outbox = outbox_of(name, store, limits.window)
        self._backoff = Backoff(random)
        self._in_flight = 0
        self._answers = 0
        self._resume: Call | None = None
        self._company: Call | None = None
        self._waited = False
        self._waits: set[Call] = set()
        self._idle: Deferred[None] | None = None
        self.settled = 0
        """How many calls have ended, with what came of them in the store."""
        self.paused = False
        self._started = False
        self._timed = False  # whether a timer row of an earlier run is there
        self.trouble = ""
        """Why the destination is being waited for, in plain words; empty when all is well."""

    # --- work comes in
    def start(self, resume_at: int | None = None) -> None:
        """Begin with what the store has; not before `resume_at` (µs), where an earlier run was backing off."""
        self._started = True
        self._timed = resume_at is not None
        wait = (resume_at - self._now()) / 1e6 if resume_at is not None else 0.0
        if wait > 0:
            self._wait(min(wait, 3600.0))
        else:
            self.pump()

    def feed(self, works: Iterable[Work]) -> None:
        """Work that has just been committed."""
        self._outbox.feed(works)
        self.pump()

    def resync(self) -> None:
        """The store was away and may have taken work that was not fed."""
        self._outbox.resync()
        self.pump()

    # --- work goes out
    def pause(self, *, paused: bool) -> None:
        """Stop sending, or go on; what is on its way is seen to its end."""
        self.paused = paused
        if not paused:
            self.pump()

    def pump(self) -> None:
        """Send what may be sent now."""
        while self._started and not self.paused and self._resume is None and self._journal.open:
            if self._in_flight >= (1 if self._backoff.open else self.limits.concurrency):
                return
            if not (self._waited or self._backoff.open or self._outbox.full(self.limits.batch)):
                self._wait_for_company()
                return
            batch = self._outbox.take(1 if self._backoff.open else self.limits.batch)
            if not batch.items:
                if self._outbox.failed:
                    self._wait(1.0)
                return
            self._send(batch)

    def _wait_for_company(self) -> None:
        if self._company is None and self._outbox.any:
            self._company = self._reactor.callLater(COMPANY, self._enough)

    def _enough(self) -> None:
        self._company, self._waited = None, True
        self.pump()
        self._waited = False

    def _send(self, batch: Batch) -> None:
        self._in_flight += 1
        delivery = self._delivery
        asked = [
            item
            for item in batch.items
            if item[1].state != "planned" and next_step(delivery, item[1].state) == "look up"
        ]
        if asked:
            batch.items = asked
            for _, posting in asked:
                if posting.state == "sent":  # found after a crash
                    self._apply(posting, "no answer", self._now(), posting.code, posting.words)
            self._call(batch, _LOOKED_UP, self.destination.look_up)
            return
        at = self._now()
        for _, posting in batch.items:
            posting.state = after(posting.state, "send") if posting.state != "sent" else "sent"
            posting.attempts += 1
            posting.history.append((at, "sent"))
            if len(posting.history) > HISTORY:
                del posting.history[1 : 1 - HISTORY]
        self._group(batch)
        call = partial(self._call, batch, _EVENTS, self.destination.post)
        if self._delivery in {Delivery.TWO_STEP, Delivery.SEARCHABLE}:
            # What may have had its effect must be known after a crash, to be asked for before it is sent again.
            self._journal.write(partial(self._settling.record, batch), call)
        else:
            call()

    def _group(self, batch: Batch) -> None:
        """What goes out together is decided here, and stored before anything is sent."""
        if self._delivery is not Delivery.TWO_STEP:
            return
        destination = cast("TwoStep", self.destination)
        for work in batch.works:
            postings = [posting for each, posting in batch.items if each is work]
            for posting, group in zip(postings, destination.groups(postings), strict=True):
                posting.group = group

    def _call(
        self,
        batch: Batch,
        events: dict[str, PostingEvent],
        method: Callable[[Sequence[Posting]], Deferred[Sequence[Answer]]],
    ) -> None:
        calling: Deferred[Sequence[Answer]] = maybeDeferred(method, batch.postings)
        calling.addCallback(self._answered, batch, events)
        calling.addErrback(self._failed, batch, events)
        calling.addErrback(self._fault, batch)

    # --- answers
    def _answered(self, answers: Sequence[Answer], batch: Batch, events: dict[str, PostingEvent]) -> None:
        if len(answers) != len(batch.items):
            message = f"{len(answers)} answers for {len(batch.items)} postings"
            raise ValueError(message)
        at = self._now()
        self._answers += 1
        again = False
        for (_, posting), answer in zip(batch.items, answers, strict=True):
            self._apply(posting, events[answer.state], at, answer.code, answer.words)
            posting.proof, posting.reference = answer.proof, answer.reference or posting.reference
            again = again or posting.state in OPEN
        untried: set[int] = set()
        if again:
            untried = {id(item[1]) for item, answer in zip(batch.items, answers, strict=True) if not answer.tried}
        self._strike(batch, at, untried)
        if untried:
            # It broke off in the middle: the destination is in trouble, not the postings that it did not see.
            trouble = next(answer for answer in answers if not answer.tried)
            self._set_trouble(trouble.code, trouble.words, self._backoff.failed(trouble.retry_after))
            self._finish(batch, 0.0)
            return
        self._backoff.succeeded()
        self._clear_trouble()
        self._finish(batch, self._backoff_of(batch) if again else 0.0)

    def _failed(self, failure: Failure, batch: Batch, events: dict[str, PostingEvent]) -> None:
        """The call as a whole failed: wait, then try again."""
        error = failure.value
        at = self._now()
        retry_after = None
        if isinstance(error, NotDelivered):
            code, words, retry_after = error.code, error.words, error.retry_after
            event: PostingEvent = "not delivered" if events is _EVENTS else "no answer"
        elif isinstance(error, OutcomeUnknown):
            code, words, event = error.code, error.words, "no answer"
        else:
            code, event = "connector-fault", "no answer"
            words = f"The connector failed ({told(error)})."
            log.error("destination %s: %s", self.name, words)
        for work, posting in batch.items:
            self._apply(posting, event, at, code, words)
            if event == "no answer" and len(batch.items) > 1 and events is _EVENTS:
                work.alone = True
        delay = self._backoff.failed(retry_after)
        self._strike(batch, at)
        self._set_trouble(code, words, delay)
        self._finish(batch, 0.0, unsettled=not any(posting.state not in OPEN for posting in batch.postings))

    def _apply(self, posting: Posting, event: PostingEvent, at: int, code: str, words: str) -> None:
        posting.unsure = event == "tries used up" and posting.state == "unknown"
        posting.state = after(posting.state, event)
        posting.code, posting.words = code, words
        if posting.state == "planned":
            posting.group = ""
        if posting.history[-1][1] != posting.state:
            posting.history.append((at, posting.state))

    def _strike(self, batch: Batch, at: int, untried: Collection[int] = ()) -> None:
        """What fails again and again while the destination answers others is given to a person in the end."""
        for work, posting in batch.items:
            if posting.state not in OPEN:
                work.strikes, work.struck_at = 0, self._answers  # it gets on
        if not any(posting.state in OPEN for _, posting in batch.items):
            return
        for work, posting in batch.items:
            if posting.state in OPEN and id(posting) not in untried and work.struck_at != self._answers:
                work.strikes += 1
                work.struck_at = self._answers
        for work, posting in batch.items:
            if posting.state in OPEN and work.strikes >= self.limits.tries:
                self._apply(posting, "tries used up", at, posting.code or "tries-used-up", posting.words)

    @staticmethod
    def _backoff_of(batch: Batch) -> float:
        strikes = max(work.strikes for work in batch.works)
        return min(60.0, 0.5 * 2.0 ** min(strikes, 16))

    def _finish(self, batch: Batch, delay: float, *, unsettled: bool = False) -> None:
        """Make the states durable, then let the keys go on."""
        if unsettled and self._delivery in {Delivery.KEYED, Delivery.BLIND}:
            # Nothing to remember: after a crash the same keys go out again.
            self._free(batch, delay)
        else:
            self._journal.write(partial(self._settling.record, batch), partial(self._free, batch, delay))

    def _free(self, batch: Batch, delay: float) -> None:
        self._in_flight -= 1
        self.settled += 1
        if delay:
            self._waits.add(self._reactor.callLater(delay, self._freed_later, batch))
        else:
            self._outbox.free(batch.keys)
        self.pump()
        if self._idle is not None and not self._in_flight:
            self._limit.cancel()
            self._give_up()

    def _freed_later(self, batch: Batch) -> None:
        self._waits = {call for call in self._waits if call.active()}
        self._outbox.free(batch.keys)
        self.pump()

    def _fault(self, failure: Failure, batch: Batch) -> None:
        """The dispatcher itself failed; the batch stays as it is until the next start, and blocks its keys."""
        log.error("destination %s: the dispatcher failed (%s)", self.name, told(failure.value))
        self.trouble = "The dispatcher failed; see the log."
        self._in_flight -= 1
        del batch

    # --- trouble
    def _set_trouble(self, code: str, words: str, delay: float) -> None:
        if not self.trouble:
            log.warning("destination %s: %s (%s); trying again", self.name, words, code)
        self.trouble = f"{words} ({code})"
        due = self._now() + int(delay * 1e6)
        timer = Timer(DISPATCHER, self.name, due, code)
        self._journal.write(lambda change: change.timers.append(timer), lambda: None)
        self._wait(delay)

    def _clear_trouble(self) -> None:
        if self.trouble:
            log.warning("destination %s: answers again", self.name)
        if self.trouble or self._timed:
            self.trouble, self._timed = "", False
            self._journal.write(lambda change: change.timers_done.append((DISPATCHER, self.name)), lambda: None)

    def _wait(self, delay: float) -> None:
        if self._resume is not None:
            self._resume.cancel()
        self._resume = self._reactor.callLater(delay, self._resumed)

    def _resumed(self) -> None:
        self._resume = None
        self.pump()

    @property
    def next_try(self) -> float | None:
        """Seconds until the destination is tried again; None when it is not being waited for."""
        return None if self._resume is None else self._resume.getTime() - self._reactor.seconds()

    @property
    def breaker_open(self) -> bool:
        """Whether the destination failed so often that only one posting at a time probes it."""
        return self._backoff.open

    # --- the end
    def stop(self, within: float) -> Deferred[None]:
        """Send nothing more; fires when what is on its way was answered and recorded, or after `within` seconds."""
        self._started = False
        for call in [*self._waits, self._resume, self._company]:
            if call is not None and call.active():
                call.cancel()
        self._resume = self._company = None
        done: Deferred[None] = Deferred()
        if not self._in_flight:
            done.callback(None)
            return done
        self._idle = done
        self._limit = self._reactor.callLater(within, self._give_up)
        return done

    def release(self) -> None:
        """Another engine sends from here on: forget what is in memory."""
        self.stop(0.0)
        self._in_flight = 0
        self._outbox = outbox_of(self.name, self._store, self.limits.window)

    def _give_up(self) -> None:
        if self._idle is not None:
            idle, self._idle = self._idle, None
            idle.callback(None)
