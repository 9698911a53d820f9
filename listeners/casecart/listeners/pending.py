"""A message of a connection that waits for its answer, or for the second of two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from casecart.formats.mllp import BETWEEN, COMMIT, NO_COMMIT
from casecart.listeners.question import Question
from casecart.runtime.listener import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from casecart.listeners.connection import MllpConnection

__all__ = ["ACCEPTED", "Pending"]

UNSETTLED: Final = 0
SETTLED: Final = 1
ACCEPTED: Final = 2
"""Whether a message is answered: not yet, with its only answer, with the first of two."""


class Pending(Question):
    """It tells its connection when there is something to send.

    Attributes:
        answer: when it is settled: what is sent; empty: nothing; None: nothing, and the connection ends.
        second: when it is accepted: the same of the second answer, None while that is to come.
        settled: see `ACCEPTED`.
        size: of the message, in bytes.
    """

    __slots__ = ("answer", "connection", "second", "settled", "size")

    second: bytes | None

    def __init__(self, connection: MllpConnection, size: int) -> None:
        self.connection = connection
        self.size = size
        self.settled = UNSETTLED
        self.answer: bytes | None = None

    def __call__(self, receipt: Receipt) -> None:
        """Answer, now that it is known what to say."""
        connection = self.connection
        if not connection.closing:
            self.settle(self._made(connection.owner.reception.answer, receipt), receipt)

    def accepted(self) -> None:
        """Of two answers, give the first."""
        connection = self.connection
        if not connection.closing:
            self.second = None
            self.settle(self._made(connection.owner.reception.answer, Receipt.STORED), Receipt.STORED, ACCEPTED)

    def completed(self, receipt: Receipt) -> None:
        """Of two answers, give the second."""
        connection = self.connection
        if self.settled == UNSETTLED:
            self(receipt)  # it could not be stored
        elif not connection.closing:
            self.second = self._made(connection.owner.reception.completed, receipt)
            connection.settled()

    def _made(self, make: Callable[[Question, Receipt], bytes | None], receipt: Receipt) -> bytes | None:
        try:
            return make(self, receipt)
        except Exception:
            self.fail()
            raise

    def fail(self) -> None:
        """End the connection."""
        self.connection.abort()

    def pass_over(self) -> None:
        """Answer with nothing at all: this message is not taken, and its connection is about to close."""
        self.answer, self.settled = b"", SETTLED

    def settle(self, answer: bytes | None, receipt: Receipt, settled: int = SETTLED) -> None:
        """This is the answer, of a message that is settled like that from here on."""
        connection = self.connection
        if not connection.closing:
            self.answer = _committed(answer, receipt) if connection.owner.commits else answer
            self.settled = settled
            connection.settled()


def _committed(answer: bytes | None, receipt: Receipt) -> bytes:
    """MLLP release 2: before the acknowledgement, if there is one, a frame that says whether the content was stored."""
    commit = NO_COMMIT if receipt is Receipt.NOT_STORED else COMMIT
    return BETWEEN.join((commit, answer)) if answer else commit
