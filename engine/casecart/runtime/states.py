"""The states of a posting and what moves it from one to the next: a table (docs/explanation/posting-states.md)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from casecart.runtime.destination import Delivery, PostingState

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OPEN", "TRANSITIONS", "UNCERTAIN", "PostingEvent", "Step", "after", "diagram", "heard", "next_step"]

OPEN: frozenset[PostingState] = frozenset({"planned", "sent", "unknown"})
"""On its way: these block later postings of their key. The others are settled."""

UNCERTAIN: frozenset[PostingState] = frozenset({"sent", "unknown"})
"""It may have had its effect, and nobody knows yet."""

PostingEvent = Literal[
    "send",
    "not delivered",
    "taken",
    "refused",
    "needs a person",
    "no answer",
    "found",
    "not found",
    "tries used up",
]

TRANSITIONS: Mapping[tuple[PostingState, PostingEvent], PostingState] = MappingProxyType(
    {
        ("planned", "send"): "sent",
        ("sent", "not delivered"): "planned",
        ("sent", "taken"): "posted",
        ("sent", "refused"): "rejected",
        ("sent", "needs a person"): "held",
        ("sent", "no answer"): "unknown",
        ("unknown", "send"): "sent",  # keyed and blind: the same key goes out again
        ("unknown", "found"): "posted",  # two-step and searchable: looked up first
        ("unknown", "not found"): "planned",
        ("unknown", "refused"): "rejected",
        ("unknown", "needs a person"): "held",
        ("unknown", "no answer"): "unknown",
        ("unknown", "tries used up"): "held",
        ("planned", "tries used up"): "held",
    }
)

_HEARD: Mapping[str, PostingEvent] = MappingProxyType(
    {
        "posted": "taken",
        "rejected": "refused",
        "held": "needs a person",
        "retry": "not delivered",
        "unknown": "no answer",
    }
)
_FOUND: Mapping[str, PostingEvent] = MappingProxyType({**_HEARD, "posted": "found", "retry": "not found"})

Step = Literal["post", "look up"]

_ASKED = frozenset({Delivery.TWO_STEP, Delivery.SEARCHABLE})


def after(state: PostingState, event: PostingEvent) -> PostingState:
    """The state that follows. Raises KeyError for an event that can't happen in that state: a fault of the engine."""
    return TRANSITIONS[state, event]


def heard(state: PostingState, answer: str) -> PostingEvent:
    """What an answer is to a posting that is `sent` or `unknown`. Raises KeyError for ``drafted``."""
    return (_FOUND if state == "unknown" else _HEARD)[answer]


def next_step(delivery: Delivery, state: PostingState) -> Step | None:
    """What the dispatcher does next with a posting; None when it is settled.

    `sent` found after a restart is an unknown outcome: the engine may have died between sending and hearing.
    """
    if state == "planned":
        return "post"
    if state in ("sent", "unknown"):
        return "look up" if delivery in _ASKED else "post"
    return None


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", "    [*] --> planned"]
    lines += [f"    {state} --> {target}: {event}" for (state, event), target in TRANSITIONS.items()]
    return "\n".join([*lines, "    posted --> [*]"])
