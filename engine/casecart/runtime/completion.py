"""What came of the work on a message, read from where it is stored: the same for a first answer and for a resend's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from casecart.runtime.listener import Completion, HeldLine
from casecart.store import MessageFilter

if TYPE_CHECKING:
    from casecart.store import Hold, Store

__all__ = ["completion_of"]

MOST = 200  # exceptions that are looked at


def completion_of(store: Store, position: int) -> Completion | None:
    """What came of a message; None while it waits, and of one that was never to be worked.

    A line that a person has fixed is not held any more, and one that was rejected is. What a destination said about a
    posting comes after the work, and is no part of it.
    """
    row = next(iter(store.messages(MessageFilter(positions=(position,)), None, 1)), None)
    match None if row is None else row.outcome:
        case "unrouted":
            return Completion("unrouted")
        case "processed" | "quarantined" as outcome:
            raised = reversed(store.holds(position=position, kind="held", limit=MOST))  # they come newest first
            held = dict.fromkeys(HeldLine(each.place, each.code) for each in raised if _counts(each))
            return Completion(outcome, tuple(sorted(held, key=_in_order)))
        case _:
            return None


def _in_order(held: HeldLine) -> tuple[int, str]:
    """`FT1[12]` comes after `FT1[3]`."""
    return len(held.place), held.place


def _counts(hold: Hold) -> bool:
    return hold.state != "fixed" and not hold.destination
