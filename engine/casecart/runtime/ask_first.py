"""A destination after a restore: what it may have had already is asked for, or given to a person, and not sent again.

The store is as it was when the backup was taken. What was posted after that is planned in it, or unknown to it until
the sender sends the message again. What follows is the delivery class's business:

- keyed: it is sent, and refused as a second one of its key.
- searchable: it is looked up by its key before it is sent.
- two-step, where the destination told what it has under references of ours: a posting that goes with one of these is
  looked up there. One that is only like a movement there, and can't be told to be it, is given to a person.
- all others can't be asked: what was planned before a person released the destination is given to a person.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import msgspec
from twisted.internet.defer import Deferred

from casecart.canonical.consumption import Consumption
from casecart.runtime.destination import Answer, Delivery, NotDelivered, OutcomeUnknown
from casecart.runtime.fault import told
from casecart.runtime.restored import (
    FORGOTTEN,
    Mark,
    Moved,
    found_of,
    found_owner,
    line_of,
    mark_of,
    thing_of,
    told_of,
    told_owner,
)
from casecart.store import Change, StoreUnavailable, Timer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from casecart.canonical.movement import Movement
    from casecart.runtime.destination import (
        Destination,
        DestinationContext,
        DestinationSpec,
        Posting,
        Searchable,
        TwoStep,
    )
    from casecart.runtime.restored import Found
    from casecart.store import Store

    Write = Callable[[Callable[[Change], None], Callable[[], None]], None]

__all__ = ["MAYBE_POSTED", "AskFirst", "after_restore"]

log = logging.getLogger(__name__)

MAYBE_POSTED = "maybe-posted"

_consumption = msgspec.json.Decoder(Consumption).decode


def after_restore(
    spec: DestinationSpec, context: DestinationContext, store: Store, write: Write, now: Callable[[], int]
) -> Destination:
    """A destination; where the store was restored, one that asks first.

    Args:
        spec: of its kind.
        context: it is made with.
        store: tells of a restore.
        write: makes additions to a change durable, in the order of their coming (`Journal.write`).
        now: wall clock, µs since 1970.
    """
    destination = spec.make(context)
    if mark_of(store.timers(), context.name, now()) is None:
        return destination
    movements = spec.reconcile(context) if spec.reconcile is not None else None
    return AskFirst(
        destination,
        name=context.name,
        store=store,
        write=write,
        now=now,
        later=lambda call: context.reactor.callLater(0, call),
        expected=movements.expected if movements is not None else lambda _: None,
    )


class AskFirst:
    """Stands before a destination.

    Args:
        destination: itself.
        name: as configured.
        store: read until the destination is released, and not after that.
        write: as for `after_restore`.
        now: the same.
        later: makes a call in a later turn.
        expected: the movement that a posting comes to; None where that can't be told.
    """

    def __init__(
        self,
        destination: Destination,
        *,
        name: str,
        store: Store,
        write: Write,
        now: Callable[[], int],
        later: Callable[[Callable[[], None]], object],
        expected: Callable[[Posting], Movement | None],
    ) -> None:
        self._destination, self._name, self._store, self._now = destination, name, store, now
        self._write, self._later, self._expected = write, later, expected
        self._mark: Mark | None = None
        self._found: dict[str, Found] = {}
        self._by_key: defaultdict[str, list[str]] = defaultdict(list)
        self._left: dict[str, list[Moved]] = {}
        # Of a reference, the case that it is for is known as soon as the posting that it was made from is seen.
        self._case: dict[str, str] = {}
        self._of_case: defaultdict[str, set[str]] = defaultdict(set)
        # Of a reference, what is taken to be there and not answered yet, by key.
        self._given: defaultdict[str, dict[str, Movement]] = defaultdict(dict)
        self._asked: set[tuple[str, str]] = set()  # (key, reference): it is not in there
        self._told: set[str] = set()

    @property
    def delivery(self) -> Delivery:
        """The destination's own."""
        return self._destination.delivery

    def groups(self, postings: Sequence[Posting]) -> Sequence[str]:
        """The references under which they are there already, and for the others new ones."""
        self._look()
        known = [self._reference(posting, postings) for posting in postings]
        others = [posting for posting, reference in zip(postings, known, strict=True) if not reference]
        made = iter(cast("TwoStep", self._destination).groups(others) if others else ())
        return [reference or next(made) for reference in known]

    def post(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Send what it has surely not had yet; see there what became of the others."""
        return Deferred.fromCoroutine(self._post(postings))

    def look_up(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Ask the destination."""
        return self._destination.look_up(postings).addCallback(self._answered, postings)

    def carry_out(self, postings: Sequence[Posting]) -> Deferred[Sequence[Answer]]:
        """Of a two-step destination: ask for the effect of drafts."""
        carried = cast("TwoStep", self._destination).carry_out(postings)
        return carried.addCallback(self._answered, postings)

    @property
    def settling(self) -> float:
        """Of a searchable destination: seconds until what was sent is sure to be found."""
        return cast("Searchable", self._destination).settling

    def stop(self) -> Deferred[None]:
        """Let go of it."""
        return self._destination.stop()

    async def _post(self, postings: Sequence[Posting]) -> Sequence[Answer]:
        if self.delivery is not Delivery.TWO_STEP:  # of these, what was known when the references were given counts
            self._look()
        if self._mark is None or self._mark.phase != "released":
            words = "The store was restored from a backup, and what this destination has had since is not known yet."
            raise NotDelivered("restored", f"{words} Run `casecart reconcile {self._name} --after-restore`.")
        if self.delivery is Delivery.KEYED:
            return await self._destination.post(postings)
        answers: dict[str, Answer] = {}
        asked = [posting for posting in postings if self._ask(posting)]
        if asked:
            replies = await self._destination.look_up(asked)
            self._answered(replies, asked)
            answers = {posting.key: reply for posting, reply in zip(asked, replies, strict=True)}
            if self.delivery is Delivery.SEARCHABLE:  # surely not there: it goes out now
                answers = {key: reply for key, reply in answers.items() if reply.state != "retry"}
        rest = [posting for posting in postings if posting.key not in answers]
        answers |= {posting.key: self._doubtful(posting) for posting in rest if self._in_doubt(posting)}
        rest = [posting for posting in rest if posting.key not in answers]
        if rest:
            answers |= await self._send(rest, alone=not answers)
        return [answers[posting.key] for posting in postings]

    async def _send(self, rest: Sequence[Posting], *, alone: bool) -> dict[str, Answer]:
        """Send these; where others of the batch have their answers already, a failure is theirs alone."""
        keys = [posting.key for posting in rest]
        try:
            return dict(zip(keys, await self._destination.post(rest), strict=True))
        except NotDelivered as trouble:
            if alone:
                raise
            after = trouble.retry_after
            reply = Answer("retry", code=trouble.code, words=trouble.words, tried=False, retry_after=after)
        except OutcomeUnknown as trouble:
            if alone:
                raise
            reply = Answer("unknown", code=trouble.code, words=trouble.words)
        except Exception as fault:
            if alone:
                raise
            words = f"The connector failed ({told(fault)})."
            log.error("destination %s: %s", self._name, words)  # noqa: TRY400 - a traceback may repeat what a message says
            reply = Answer("unknown", code="connector-fault", words=words)
        return dict.fromkeys(keys, reply)

    # --- what is known
    def _look(self) -> None:
        """Read what is remembered, until the destination is released; from then on it is this one's own."""
        if self._mark is not None and self._mark.phase == "released":
            return
        try:
            timers = self._store.timers()
        except StoreUnavailable:
            return  # as it was: not released
        now = self._now()
        self._mark = mark_of(timers, self._name, now) or _forgotten(now)
        self._found = {found.reference: found for found in found_of(timers, self._name, now)}
        self._left = {reference: list(found.moved) for reference, found in self._found.items()}
        self._by_key.clear()
        for reference, found in self._found.items():
            self._by_key[found.key].append(reference)
        self._told = told_of(timers, self._name)

    def _ask(self, posting: Posting) -> bool:
        return self.delivery is Delivery.SEARCHABLE or posting.group in self._found

    def _reference(self, posting: Posting, row: Sequence[Posting]) -> str:
        """Of what is there and surely goes with a posting; empty: nothing does."""
        case = _consumption(posting.payload).case
        for each in row:
            for reference in self._by_key.get(each.key, ()):
                self._case[reference] = case
                self._of_case[case].add(reference)
        own: Sequence[str] = self._by_key.get(posting.key, ())
        others = sorted(self._of_case.get(case, set()).difference(own))
        expected = self._expected(posting)
        for reference in (*own, *others):
            if (posting.key, reference) in self._asked or reference not in self._found:
                continue
            if expected is not None and reference not in own and not self._has_left(reference, posting.key, expected):
                continue
            if reference in own or expected is not None:
                if expected is not None:
                    self._given[reference][posting.key] = expected
                return reference
        return ""

    def _has_left(self, reference: str, key: str, expected: Movement) -> bool:
        """Whether so much is there that no other posting is taken to be."""
        thing = thing_of(expected)
        there = sum((each.quantity for each in self._left[reference] if each.thing == thing), Decimal(0))
        given = self._given[reference].items()
        taken = sum((each.quantity for other, each in given if other != key and thing_of(each) == thing), Decimal(0))
        return there - taken >= expected.quantity

    # --- what comes of it
    def _answered(self, answers: Sequence[Answer], postings: Sequence[Posting]) -> Sequence[Answer]:
        """What the destination said of postings that were looked up."""
        for posting, answer in zip(postings, answers, strict=True):
            reference = posting.group
            if reference not in self._found:
                continue
            self._given[reference].pop(posting.key, None)
            if answer.state == "posted":
                self._claim(posting, reference)
            elif answer.state in {"retry", "held", "rejected"}:
                self._asked.add((posting.key, reference))
        return answers

    def _claim(self, posting: Posting, reference: str) -> None:
        """A movement is that posting's, and no other's."""
        expected = self._expected(posting)
        if expected is not None:
            left, quantity = [], expected.quantity
            for each in self._left[reference]:
                taken = min(quantity, each.quantity) if each.thing == thing_of(expected) else Decimal(0)
                quantity -= taken
                if each.quantity > taken:
                    left.append(msgspec.structs.replace(each, quantity=each.quantity - taken))
            self._left[reference] = left
        if not self._left[reference]:
            del self._found[reference], self._left[reference]
            self._of_case[_consumption(posting.payload).case].discard(reference)
            # Not before what became of the posting is durable: until then the memory is all that there is.
            done = (found_owner(self._name), reference)
            self._later(lambda: self._write(lambda change: change.timers_done.append(done), lambda: None))

    def _in_doubt(self, posting: Posting) -> bool:
        """Whether it may be there, and the destination can't tell."""
        assert self._mark is not None  # noqa: S101 - it has been looked up before
        if self.delivery is Delivery.SEARCHABLE or line_of(posting.key) in self._told:
            return False
        if not self._mark.asked:
            return posting.history[0][0] < self._mark.released_at
        return self._like(posting) is not None

    def _like(self, posting: Posting) -> str | None:
        """A reference under which something is there just like a posting, and may be it."""
        expected = self._expected(posting)
        if expected is None or posting.group in self._found:
            return None
        case, day = _consumption(posting.payload).case, expected.day.isoformat() if expected.day else ""
        for reference, left in self._left.items():
            if (posting.key, reference) in self._asked or self._case.get(reference, case) != case:
                continue
            if any(each.thing == thing_of(expected) and day in {each.day, ""} for each in left):
                return reference
        return None

    def _doubtful(self, posting: Posting) -> Answer:
        line = line_of(posting.key)
        self._told.add(line)
        row = Timer(told_owner(self._name), line, self._now() + FORGOTTEN, "")
        self._later(lambda: self._write(lambda change: change.timers.append(row), lambda: None))
        reference = self._like(posting)
        if reference is not None:
            words = (
                f"It may be posted already: {self._found[reference].number or 'something'} under {reference} there is "
                "just like it, and the store that was restored does not know for what that was."
            )
        else:
            words = (
                "It may be posted already: the store was restored from a backup, and this destination can't be asked "
                "what it has had since."
            )
        return Answer("held", code=MAYBE_POSTED, words=words, unsure=True)


def _forgotten(now: int) -> Mark:
    """Of a restore that is so long ago that it concerns nobody any more."""
    return Mark(backup="", taken_at=0, restored_at=0, phase="released", released_at=now, asked=True)
