"""Whether a destination is well, as its row of the next try says it."""

from __future__ import annotations

from twisted.internet.task import Clock

from casecart.runtime.health import Health
from casecart.store import Change
from casecart.store.memory import MemoryStore


def test_a_destination_that_answers_again_before_its_trouble_was_committed_leaves_no_next_try() -> None:
    change, store = Change(), MemoryStore()
    health = Health(
        name="erp",
        random=lambda: 0.5,
        reactor=Clock(),
        now=lambda: 1_790_000_000_000_000,
        write=lambda fill: fill(change),
        go_on=lambda: None,
    )
    health.failed("http-503", "It is down.", "transient")
    health.succeeded()  # another call, that was under way
    store.write(change)
    assert store.timers() == []
