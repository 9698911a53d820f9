"""The classes of error between a destination and a posting: a table (docs/explanation/posting-states.md)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from casecart.runtime.destination import Answer, NotDelivered

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ERROR_CLASSES", "About", "ErrorClass", "error_class", "table"]

ErrorClass = Literal["transient", "permanent", "data", "unknown"]


class About(NamedTuple):
    """What a class is and comes to, in plain words."""

    means: str
    then: str
    who: str


ERROR_CLASSES: Mapping[ErrorClass, About] = MappingProxyType(
    {
        "transient": About(
            "the destination can't take anything now; surely nothing was done",
            "tried again after 0.5 s, 1 s, 2 s … up to a minute, or when it asks to be; nothing is held",
            "nobody, unless it lasts",
        ),
        "permanent": About(
            "the destination will take nothing until somebody mends an address, a key, a right or a certificate; "
            "surely nothing was done",
            "the breaker opens at once: one posting a minute probes, so that it goes on by itself when it is mended; "
            "nothing is held",
            "whoever runs the destination, or the configuration",
        ),
        "data": About(
            "the destination will not take this posting as it is, and takes others",
            "this one is held or rejected, and is in the worklist; the others go on",
            "who works the exceptions",
        ),
        "unknown": About(
            "it may have been done: no answer, half an answer, or a failure in the middle",
            "looked up, or sent again with the same key, as the destination's class of delivery says",
            "nobody, unless it is in the worklist in the end",
        ),
    }
)


def error_class(outcome: Answer | BaseException) -> ErrorClass | None:
    """The class of what a call came to, for one posting or for all of them; None: it is no error.

    Args:
        outcome: an answer, or what the call failed with. A failure that is neither `NotDelivered` nor
            `OutcomeUnknown` is a connector's fault: whether it had done something by then, nobody knows.
    """
    if isinstance(outcome, NotDelivered):
        return "permanent" if outcome.permanent else "transient"
    if not isinstance(outcome, Answer):
        return "unknown"
    match outcome.state:
        case "held" | "rejected":
            return "data"
        case "retry":
            return "transient"
        case "unknown":
            return "unknown"
        case _:
            return None


def table() -> str:
    """The table as Markdown."""
    lines = ["| class | it means | then | who acts |", "| --- | --- | --- | --- |"]
    lines += [f"| `{name}` | {about.means} | {about.then} | {about.who} |" for name, about in ERROR_CLASSES.items()]
    return "\n".join(lines)
