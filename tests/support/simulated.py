"""Small ERPs in memory, one of each class of delivery, and two engines of which one holds the lease and may write.

A request is on its way until the test lets it arrive, and may arrive when its caller has long given up.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from casecart.runtime.destination import Answer, Delivery, OutcomeUnknown, Posting
from casecart.runtime.dispatcher import Dispatcher, Limits
from casecart.runtime.made import decode_postings, encode_postings
from casecart.store import Change, Entry
from casecart.store.memory import MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from casecart.store import Store

__all__ = ["Connector", "Engine", "Erp", "Lease", "LeasedJournal", "Request", "Site"]

STEP = 0.05  # seconds


@dataclass
class Request:
    """One call, on its way."""

    name: str
    """``post``, ``look up`` or ``carry out``."""
    carry_out: Callable[[], Sequence[Answer]]
    answer: Deferred[Sequence[Answer]] = field(default_factory=Deferred)
    arrived: bool = False

    def arrive(self) -> None:
        """It is carried out, and answered if anybody still waits."""
        assert not self.arrived
        self.arrived = True
        said = self.carry_out()
        if not self.answer.called:
            self.answer.callback(said)

    def time_out(self) -> None:
        """Its caller gives up; it may still arrive."""
        self.answer.errback(OutcomeUnknown("timeout", "The service didn't answer in time."))


class Erp:
    """What is in the books, however it came there.

    Args:
        delivery: what it can do.
    """

    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery
        self.effects: Counter[str] = Counter()
        """How often each posting has had its effect, by key."""
        self.drafts: list[tuple[str, list[str], str]] = []
        """(reference, keys, state: draft, done or cancelled); the id is the place in the list."""
        self.short = False
        """Whether there is too little of everything: a draft is cancelled, not done."""

    def post(self, postings: Sequence[Posting]) -> list[Answer]:
        """Make a draft, or have the effect at once."""
        if self.delivery is not Delivery.TWO_STEP:
            for posting in postings:
                if self.delivery is not Delivery.KEYED or not self.effects[posting.key]:
                    self.effects[posting.key] += 1
            return [Answer("posted", "acknowledged") for _ in postings]
        for posting in postings:
            self.drafts.append((posting.group, [posting.key], "draft"))
        first = len(self.drafts) - len(postings)
        return [Answer("drafted", reference=str(first + index)) for index in range(len(postings))]

    def look_up(self, postings: Sequence[Posting]) -> list[Answer]:
        """Whether it is there."""
        return [self._found(posting) for posting in postings]

    def _found(self, posting: Posting) -> Answer:
        if self.delivery is not Delivery.TWO_STEP:
            return Answer("posted", "read back") if self.effects[posting.key] else Answer("retry", code="not-found")
        for number, (reference, _, state) in enumerate(self.drafts):
            if reference == posting.group and state != "cancelled":
                return Answer("drafted", reference=str(number))
        return Answer("retry", code="not-found")

    def carry_out(self, postings: Sequence[Posting]) -> list[Answer]:
        """A draft has its effect once, however often that is asked; a cancelled one never."""
        return [self._done(int(posting.reference)) for posting in postings]

    def _done(self, number: int) -> Answer:
        reference, keys, state = self.drafts[number]
        if state == "draft" and self.short:
            self.drafts[number] = (reference, keys, "cancelled")
            return Answer("held", code="not-enough-stock", words="There is not enough.")
        if state == "draft":
            self.effects.update(keys)
            self.drafts[number] = (reference, keys, "done")
        if state == "cancelled":
            return Answer("retry", code="cancelled", words="It is cancelled.")
        return Answer("posted", "read back", reference=f"S{number}")


class Connector:
    """One engine's way to an ERP. Its requests wait in `requests` for the test."""

    def __init__(self, erp: Erp, *, settling: float = 0.0) -> None:
        self.erp, self.delivery, self.settling = erp, erp.delivery, settling
        self.requests: list[Request] = []

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """On its way."""
        return self._send("post", self.erp.post, postings)

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """On its way."""
        return self._send("look up", self.erp.look_up, postings)

    def carry_out(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """On its way."""
        return self._send("carry out", self.erp.carry_out, postings)

    def groups(self, postings: Sequence[Posting]) -> list[str]:
        """Each in a draft of its own, and another one each time."""
        return [f"{posting.key}-{posting.attempts}" for posting in postings]

    def stop(self) -> Deferred[None]:
        """Nothing to let go of."""
        return succeed(None)

    def _send(
        self, name: str, method: Callable[[Sequence[Posting]], list[Answer]], postings: Sequence[Posting]
    ) -> Deferred[Sequence[Answer]]:
        # What is on the wire does not change any more, whatever its sender thinks by now.
        wire = [
            Posting(
                each.key, each.line, each.revision, each.place, each.kind, each.payload,
                group=each.group, reference=each.reference, attempts=each.attempts,
            )
            for each in postings
        ]  # fmt: skip
        request = Request(name, lambda: method(wire))
        self.requests.append(request)
        return request.answer

    @property
    def waiting(self) -> list[Request]:
        """What has not arrived, and is still waited for."""
        return [request for request in self.requests if not request.arrived and not request.answer.called]


class LeasedJournal:
    """Writes at once, and nothing for one who does not hold the lease.

    With `stop_after`, its engine is stopped at the instant behind that many writes: what was to follow is left, and
    goes on with `go_on`, as of a process that gets SIGSTOP and SIGCONT.
    """

    open = True

    def __init__(self, store: Store, lease: Lease) -> None:
        self._store, self._lease = store, lease
        self.stop_after: int | None = None
        self._left: list[Callable[[], None]] = []
        self.writes = 0
        self.refused = 0

    @property
    def stopped(self) -> bool:
        """Whether nothing runs behind its writes."""
        return self.stop_after is not None and self.writes >= self.stop_after

    def write(self, fill: Callable[[Change], None], done: Callable[[], None]) -> None:
        """As the journal's, in a change of its own."""
        if self._lease.holder is not self:
            self.refused += 1
            return
        change = Change()
        fill(change)
        self._store.write(change)
        self.writes += 1
        if self.stopped:
            self._left.append(done)
        else:
            done()

    def go_on(self) -> None:
        """The engine was stopped, and is not any more."""
        self.stop_after = None
        left, self._left = self._left, []
        for done in left:
            done()


class Lease:
    """Who holds the destination."""

    def __init__(self) -> None:
        self.holder: LeasedJournal | None = None


class Engine:
    """A dispatcher with a journal and a connector of its own."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.connector = Connector(site.erp, settling=site.settling)
        self.journal = LeasedJournal(site.store, site.lease)
        numbers = itertools.count(1)
        self.dispatcher = Dispatcher(
            name="erp",
            destination=self.connector,
            store=site.store,
            journal=self.journal,  # type: ignore[arg-type]  # all of the journal's that a dispatcher sees
            reactor=site.clock,
            now=site.now,
            random=lambda: 0.5,
            identifier=lambda: next(numbers).to_bytes(16, "big"),
            organisation="MERCY",
            limits=Limits(),
        )

    def take_over(self) -> Engine:
        """It holds the destination from now on, and begins with what the store has."""
        self.site.lease.holder = self.journal
        self.dispatcher.start()
        return self

    def run(self, seconds: float = 0.1, *, serving: int = 1_000) -> None:
        """Let time go by; at most so many of its requests arrive."""
        step = max(STEP, seconds / 200)
        for _ in range(round(seconds / step)):
            self.site.clock.advance(step)
            for request in self.connector.waiting[:serving]:
                request.arrive()
                serving -= 1


class Site:
    """A ledger with one planned posting, and an ERP; the engines share both."""

    def __init__(self, delivery: Delivery, *, settling: float = 0.0) -> None:
        self.store: Store = MemoryStore()
        self.erp, self.lease, self.clock, self.settling = Erp(delivery), Lease(), Clock(), settling
        posting = Posting(
            "0001.1", "1", 1, "FT1[1]", "consumption", b'{"key":"0001.1"}', history=[(self.now(), "planned")]
        )
        row = Entry(1, 1, "usage", "NORTH", bytes(16), bytes(16), "erp", 1, self.now(), encode_postings([posting]))
        self.store.write(Change(entries=[row]))

    def now(self) -> int:
        """The wall clock goes with the reactor's."""
        return 1_790_000_000_000_000 + int(self.clock.seconds() * 1e6)

    @property
    def posting(self) -> Posting:
        """As the store has it."""
        (entry,) = self.store.entries(1)
        (posting,) = decode_postings(entry.postings)
        return posting

    @property
    def effects(self) -> int:
        """How often it has had its effect."""
        return self.erp.effects[self.posting.key]
