"""The disk is full under load: nobody is acknowledged, the engine stays, and goes on soon after there is room again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from support.crash_oracle import faults, tally
from support.store_on_disk import Kind, StoreOnDisk
from support.under_load import UnderLoad

if TYPE_CHECKING:
    from pathlib import Path

    from support.trial import Trial

MEGABYTES = 300
SMALL_LOG = {"max_wal_size": "32MB", "min_wal_size": "32MB"}
ANSWER_LIMIT = 30.0
STALL_LIMIT = 20.0
STALL = 2.0
"""Seconds without an acknowledgement that are taken as: the engine has met the end of the disk."""
HOLD = 3.0
RESUME_LIMIT = 10.0


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "postgresql, its log"])
def test_a_full_disk_stops_acknowledgements_and_nothing_else(kind: Kind, tmp_path: Path, trial: Trial) -> None:
    fillings = trial.times(2, 10)
    resumed = []
    with StoreOnDisk(kind, MEGABYTES, SMALL_LOG) as store, UnderLoad(tmp_path, store.url) as scene:
        scene.begin()
        for _ in range(fillings):
            scene.hear(ANSWER_LIMIT)
            time.sleep(trial.chance.uniform(0.5, 1.5))
            store.fill_up()
            filled = time.monotonic()
            while time.monotonic() < scene.last_heard + STALL:
                assert time.monotonic() < filled + STALL_LIMIT, "the disk is full, and messages are acknowledged"
                time.sleep(0.05)
            before = scene.last_heard
            time.sleep(HOLD)
            assert scene.last_heard == before, "a message was acknowledged that nothing could hold"
            assert scene.engine.running, scene.engine.log
            store.make_room()
            resumed.append(scene.hear(2 * RESUME_LIMIT))
        evidence = scene.come_to_rest()
        store.check()
        assert len(scene.engine.began) == 1
        counted = tally(evidence)
        what = "disk full" if kind != "postgresql, its log" else "disk full, of the write-ahead log"
        slowest = round(max(resumed), 2)
        more = {"resent": evidence.resends, "resumed after s": slowest}
        trial.tell(what, counted, store=store.url, cycles=fillings, **more)
        assert faults(evidence) == []
    assert counted[1:] == (0, 0, 0)
    assert slowest < trial.limit(RESUME_LIMIT)
