"""A batch's way to its destination and back: what is stored before it is sent, and what its answer comes to."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal, cast

from twisted.internet.defer import Deferred, maybeDeferred

from casecart.runtime.destination import Answer, Delivery, Destination, NotDelivered, OutcomeUnknown
from casecart.runtime.error_class import error_class
from casecart.runtime.fault import told
from casecart.runtime.outcome import Outcomes, delay_of
from casecart.runtime.states import OPEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.python.failure import Failure

    from casecart.runtime.clock import Clock
    from casecart.runtime.destination import Posting, Searchable, TwoStep
    from casecart.runtime.health import Health
    from casecart.runtime.settlement import Settling
    from casecart.runtime.states import PostingEvent
    from casecart.runtime.window import Batch, Work
    from casecart.store import Change

__all__ = ["Flights", "Write"]

log = logging.getLogger(__name__)

Calling = Literal["post", "look up", "carry out"]
Write = Callable[[Callable[["Change"], None], Callable[[], None]], None]
"""Has something added to the next change, and calls back when that is durable."""


class Flights:
    """What is on its way to one destination. What comes back for a batch that is not is ignored.

    Args:
        name: the destination's.
        destination: the connector.
        reactor: monotonic seconds.
        write: makes states durable.
        settling: adds a batch's states to a change.
        outcomes: applies what comes back.
        health: told of trouble, and of the end of it.
        landed: called with a batch that has ended, when what came of it is durable.
    """

    def __init__(
        self,
        *,
        name: str,
        destination: Destination,
        reactor: Clock,
        write: Write,
        settling: Settling,
        outcomes: Outcomes,
        health: Health,
        landed: Callable[[Batch], None],
    ) -> None:
        self._name, self._destination, self._reactor, self._write = name, destination, reactor, write
        self._settling, self._outcomes, self._health, self._landed = settling, outcomes, health, landed
        self._delivery: Delivery = destination.delivery
        self._batches: set[Batch] = set()

    def forget(self) -> None:
        """Nothing of it is ours any more: whatever comes back is heard by nobody."""
        self._batches.clear()

    def __len__(self) -> int:
        """How many calls are on their way."""
        return len(self._batches)

    def still_settling(self, batch: Batch) -> float:
        """Seconds for which what was sent may still come to light, where that is searched for."""
        now, settling = self._reactor.seconds(), self._settle
        for work in batch.works:
            if work.called_at is None:  # by an engine that is gone, maybe just now; the wall clock proves nothing
                work.called_at = now
        return max((work.called_at or 0.0) + settling - now for work in batch.works) if settling else 0.0

    @property
    def _settle(self) -> float:
        return cast("Searchable", self._destination).settling if self._delivery is Delivery.SEARCHABLE else 0.0

    # --- there
    def post(self, batch: Batch) -> None:
        """Send it."""
        self._begin(batch)
        self._outcomes.sent(batch)
        if self._delivery in {Delivery.KEYED, Delivery.BLIND}:
            self._call(batch, "post")
            return
        try:
            self._group(batch)
        except Exception as error:  # noqa: BLE001 - a connector's fault: it costs these postings, not the engine
            self._not_grouped(batch, error)
            return
        self._remember(batch)

    def look_up(self, batch: Batch) -> None:
        """Ask what became of it."""
        for _, posting in batch.items:
            if posting.state == "sent":  # found after a crash
                self._outcomes.apply(posting, "no answer", posting.code, posting.words)
        self._begin(batch)
        self._call(batch, "look up")

    def _begin(self, batch: Batch) -> None:
        batch.began = self._health.round
        self._batches.add(batch)

    def _group(self, batch: Batch) -> None:
        """What goes out together is decided here, and stored before anything is sent."""
        if self._delivery is not Delivery.TWO_STEP:
            return
        destination = cast("TwoStep", self._destination)
        for work in batch.works:
            postings = [posting for each, posting in batch.items if each is work]
            for posting, group in zip(postings, destination.groups(postings), strict=True):
                posting.group = group

    def _not_grouped(self, batch: Batch, error: Exception) -> None:
        words = f"The connector failed ({told(error)})."
        log.error("destination %s: %s", self._name, words)
        self._broken(batch, NotDelivered("connector-fault", words), "post")

    def _remember(self, batch: Batch) -> None:
        """What may have its effect is stored before it is sent: it is asked for before it is sent again."""
        stored_at: list[float] = []

        def fill(change: Change) -> None:
            stored_at[:] = [self._reactor.seconds()]
            self._settling.record(batch, change)

        def done() -> None:
            late = self._reactor.seconds() - stored_at[0]
            if self._delivery is Delivery.SEARCHABLE and late > self._settle / 2 > 0:
                # Stopped in between, for so long that another one may have looked it up in vain: is it still ours?
                self._remember(batch)
            else:
                self._call(batch, "post")

        self._write(fill, done)

    def _call(self, batch: Batch, calling: Calling) -> None:
        self._underway(batch, calling)
        if calling == "post":
            method = self._destination.post
        elif calling == "look up":
            method = self._destination.look_up
        else:
            method = cast("TwoStep", self._destination).carry_out
        call: Deferred[Sequence[Answer]] = maybeDeferred(method, batch.postings)
        which = (batch, calling)
        call.addCallbacks(self._answered, self._failed, callbackArgs=which, errbackArgs=which)
        call.addErrback(self._fault, batch)

    def _underway(self, batch: Batch, calling: Calling) -> None:
        """Something may be sent from here on, or may have been until now."""
        if calling == "post":
            for work in batch.works:
                work.called_at = self._reactor.seconds()

    # --- answers
    def _answered(self, answers: Sequence[Answer], batch: Batch, calling: Calling) -> None:
        if batch not in self._batches:
            return
        wrong = self._wrong(answers, batch, calling)
        if wrong:
            log.error("destination %s: the connector failed: %s", self._name, wrong)
            self._broken(batch, OutcomeUnknown("connector-fault", f"The connector failed: {wrong}."), calling)
            return
        self._underway(batch, calling)
        self._outcomes.answered()
        trouble = next((answer for answer in answers if not answer.tried), None)
        drafted, spared = self._heard(answers, batch, trouble)
        self._outcomes.strike(batch, spared)
        if trouble is not None:
            # It broke off in the middle: the destination is in trouble, not the postings that it did not see.
            error = error_class(trouble) or "unknown"
            self._health.failed(trouble.code, trouble.words, error, began=batch.began, retry_after=trouble.retry_after)
            self._finish(batch)
            return
        self._health.succeeded()
        left = [work for work, posting in batch.items if posting.state in OPEN and id(posting) not in spared]
        batch.delay = max([batch.delay, *map(delay_of, left)])
        if drafted:
            # The effect is asked for only when it is stored, by the one who holds the destination, of which draft.
            self._write(partial(self._settling.record, batch), partial(self._carry_out, batch, drafted))
        else:
            self._finish(batch)

    def _heard(
        self, answers: Sequence[Answer], batch: Batch, trouble: Answer | None
    ) -> tuple[list[tuple[Work, Posting]], set[int]]:
        """What may be carried out now, and the ids of the postings that the answers say nothing bad of."""
        drafted: list[tuple[Work, Posting]] = []
        spared: set[int] = set()
        behind: set[bytes] = set()  # keys of which something must go again first
        for item, answer in zip(batch.items, answers, strict=True):
            work, posting = item
            if answer.state != "drafted":
                self._outcomes.hear(posting, answer)
                if posting.state in OPEN:
                    behind.add(work.entry.order_key)
            elif work.entry.order_key in behind:
                self._outcomes.apply(posting, "no answer", "waits-its-turn", "What comes before it must go again.")
            elif trouble is None:
                posting.reference = answer.reference
                drafted.append(item)
            else:  # it is harmless where it is, and is found when the destination is well
                self._outcomes.apply(posting, "no answer", trouble.code, trouble.words)
            if answer.state == "drafted" or not answer.tried:
                spared.add(id(posting))
        return drafted, spared

    def _wrong(self, answers: Sequence[Answer], batch: Batch, calling: Calling) -> str:
        """What a connector can't mean; found before any of it is taken."""
        if len(answers) != len(batch.items):
            return f"{len(answers)} answers for {len(batch.items)} postings"
        two_step = self._delivery is Delivery.TWO_STEP and calling != "carry out"
        if not two_step and any(answer.state == "drafted" for answer in answers):
            return f"'drafted' is no answer to '{calling}' of a {self._delivery.value} destination"
        return ""

    def _carry_out(self, batch: Batch, drafted: list[tuple[Work, Posting]]) -> None:
        batch.items = drafted
        self._call(batch, "carry out")

    def _failed(self, failure: Failure, batch: Batch, calling: Calling) -> None:
        """The call as a whole failed."""
        if batch in self._batches:
            self._broken(batch, cast("Exception", failure.value), calling)

    def _broken(self, batch: Batch, error: Exception, calling: Calling) -> None:
        """Wait, then try again."""
        self._underway(batch, calling)
        event: PostingEvent = "no answer"
        retry_after = None
        if isinstance(error, NotDelivered):
            code, words, retry_after = error.code, error.words, error.retry_after
            event = "not delivered" if calling == "post" else "no answer"
        elif isinstance(error, OutcomeUnknown):
            code, words = error.code, error.words
        else:
            code, words = "connector-fault", f"The connector failed ({told(error)})."
            log.error("destination %s: %s", self._name, words)
        for work, posting in batch.items:
            self._outcomes.apply(posting, event, code, words)
            if event == "no answer" and len(batch.items) > 1 and calling == "post":
                work.alone = True
        kind = error_class(error) or "unknown"
        self._health.failed(code, words, kind, began=batch.began, retry_after=retry_after)
        self._outcomes.strike(batch)
        self._finish(batch)

    def _finish(self, batch: Batch) -> None:
        """Make the states durable, then let the keys go on."""
        if self._delivery in {Delivery.KEYED, Delivery.BLIND} and all(
            each.state == "planned" for each in batch.postings
        ):
            # Nothing to remember: after a crash the same keys go out again.
            self._end(batch)
        else:
            self._write(partial(self._settling.record, batch), partial(self._end, batch))

    def _fault(self, failure: Failure, batch: Batch) -> None:
        """The dispatcher itself failed: each posting goes on alone, and to a person if it fails again and again."""
        words = "The engine failed over the answer to this posting; its log says where."
        log.error("destination %s: the dispatcher failed (%s)", self._name, told(failure.value))
        if batch not in self._batches:  # it has ended, and what failed is what came after it
            return
        self._outcomes.doubted(batch, "dispatcher-fault", words)
        batch.delay = max(map(delay_of, batch.works))
        self._write(partial(self._settling.record, batch), partial(self._end, batch))

    def _end(self, batch: Batch) -> None:
        self._batches.remove(batch)
        self._landed(batch)
