"""An engine is stopped in order under load and another one takes its place, as in an upgrade."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.crash_oracle import faults, tally
from support.under_load import SENDERS, UnderLoad

if TYPE_CHECKING:
    from pathlib import Path

    from support.trial import Trial

STOP_LIMIT = 30.0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_stop_under_load_answers_whole_or_not_at_all(store_url: str, tmp_path: Path, trial: Trial) -> None:
    stops = trial.times(5, 50)
    took = []
    with UnderLoad(tmp_path, store_url) as scene:
        scene.begin()
        for _ in range(stops):
            time.sleep(trial.chance.uniform(0.2, 0.8))
            began = time.monotonic()
            assert scene.engine.stop() == 0, scene.engine.log
            took.append(time.monotonic() - began)
            scene.engine.start()
        evidence = scene.come_to_rest()
        counted = tally(evidence)
        senders = scene.senders
        more = {"cuts": senders.cuts, "half answers": senders.halves, "slowest stop s": round(max(took), 2)}
        trial.tell("SIGTERM", counted, store=store_url, cycles=stops, **more)
        assert faults(evidence) == []
        # What is on its way at a destination is waited for: after a stop in order there is nothing to send again.
        assert scene.counts.duplicates == 0
    assert counted[1:] == (0, 0, 0)
    assert senders.halves == 0
    assert senders.cuts <= stops * SENDERS  # each connection sees its end once
    assert max(took) < trial.limit(STOP_LIMIT)
