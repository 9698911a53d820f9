"""When what a message says was true."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from casecart.store import Message

__all__ = ["stamp_of"]


def stamp_of(message: Message) -> tuple[int, int]:
    """When a message was true, by its sender's clock; of one moment, the one that came later.

    It was true when it came: one that says to be of a later day would stand over all that come until then.
    """
    said = message.recorded_at if message.occurred_at is None else min(message.occurred_at, message.recorded_at)
    return said, message.position
