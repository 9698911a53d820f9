"""A message that waits for its receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casecart.formats.hl7v2 import Header, Problem
    from casecart.listeners.peer import Sender
    from casecart.runtime.listener import Numbered, Receipt

__all__ = ["Question"]


class Question:
    """A message that waits for its receipt; the protocol's own class derives from it, and is called with it."""

    __slots__ = ("header", "numbered", "problem", "sender")

    header: Header | None
    sender: Sender
    problem: Problem | None
    numbered: Numbered | None
    """Only there where the sender gives sequence numbers, and none where this message has no number."""

    def __call__(self, receipt: Receipt) -> None:
        """Answer, now that it is known what to say."""
        raise NotImplementedError

    def accepted(self) -> None:
        """Of two answers, give the first: the message is stored."""
        raise NotImplementedError

    def completed(self, receipt: Receipt) -> None:
        """Of two answers, give the second; the only one, if the message could not be stored."""
        raise NotImplementedError

    def fail(self) -> None:
        """No answer can be made, by a fault of ours: end the connection, so that nobody waits for it."""
        raise NotImplementedError

    def settle(self, answer: bytes | None, receipt: Receipt) -> None:
        """Answer with this; empty: with nothing; None: nothing, and the sender must keep what it sent."""
        raise NotImplementedError
