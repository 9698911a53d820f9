"""What a call, an answer or a failure does to the postings of a batch: their states, and who is given to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.runtime.states import OPEN, after, heard

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from casecart.runtime.destination import Answer, Posting
    from casecart.runtime.states import PostingEvent
    from casecart.runtime.window import Batch, Work

__all__ = ["HISTORY", "Outcomes", "delay_of"]

HISTORY = 40  # states that are remembered of a posting: the first, and the last ones

FIRST, LONGEST = 0.5, 60.0  # seconds that a posting in trouble waits, while others go on


class Outcomes:
    """Applies them, for one destination.

    Args:
        now: wall clock, µs since 1970.
        tries: failures of one posting, while others succeed, before a person is asked.
    """

    def __init__(self, *, now: Callable[[], int], tries: int) -> None:
        self._now, self._tries = now, tries
        self._answers = 0  # calls that the destination has answered

    def sent(self, batch: Batch) -> None:
        """They are about to be sent."""
        at = self._now()
        for _, posting in batch.items:
            posting.state = after(posting.state, "send") if posting.state != "sent" else "sent"
            posting.attempts += 1
            posting.history.append((at, "sent"))
            if len(posting.history) > HISTORY:
                del posting.history[1 : 1 - HISTORY]

    def answered(self) -> None:
        """The destination answered a call, whatever it said."""
        self._answers += 1

    def hear(self, posting: Posting, answer: Answer) -> None:
        """An answer that is not ``drafted``."""
        self.apply(posting, heard(posting.state, answer.state), answer.code, answer.words)
        posting.proof, posting.unsure = answer.proof, posting.unsure or answer.unsure
        if answer.reference or (posting.group and posting.state not in OPEN):
            # Of a two-step destination, what stood there was the draft's.
            posting.reference = answer.reference

    def apply(self, posting: Posting, event: PostingEvent, code: str, words: str) -> None:
        """Something happened to it."""
        posting.unsure = event == "tries used up" and posting.state == "unknown"
        posting.state = after(posting.state, event)
        posting.code, posting.words = code, words
        if posting.state == "planned":
            if posting.group:
                posting.reference = ""
            posting.group = ""
        if posting.history[-1][1] != posting.state:
            posting.history.append((self._now(), posting.state))

    def strike(self, batch: Batch, spared: Collection[int] = (), *, ours: bool = False) -> None:
        """What fails again and again while the destination answers others is given to a person in the end.

        Args:
            batch: that was answered, or not.
            spared: ids of the postings that this says nothing of.
            ours: it can't be the destination's trouble: it counts whether others were answered or not.
        """
        for work, posting in batch.items:
            if posting.state not in OPEN:
                work.strikes, work.struck_at = 0, self._answers  # it gets on
        struck: set[int] = set()
        for work, posting in batch.items:
            if posting.state not in OPEN or id(posting) in spared or id(work) in struck:
                continue
            if ours or work.struck_at != self._answers:
                struck.add(id(work))
                work.strikes += 1
                work.struck_at = self._answers
        for work, posting in batch.items:
            if posting.state in OPEN and id(posting) not in spared and work.strikes >= self._tries:
                self.apply(posting, "tries used up", posting.code or "tries-used-up", posting.words)

    def doubted(self, batch: Batch, code: str, words: str) -> None:
        """A fault of the engine's own: what was sent is in doubt, whatever was made of it by then."""
        for work, posting in batch.items:
            work.alone = True
            if posting.state == "sent":
                self.apply(posting, "no answer", code, words)
            elif posting.state in OPEN:
                posting.code, posting.words = code, words
        self.strike(batch, ours=True)


def delay_of(work: Work) -> float:
    """Seconds that a posting in trouble waits, while others go on."""
    return min(LONGEST, FIRST * 2.0 ** min(work.strikes, 16))
