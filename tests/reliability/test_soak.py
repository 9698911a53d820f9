"""A steady load for a long time, on a network that is not too good: memory and open files stay where they are."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from statistics import linear_regression
from typing import TYPE_CHECKING

import pytest

from support.crash_oracle import faults, tally
from support.engine_process import free_port
from support.fault_proxy import FaultProxy, Faults
from support.sender import Load
from support.under_load import UnderLoad

if TYPE_CHECKING:
    from support.trial import Trial

NOT_TOO_GOOD = Faults(reset=0.001, cut=0.001, split=0.02, lag=0.02)
LOAD = Load(messages_a_case=4, pause=0.05)
PAGE = os.sysconf("SC_PAGE_SIZE")
WARM = 0.25
"""The part of the time after which the engine is at its size."""
SAMPLE = 1.0
MOST_BYTES_A_MESSAGE = 400
"""What memory may grow by, once the database's cache is full: the look-ups' filter keeps some bytes a key for ever."""
MOST_MEMORY = 300e6


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_memory_and_open_files_stay_level(tmp_path: Path, trial: Trial) -> None:
    seconds = trial.times(20, 20 * 60)
    port = free_port()
    with (
        FaultProxy(port, trial.chance, NOT_TOO_GOOD) as outside,
        UnderLoad(tmp_path, f"sqlite:///{tmp_path}/casecart.db", port=port, to=outside.port, load=LOAD) as scene,
    ):
        process = Path(f"/proc/{scene.engine.pid}")
        samples: list[tuple[float, int, int, int]] = []
        began = time.monotonic()
        scene.begin()
        while (passed := time.monotonic() - began) < seconds:
            if passed > WARM * seconds:
                samples.append((passed, resident(process), open_files(process), len(scene.senders.heard)))
            time.sleep(SAMPLE)
        outside.faults = Faults()
        evidence = replace(scene.come_to_rest(), cuts=outside.seen["cut"])
        counted = tally(evidence)
        times, memory, files, heard = zip(*samples, strict=True)
        memory_slope, files_slope = (linear_regression(times, values).slope for values in (memory, files))
        rate = (heard[-1] - heard[0]) / (times[-1] - times[0])
        more = {
            "minutes": round(seconds / 60, 1),
            "messages/s": round(rate),
            "memory MB": round(memory[-1] / 1e6, 1),
            "memory slope MB/h": round(memory_slope * 3600 / 1e6, 2),
            "bytes/message": round(memory_slope / rate),
            "files slope/h": round(files_slope * 3600, 2),
        }
        trial.tell("soak", counted, store=scene.store, cycles=1, **more)
        assert faults(evidence) == []
    assert counted[1:] == (0, 0, 0)
    assert max(files) - min(files) < 20  # connections come and go
    assert max(memory) < MOST_MEMORY
    # In a short run the cache still fills up.
    assert not trial.long or memory_slope / rate < MOST_BYTES_A_MESSAGE


def resident(process: Path) -> int:
    """Its memory in bytes."""
    return int((process / "statm").read_text("ascii").split()[1]) * PAGE


def open_files(process: Path) -> int:
    return len(list((process / "fd").iterdir()))
