"""The states of a posting."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from casecart.runtime.destination import Delivery, PostingState
from casecart.runtime.states import OPEN, TRANSITIONS, after, diagram, next_step

PAGE = Path(__file__).parents[3] / "docs/explanation/posting-states.md"


def test_a_posted_posting_never_changes_again() -> None:
    assert not [event for state, event in TRANSITIONS if state == "posted"]


def test_every_state_is_reached_from_planned() -> None:
    reached = {"planned"}
    for _ in TRANSITIONS:
        reached |= {target for (state, _), target in TRANSITIONS.items() if state in reached}
    assert reached == {"planned", "sent", "posted", "held", "rejected", "unknown"}


def test_an_event_that_cannot_happen_is_a_fault() -> None:
    with pytest.raises(KeyError):
        after("planned", "taken")


@pytest.mark.parametrize(
    ("delivery", "state", "step"),
    [
        (Delivery.KEYED, "planned", "post"),
        (Delivery.KEYED, "unknown", "post"),  # a second same key is refused there
        (Delivery.BLIND, "unknown", "post"),  # at least once, and said so
        (Delivery.TWO_STEP, "unknown", "look up"),
        (Delivery.SEARCHABLE, "unknown", "look up"),
        (Delivery.TWO_STEP, "sent", "look up"),  # found after a crash: it may have had its effect
        (Delivery.TWO_STEP, "planned", "post"),
        (Delivery.TWO_STEP, "posted", None),
        (Delivery.KEYED, "held", None),
        (Delivery.KEYED, "rejected", None),
    ],
)
def test_what_the_dispatcher_does_next(delivery: Delivery, state: str, step: str | None) -> None:
    assert next_step(delivery, state) == step  # type: ignore[arg-type]  # the table's states are text


def test_open_states_are_those_with_a_next_step() -> None:
    assert {state for state in get_args(PostingState) if next_step(Delivery.KEYED, state)} == OPEN


def test_the_picture_in_the_docs_is_the_table() -> None:
    assert diagram() in PAGE.read_text(encoding="utf-8")
