"""Several messages in one frame: each arrives by itself, and the frame is answered when all of them are.

A batch (FHS, BHS) is answered by a batch in one frame, in which the answer of each message stands in the messages'
order; messages without a batch around them are answered by a frame each. A message that wants no answer has none, and
a frame of nothing but such messages is not answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from casecart.formats.hl7v2 import Refused, answer_batch, read_batch, split_messages
from casecart.formats.mllp import BETWEEN
from casecart.listeners.question import Question
from casecart.runtime.listener import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from casecart.formats.hl7v2 import Batch
    from casecart.listeners.hl7v2 import Reception
    from casecart.runtime.listener import Arrival

__all__ = ["batched", "one_by_one"]


class _Together:
    """The answers of a frame's messages, until all are there.

    Args:
        reception: makes the answers.
        question: of the frame.
        count: how many messages there are.
        put: makes one answer of all of them.
    """

    def __init__(
        self, reception: Reception, question: Question, count: int, put: Callable[[Sequence[bytes]], bytes]
    ) -> None:
        self._reception, self._question, self._put = reception, question, put
        self._answers: list[bytes | None] = [b""] * count
        self._left = count
        self._receipt = Receipt.STORED

    def answered(self, place: int, question: Question, receipt: Receipt, *, completed: bool = False) -> None:
        """One message has its receipt. One that could not be stored, and gets no answer, takes the answer of all."""
        try:
            self._answered(place, question, receipt, completed=completed)
        except Exception:
            self._question.fail()
            raise

    def _answered(self, place: int, question: Question, receipt: Receipt, *, completed: bool) -> None:
        answer: bytes | None = b""
        if completed and receipt is not Receipt.NOT_STORED and question.problem is None:
            answer = self._reception.completed(question, receipt)
        if answer == b"":  # there is no second one, or its sender does not want that
            answer = self._reception.answer(question, receipt)
        self._answers[place] = answer
        if receipt is Receipt.NOT_STORED:
            self._receipt = receipt
        self._left -= 1
        if not self._left:
            answers = [answer for answer in self._answers if answer]
            whole = None if None in self._answers else self._put(answers) if answers else b""
            self._question.settle(whole, self._receipt)


class _One(Question):
    """A message among others in its frame."""

    __slots__ = ("_place", "_together")

    def __init__(self, together: _Together, place: int) -> None:
        self._together, self._place = together, place

    def __call__(self, receipt: Receipt) -> None:
        self._together.answered(self._place, self, receipt)

    def accepted(self) -> None:
        """Beside others there is room for one answer: the second."""

    def completed(self, receipt: Receipt) -> None:
        self._together.answered(self._place, self, receipt, completed=True)


def batched(reception: Reception, body: bytes, source: str, question: Question) -> list[Arrival]:
    """The arrivals of a batch's messages; of one that can't be taken, the record of the whole frame."""
    try:
        batch = read_batch(body)
    except Refused as refused:
        return [reception.rejected(refused, body, source, question)]
    if not batch.messages:
        reception.introduce(batch.header, question)
        wanted = reception.answer(question, Receipt.STORED)
        question.settle(_in_batch(reception, batch, []) if wanted else b"", Receipt.STORED)
    return _arrivals(reception, batch.messages, source, question, lambda answers: _in_batch(reception, batch, answers))


def one_by_one(reception: Reception, body: bytes, source: str, question: Question, several: Refused) -> list[Arrival]:
    """The arrivals of messages that stand one after the other in a frame.

    Args:
        reception: makes them.
        body: of the frame.
        source: where it came from.
        question: of the frame.
        several: what was found when the first header was read.
    """
    assert several.header is not None  # noqa: S101 - it was read before a second one was found
    try:
        messages = split_messages(body, several.header)
    except Refused as refused:
        return [reception.rejected(refused, body, source, question)]
    return _arrivals(reception, messages, source, question, BETWEEN.join)


def _arrivals(
    reception: Reception,
    messages: Sequence[bytes],
    source: str,
    question: Question,
    put: Callable[[Sequence[bytes]], bytes],
) -> list[Arrival]:
    together = _Together(reception, question, len(messages), put)
    # A message that was cut out of a frame has one header, so that it is one arrival.
    return [
        cast("Arrival", reception.arrival(message, source, _One(together, place)))
        for place, message in enumerate(messages)
    ]


def _in_batch(reception: Reception, batch: Batch, answers: Sequence[bytes]) -> bytes:
    control_id, time = reception.signature(batch.header)
    return answer_batch(batch, answers, control_id=control_id, time=time)
