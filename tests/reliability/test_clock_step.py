"""Somebody sets the wall clock by hours: timers keep their pace, order stays, nothing is lost."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING

import pytest

from support.crash_oracle import connected, faults, tally
from support.fault_proxy import FaultProxy
from support.shim import built
from support.under_load import UnderLoad

if TYPE_CHECKING:
    from pathlib import Path

    from support.trial import Trial

HOURS = 2 * 3600
LONGEST_PAUSE = 5.0
"""Seconds between two acknowledgements, on a busy machine."""
RETRIES = 10.0
"""Seconds for which the destination is away. By the engine's back-off it is tried four to six times in them."""
LONGEST_WAIT = 8.0
MOST_TRIES = 25


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_clock_that_steps_by_hours_changes_nothing(store_url: str, tmp_path: Path, trial: Trial) -> None:
    clock = tmp_path / "clock"
    clock.write_text("0")
    environment = {"LD_PRELOAD": str(built("clock_step", tmp_path)), "CLOCK_STEP_FILE": str(clock)}
    steps = trial.times(6, 60)
    to_come = itertools.cycle((HOURS, 0, -HOURS, 0))

    def step() -> None:
        clock.write_text(str(next(to_come)))

    with (
        FaultProxy(0, trial.chance) as before_sink,
        UnderLoad(tmp_path, store_url, before_sink=before_sink, environment=environment) as scene,
    ):
        scene.begin()
        for _ in range(steps):
            time.sleep(trial.chance.uniform(0.3, 1.0))
            step()
        began = away(before_sink)
        while time.monotonic() < began + RETRIES:
            time.sleep(trial.chance.uniform(0.3, 1.0))
            step()
        before_sink.refusing = False
        evidence = scene.come_to_rest()
        tries = [began, *before_sink.refused]
        counted = tally(evidence)
        pauses = [later - earlier for earlier, later in itertools.pairwise(scene.senders.heard)]
        more = {"tries": len(tries), "longest pause s": round(max(pauses), 2)}
        trial.tell("clock steps of 2 h", counted, store=store_url, cycles=steps, **more)
        assert faults(evidence) == []
        assert days_told(store_url) == {-1, 0, 1}  # the steps were felt
    assert counted[1:] == (0, 0, 0)
    assert max(pauses) < trial.limit(LONGEST_PAUSE)
    assert max(later - earlier for earlier, later in itertools.pairwise(tries)) < trial.limit(LONGEST_WAIT)
    assert 4 <= len(tries) < MOST_TRIES


def away(proxy: FaultProxy) -> float:
    """From now on the destination ends every connection, those that are open too; gives the moment."""
    proxy.refusing = True
    proxy.reset()
    return time.monotonic()


def days_told(store: str) -> set[int]:
    """By how many steps of the clock, -1 to 1, the messages' times are away from now."""
    with connected(store) as connection:
        cursor = connection.cursor()
        cursor.execute("select recorded_at from message")
        return {round((recorded_at / 1e6 - time.time()) / HOURS) for (recorded_at,) in cursor.fetchall()}
