"""As what the bytes of a message would come in: by the code that takes it from a sender, with nobody to answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.listeners.question import Question
from casecart.runtime.listener import Received

if TYPE_CHECKING:
    from casecart.listeners.hl7v2 import Reception
    from casecart.runtime.listener import Receipt

__all__ = ["TRIED", "received"]

TRIED = "try"
"""What stands for the address of who sends."""


class _Unanswered(Question):
    """Nobody waits."""

    __slots__ = ()

    def __call__(self, receipt: Receipt) -> None:
        """As above; likewise the others."""

    def accepted(self) -> None:
        pass

    def completed(self, receipt: Receipt) -> None:
        pass

    def fail(self) -> None:
        pass

    def settle(self, answer: bytes | None, receipt: Receipt) -> None:
        pass


def received(reception: Reception, body: bytes) -> Received:
    """One HL7 v2 message, as a listener's reception takes it.

    Of bytes that are several messages it is the first that counts: who has them cuts them before.
    """
    question = _Unanswered()

    def acknowledged(receipt: Receipt) -> str:
        both = arrival.stored is not None
        answer = reception.completed(question, receipt) if both else reception.answer(question, receipt)
        return _code(answer or b"")

    made = reception.arrival(body, TRIED, question)
    arrival = made[0] if isinstance(made, list) else made
    problem = getattr(question, "problem", None)
    return Received(arrival, "" if problem is None or not arrival.refused else problem.words, acknowledged)


def _code(answer: bytes) -> str:
    """MSA-1 of an acknowledgement of ours, whose fields are separated as the sender does it."""
    found = next((line for line in answer.split(b"\r") if line.startswith(b"MSA")), b"")
    return found[4:6].decode("ascii", "replace")
